"""Helpers of the Noise tests: fixed hosts, handshakes in any cut, and a peer that authenticates whatever it likes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from p2pstack.crypto import x25519
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.noise import FramedHandshake, Handshake, NoiseIdentity, Transport, VerifyCache
from p2pstack.noise.symmetric import SymmetricState
from p2pstack.wire import uvarint

YAMUX = ("/yamux/1.0.0",)
ALICE = NoiseIdentity(PrivateKey.from_seed(b"\x01" * 32), YAMUX, b"\x11" * 32)
BOB = NoiseIdentity(PrivateKey.from_seed(b"\x02" * 32), YAMUX, b"\x22" * 32)
ALICE_EPHEMERAL = (b"\x33" * 32, x25519.public_key(b"\x33" * 32))
BOB_EPHEMERAL = (b"\x44" * 32, x25519.public_key(b"\x44" * 32))


def dialer(
    local: NoiseIdentity = ALICE, expected: PeerId | None = None, verified: VerifyCache | None = None
) -> Handshake:
    return Handshake(initiator=True, local=local, expected_peer=expected, ephemeral=ALICE_EPHEMERAL, verified=verified)


def listener(
    local: NoiseIdentity = BOB, expected: PeerId | None = None, verified: VerifyCache | None = None
) -> Handshake:
    return Handshake(initiator=False, local=local, expected_peer=expected, ephemeral=BOB_EPHEMERAL, verified=verified)


def shake(initiator: Handshake, responder: Handshake) -> None:
    responder.read_message(initiator.write_message())
    initiator.read_message(responder.write_message())
    responder.read_message(initiator.write_message())


def transports() -> tuple[Transport, Transport]:
    """The two ends of a fresh secure connection: dialer, listener."""
    a, b = dialer(), listener()
    shake(a, b)
    return Transport(*a.split()), Transport(*b.split())


def muxing(handshake: Handshake, muxers: Sequence[str]) -> NoiseIdentity:
    """The host of ``handshake`` with other muxers."""
    host = ALICE if handshake.initiator else BOB
    return NoiseIdentity(host.key, muxers)


@dataclass
class Stream:
    """What a shell does: it keeps the bytes that a machine has not taken yet."""

    handshake: FramedHandshake
    kept: bytes = b""
    transport: Transport | None = None
    delivered: list[bytes] = field(default_factory=list)

    def feed(self, data: bytes, sizes: Iterable[int] = ()) -> None:
        for size in sizes:
            self._feed(data[:size])
            data = data[size:]
        self._feed(data)

    def _feed(self, data: bytes) -> None:
        buffer = memoryview(b"..." + self.kept + data + b"??")  # neither starts nor ends where the bytes do
        start, end = 3, len(buffer) - 2
        if self.transport is None:
            start = self.handshake.receive_frames(buffer, start, end)
            if self.handshake.complete:
                self.transport = self.handshake.transport()
        if self.transport is not None:
            start = self.transport.open_frames(buffer, start, end, self.delivered.append)
        self.kept = bytes(buffer[start:end])

    def sent(self) -> bytes:
        return b"".join(self.handshake.data_to_send())


def forge_second(first: bytes, payload: bytes, static: bytes | None = None) -> bytes:
    """Message 2 in answer to ``first``, well encrypted, with any payload and any static key (default: BOB's)."""
    state = SymmetricState()
    private, public = BOB_EPHEMERAL
    for data in (first, b"", public):
        state.mix_hash(data)
    state.mix_key(x25519.exchange(private, first))
    sealed = state.encrypt_and_hash(BOB.static_public if static is None else static)
    state.mix_key(BOB.exchange(first))
    return public + sealed + state.encrypt_and_hash(payload)


def forge_third(second: bytes, payload: bytes, static: bytes | None = None) -> bytes:
    """Message 3 in answer to ``second``, after ALICE's usual first, with any payload and any static key."""
    state = SymmetricState()
    private, public = ALICE_EPHEMERAL
    remote = second[:32]
    for data in (public, b"", remote):
        state.mix_hash(data)
    state.mix_key(x25519.exchange(private, remote))
    state.mix_key(x25519.exchange(private, state.decrypt_and_hash(second[32:80])))
    state.decrypt_and_hash(second[80:])
    sealed = state.encrypt_and_hash(ALICE.static_public if static is None else static)
    state.mix_key(ALICE.exchange(remote))
    return sealed + state.encrypt_and_hash(payload)


def protobuf_field(number: int, data: bytes) -> bytes:
    """One length-delimited protobuf field."""
    return uvarint.encode(number << 3 | 2) + uvarint.encode(len(data)) + data
