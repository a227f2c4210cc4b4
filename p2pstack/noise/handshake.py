"""The handshake ``Noise_XX_25519_ChaChaPoly_SHA256`` as libp2p uses it (NOISE-01 to NOISE-12, NOISE-20).

Three messages, each a sequence of tokens; ``e`` and ``s`` send an ephemeral and a static public key, two letters are
the Diffie-Hellman result of the initiator's key and the responder's::

    1   initiator -> responder   e                 and an empty payload
    2   responder -> initiator   e, ee, s, es      and the responder's payload
    3   initiator -> responder   s, se             and the initiator's payload

Each side calls ``write_message`` and ``read_message`` in turn until ``complete``; :class:`FramedHandshake` does this
for a byte stream. Nothing that the peer said can be seen before the handshake is complete. Once anything has failed the
handshake is of no further use, and the connection is to be closed without a word (NOISE-19).
"""

from __future__ import annotations

from p2pstack.crypto import x25519
from p2pstack.crypto.aead import InvalidTag
from p2pstack.errors import DecodeError, HandshakeError, LocalError, PeerIdMismatch
from p2pstack.identity.peer_id import PeerId
from p2pstack.noise.config import NoiseConfig
from p2pstack.noise.identity import NoiseIdentity, RemoteIdentity
from p2pstack.noise.payload import parse_payload, verify_payload
from p2pstack.noise.symmetric import SymmetricState
from p2pstack.noise.transport import CipherState
from p2pstack.noise.verified import VerifyCache

__all__ = ["Handshake"]

SEALED_KEY_SIZE = 48
"""Bytes of a public key with its tag."""

SHORTEST = (32, 96, 64)
"""Bytes of messages 1 to 3 with an empty payload (NOISE-12)."""

COMPLETE = 3
FAILED = 4
DEFAULT_CONFIG = NoiseConfig()


class Handshake:
    """One side of one handshake.

    ``local`` is the host's identity, ``expected_peer`` whom it must be at the other end (None: anybody), ``ephemeral``
    a fresh X25519 pair (private, public) which must not be used again, ``verified`` the host's memory of signatures.
    """

    __slots__ = (
        "_config",
        "_ephemeral",
        "_local",
        "_muxer",
        "_remote",
        "_remote_ephemeral",
        "_split",
        "_step",
        "_symmetric",
        "_verified",
        "expected_peer",
        "initiator",
    )

    def __init__(
        self,
        *,
        initiator: bool,
        local: NoiseIdentity,
        expected_peer: PeerId | None,
        ephemeral: tuple[bytes, bytes],
        verified: VerifyCache | None = None,
        config: NoiseConfig = DEFAULT_CONFIG,
    ) -> None:
        self.initiator = initiator
        self.expected_peer = expected_peer
        self._local = local
        self._ephemeral = ephemeral
        self._verified = verified
        self._config = config
        self._symmetric = SymmetricState()
        self._step = 0  # messages so far, or FAILED
        self._remote_ephemeral = b""
        self._remote: RemoteIdentity | None = None
        self._muxer: str | None = None
        self._split = False

    @property
    def complete(self) -> bool:
        """All three messages went by and the peer is proven."""
        return self._step == COMPLETE

    @property
    def remote(self) -> RemoteIdentity:
        """Who the peer is.

        Raises:
            LocalError: the handshake is not complete, so nothing is proven (NOISE-15).
        """
        if self._step != COMPLETE or self._remote is None:
            raise LocalError("the Noise handshake is not complete")
        return self._remote

    @property
    def muxer(self) -> str | None:
        """The muxer that both agreed on in the handshake: the first of the initiator's list that both have (NOISE-20).

        None when either side listed none: then multistream agrees on it.

        Raises:
            LocalError: the handshake is not complete.
        """
        if self._step != COMPLETE:
            raise LocalError("the Noise handshake is not complete")
        return self._muxer

    def split(self) -> tuple[CipherState, CipherState]:
        """Return the cipher states to send and to receive with (NOISE-22).

        Raises:
            LocalError: the handshake is not complete; or they were returned before, and a second pair of states with
                the same keys would use the same nonces.
        """
        if self._step != COMPLETE or self._split:
            raise LocalError("the Noise handshake is not complete, or its cipher states were handed out before")
        self._split = True
        to_responder, to_initiator = self._symmetric.split()
        if self.initiator:
            return CipherState(to_responder), CipherState(to_initiator)
        return CipherState(to_initiator), CipherState(to_responder)

    def write_message(self) -> bytes:
        """Return the next message, without the two bytes of its length.

        Raises:
            LocalError: it is not this side's turn.
            HandshakeError: the peer's ephemeral key can't be used (NOISE-11).
        """
        step = self._step
        if step >= COMPLETE or (step == 1) == self.initiator:
            raise LocalError("no Noise message is to be written now")
        self._step = FAILED  # unless all goes well
        try:
            message = self._WRITERS[step](self)
        except DecodeError as error:
            raise HandshakeError(str(error), requirement=error.requirement) from error
        self._step = step + 1
        return message

    def read_message(self, message: bytes) -> None:
        """Take the peer's next message, without the two bytes of its length.

        Raises:
            HandshakeError: it is not what it has to be; its subclass PeerIdMismatch when it comes from another peer
                than the expected one.
            LocalError: it is not the peer's turn.
        """
        self.check_size(len(message))
        step = self._step
        self._step = FAILED  # unless all goes well
        try:
            self._READERS[step](self, message)
        except InvalidTag as error:
            raise HandshakeError(f"message {step + 1} does not authenticate", requirement="NOISE-09") from error
        except DecodeError as error:
            raise HandshakeError(str(error), requirement=error.requirement or "NOISE-05") from error
        self._step = step + 1

    def check_size(self, size: int) -> None:
        """Judge the size in bytes of the peer's next message, which needs no more than its first two bytes (GEN-02).

        Raises:
            HandshakeError: no message of this size can be right (NOISE-04, NOISE-12).
            LocalError: it is not the peer's turn.
        """
        step = self._step
        if step >= COMPLETE or (step == 1) != self.initiator:
            raise LocalError("no Noise message is to be read now")
        if size < SHORTEST[step]:
            self._step = FAILED
            raise HandshakeError(f"message {step + 1} has only {size} bytes", requirement="NOISE-12")
        if step == 0 and size > x25519.KEY_SIZE:
            self._step = FAILED
            raise HandshakeError("message 1 carries a payload", requirement="NOISE-04")

    def _write_first(self) -> bytes:
        ephemeral = self._ephemeral[1]
        self._symmetric.mix_hash(ephemeral)
        self._symmetric.mix_hash(b"")  # the empty payload: not encrypted yet, but part of the hash
        return ephemeral

    def _read_first(self, message: bytes) -> None:
        self._remote_ephemeral = message
        self._symmetric.mix_hash(message)
        self._symmetric.mix_hash(b"")

    def _write_second(self) -> bytes:
        private, ephemeral = self._ephemeral
        state = self._symmetric
        state.mix_hash(ephemeral)
        state.mix_key(x25519.exchange(private, self._remote_ephemeral))  # ee
        static = state.encrypt_and_hash(self._local.static_public)
        state.mix_key(self._local.exchange(self._remote_ephemeral))  # es
        return ephemeral + static + state.encrypt_and_hash(self._local.payload)

    def _read_second(self, message: bytes) -> None:
        private = self._ephemeral[0]
        ephemeral = self._remote_ephemeral = message[: x25519.KEY_SIZE]
        state = self._symmetric
        state.mix_hash(ephemeral)
        state.mix_key(x25519.exchange(private, ephemeral))  # ee
        static = state.decrypt_and_hash(message[x25519.KEY_SIZE : x25519.KEY_SIZE + SEALED_KEY_SIZE])
        state.mix_key(x25519.exchange(private, static))  # es
        self._accept(static, state.decrypt_and_hash(message[x25519.KEY_SIZE + SEALED_KEY_SIZE :]))

    def _write_third(self) -> bytes:
        state = self._symmetric
        static = state.encrypt_and_hash(self._local.static_public)
        state.mix_key(self._local.exchange(self._remote_ephemeral))  # se
        return static + state.encrypt_and_hash(self._local.payload)

    def _read_third(self, message: bytes) -> None:
        state = self._symmetric
        static = state.decrypt_and_hash(message[:SEALED_KEY_SIZE])
        state.mix_key(x25519.exchange(self._ephemeral[0], static))  # se
        self._accept(static, state.decrypt_and_hash(message[SEALED_KEY_SIZE:]))

    def _accept(self, static_key: bytes, data: bytes) -> None:
        """Check who the peer is by its payload ``data``, and agree on a muxer."""
        payload = parse_payload(data, self._config)
        key = verify_payload(payload, static_key, self._verified)
        peer_id = key.peer_id
        if self.expected_peer is not None and peer_id != self.expected_peer:
            raise PeerIdMismatch(self.expected_peer, peer_id)
        self._muxer = self._choose_muxer(payload.muxers)
        self._remote = RemoteIdentity(public_key=key, peer_id=peer_id, static_key=static_key, muxers=payload.muxers)

    def _choose_muxer(self, theirs: tuple[str, ...] | None) -> str | None:
        ours = self._local.muxers
        if not ours or theirs is None:
            return None
        wanted, known = (ours, theirs) if self.initiator else (theirs, ours)
        for muxer in wanted:
            if muxer in known:
                return muxer
        raise HandshakeError("both sides list muxers, but none in common", requirement="NOISE-20")

    _WRITERS = (_write_first, _write_second, _write_third)
    _READERS = (_read_first, _read_second, _read_third)
