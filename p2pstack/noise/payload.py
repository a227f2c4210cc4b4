"""The payload of handshake messages 2 and 3: who the sender is, and the proof (NOISE-05, NOISE-06, NOISE-16, NOISE-17).

The identity key signs the static X25519 key of the sender. The handshake proves that the peer owns this static key, and
the signature that it is the peer's: together they tie the connection to a peer id. The extensions carry the muxers that
a peer speaks (NOISE-20); certificate hashes for WebTransport, the old ``data`` field and unknown fields are ignored.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from p2pstack.errors import HandshakeError, LocalError
from p2pstack.identity.keys import PrivateKey, PublicKey
from p2pstack.noise.config import NoiseConfig
from p2pstack.noise.verified import VerifyCache
from p2pstack.wire.pb.noise_pb2 import NoiseHandshakePayload
from p2pstack.wire.protobuf import parse, serialize

__all__ = ["SIGNATURE_PREFIX", "Payload", "build_payload", "parse_payload", "verify_payload"]

SIGNATURE_PREFIX = b"noise-libp2p-static-key:"
"""What the identity key signs is this, followed by the 32 bytes of the static key (NOISE-06)."""

MAX_PAYLOAD = 65_535 - 96
"""Bytes of a payload that fits into message 2, the one with the most beside it."""


class Payload(NamedTuple):
    """A payload as it was received: nothing of it is true before :func:`verify_payload` has returned."""

    identity_key: bytes
    """The serialized public key."""
    signature: bytes
    muxers: tuple[str, ...] | None
    """What the peer lists, most wanted first; None where it lists none, or too many."""


def build_payload(key: PrivateKey, static_public: bytes, muxers: Sequence[str]) -> bytes:
    """Return the payload of the host with identity ``key`` and X25519 key ``static_public`` (32 bytes).

    Without ``muxers`` there are no extensions.

    Raises:
        LocalError: there are more muxers than a peer reads, or names so long that no message could hold them.
    """
    limit = NoiseConfig().max_muxers
    if len(muxers) > limit:
        raise LocalError(f"{len(muxers)} muxers: peers ignore a list of more than {limit}")
    message = NoiseHandshakePayload(
        identity_key=key.public_key.to_protobuf(), identity_sig=key.sign(SIGNATURE_PREFIX + static_public)
    )
    if muxers:
        message.extensions.stream_muxers.extend(muxer.encode() for muxer in muxers)
    data = serialize(message)
    if len(data) > MAX_PAYLOAD:
        raise LocalError(f"a handshake payload of {len(data)} bytes; {MAX_PAYLOAD} are possible")
    return data


def parse_payload(data: bytes, config: NoiseConfig) -> Payload:
    """Read a payload.

    Raises:
        DecodeError: it does not parse (NOISE-05).
        HandshakeError: the key or the signature is missing (NOISE-06).
    """
    message = parse(NoiseHandshakePayload, data)
    if not message.HasField("identity_key") or not message.HasField("identity_sig"):
        raise HandshakeError("the payload lacks the identity key or its signature", requirement="NOISE-06")
    names = message.extensions.stream_muxers
    listed = 0 < len(names) <= config.max_muxers
    # A name that is no UTF-8 stays in the list, as one that nobody has.
    muxers = tuple(name.decode(errors="replace") for name in names) if listed else None
    return Payload(message.identity_key, message.identity_sig, muxers)


def verify_payload(payload: Payload, static_key: bytes, cache: VerifyCache | None) -> PublicKey:
    """Return the peer's identity key after checking that it signed ``static_key``, the one of this handshake.

    Raises:
        DecodeError: the key does not parse.
        HandshakeError: the signature is wrong (NOISE-06).
    """
    triple = (payload.identity_key, payload.signature, static_key)
    if cache is not None and (known := cache.get(triple)) is not None:
        return known
    key = PublicKey.from_protobuf(payload.identity_key)
    if not key.verify(SIGNATURE_PREFIX + static_key, payload.signature):
        raise HandshakeError("the identity key did not sign the static key", requirement="NOISE-06")
    if cache is not None:
        cache.add(triple, key)
    return key
