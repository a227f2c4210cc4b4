"""Who we are to Noise, made once a host, and who the peer turned out to be."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from p2pstack.crypto import x25519
from p2pstack.identity.keys import PrivateKey, PublicKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.noise.payload import build_payload

__all__ = ["NoiseIdentity", "RemoteIdentity"]


class NoiseIdentity:
    """An identity key, one static X25519 key, and the payload that ties them together, signed once for all handshakes.

    ``muxers`` are offered in the handshake, most wanted first; none means that the muxer is agreed by multistream.
    The static key lives as long as this object, is never stored and has nothing to do with ``key`` (NOISE-08);
    ``static_private`` (32 bytes) is for test vectors. ``entropy(n)`` returns ``n`` random bytes.

    Raises:
        LocalError: there are more than 100 muxers, or their names are too long for a handshake message.
    """

    __slots__ = ("_static_private", "key", "muxers", "payload", "peer_id", "static_public")

    def __init__(
        self,
        key: PrivateKey,
        muxers: Sequence[str] = (),
        static_private: bytes | None = None,
        entropy: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.key = key
        self.peer_id: PeerId = key.public_key.peer_id
        self.muxers = tuple(muxers)
        self._static_private = entropy(x25519.KEY_SIZE) if static_private is None else static_private
        self.static_public = x25519.public_key(self._static_private)
        self.payload = build_payload(key, self.static_public, self.muxers)

    def exchange(self, public: bytes) -> bytes:
        """Return the Diffie-Hellman result of the static key and ``public``, 32 bytes each.

        Raises:
            LowOrderPoint: it is zero (NOISE-11).
        """
        return x25519.exchange(self._static_private, public)


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteIdentity:
    """The peer, as a complete handshake has proven it (NOISE-15)."""

    public_key: PublicKey
    peer_id: PeerId
    static_key: bytes
    """Its X25519 key, 32 bytes."""
    muxers: tuple[str, ...] | None
    """The muxers it lists, most wanted first; None where it lists none, or more than are read."""
