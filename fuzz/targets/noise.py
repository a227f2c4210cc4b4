"""Noise: handshakes with a stranger and with a liar who has the keys, and transport frames under attack."""

from __future__ import annotations

from fuzz.checks import require
from fuzz.source import Source, cut
from p2pstack.crypto import x25519
from p2pstack.errors import HandshakeError, NoiseError
from p2pstack.identity.keys import PrivateKey
from p2pstack.noise import FramedHandshake, Handshake, NoiseIdentity, Transport, VerifyCache
from p2pstack.noise.transport import CipherState

__all__ = ["run_initiator", "run_responder", "run_transport"]

_YAMUX = ("/yamux/1.0.0",)
_ALICE = NoiseIdentity(PrivateKey.from_seed(b"\x01" * 32), _YAMUX, b"\x11" * 32)
_BOB = NoiseIdentity(PrivateKey.from_seed(b"\x02" * 32), _YAMUX, b"\x22" * 32)
_LIAR = NoiseIdentity(_BOB.key, _YAMUX, b"\x22" * 32)
_ALICE_EPHEMERAL = (b"\x33" * 32, x25519.public_key(b"\x33" * 32))
_BOB_EPHEMERAL = (b"\x44" * 32, x25519.public_key(b"\x44" * 32))

_RAW, _FORGED, _TAMPERED, _EXPECTED = 1, 2, 4, 8
"""Bits of the first byte: bytes of anybody; a payload of one's own; changed bytes; only Bob is wanted."""


class _Machine:
    """Our side, and what a shell does for it: it keeps the bytes that are not taken yet."""

    def __init__(self, *, initiator: bool, mode: int) -> None:
        self.framed = FramedHandshake(
            Handshake(
                initiator=initiator,
                local=_ALICE,
                expected_peer=_BOB.peer_id if mode & _EXPECTED else None,
                ephemeral=_ALICE_EPHEMERAL,
                verified=VerifyCache(),
            )
        )
        self.kept = b""
        self.failed: HandshakeError | None = None

    def feed(self, pieces: list[bytes]) -> None:
        for piece in pieces:
            if self.failed is not None or self.framed.complete:
                return
            view = memoryview(self.kept + piece)
            try:
                taken = self.framed.receive_frames(view, 0, len(view))
            except HandshakeError as error:
                self.failed = error
                require(not self.framed.complete, "a failed handshake is complete")
                return
            self.kept = bytes(view[taken:])
            require(self.framed.complete or len(self.kept) < 65_537, "a whole frame is held back")

    def said(self) -> bytes:
        return b"".join(self.framed.data_to_send())


def run_initiator(data: bytes) -> None:
    """Our handshake begins, and ``data`` decides what answers."""
    _run(data, initiator=True)


def run_responder(data: bytes) -> None:
    """``data`` decides who begins a handshake with us."""
    _run(data, initiator=False)


def _run(data: bytes, *, initiator: bool) -> None:
    source = Source(data)
    mode = source.byte()
    if mode & _RAW:
        sizes = source.cuts()
        body = source.rest()
        outcomes = []
        for pieces in (cut(body, sizes), [body]):
            machine = _Machine(initiator=initiator, mode=mode)
            machine.feed(pieces)
            failure = machine.failed.requirement if machine.failed is not None else None
            outcomes.append((failure, machine.framed.complete, machine.said()))
        require(outcomes[0] == outcomes[1], "the outcome depends on the cut")
        return
    _with_a_liar(source, mode, initiator=initiator)


def _with_a_liar(source: Source, mode: int, *, initiator: bool) -> None:
    """Go through a handshake with a peer that does all as it should but for what ``mode`` says."""
    sizes = source.cuts()
    at, change = (source.byte() << 8 | source.byte(), source.byte()) if mode & _TAMPERED else (0, 0)
    _LIAR.payload = source.rest() if mode & _FORGED else _BOB.payload
    machine = _Machine(initiator=initiator, mode=mode)
    peer = FramedHandshake(
        Handshake(initiator=not initiator, local=_LIAR, expected_peer=None, ephemeral=_BOB_EPHEMERAL)
    )
    passed = 0
    tampered = False
    for _ in range(3):
        sent = bytearray(b"".join(peer.data_to_send()))
        if change and passed <= at < passed + len(sent):
            sent[at - passed] ^= change
            tampered = True
        passed += len(sent)
        machine.feed(cut(bytes(sent), sizes))
        answer = machine.said()
        try:
            peer.receive_frames(memoryview(answer), 0, len(answer))
        except HandshakeError:
            require(tampered, "an honest peer could not read what we said")
            break
    framed = machine.framed
    if framed.complete:
        require(not tampered, "a handshake was tampered with, and is complete")
        require(framed.handshake.remote.static_key == _LIAR.static_public, "the peer's key is another")
        framed.transport()
        if mode & _EXPECTED:
            require(framed.handshake.remote.peer_id == _BOB.peer_id, "another peer was expected")
    elif not tampered:
        require(mode & _FORGED, f"an honest handshake does not end well: {machine.failed}")


def run_transport(data: bytes) -> None:
    """Whatever is done to frames, what comes out is what went in, up to the first change."""
    source = Source(data)
    sender = Transport(CipherState(b"\x01" * 32), CipherState(b"\x02" * 32))
    receiver = Transport(CipherState(b"\x02" * 32), CipherState(b"\x01" * 32))
    sizes = source.cuts()
    wire = bytearray()
    genuine: list[bytes] = []
    untouched = 0
    honest = True
    while source and len(wire) < 200_000:
        operation = source.below(8)
        plaintext = source.take(source.byte()) or bytes(min(source.size(), 65_519))
        frame = bytearray(sender.seal(plaintext))
        if operation == 0:
            at, change = source.byte() << 8 | source.byte(), source.byte()
            frame[at % len(frame)] ^= change
            honest = honest and not change
        elif operation == 1:
            del frame[source.size() :]
            honest = False
        elif operation == 2:
            frame += source.take(source.byte())
            honest = False
        if plaintext:
            genuine.append(plaintext)
            untouched += honest
        wire += frame
    delivered, kept, failed = _receive(receiver, cut(bytes(wire), sizes))
    require(delivered == genuine[: len(delivered)], "something else arrived than was sent")
    require(len(delivered) >= untouched, "what was sent before the first change did not arrive")
    require(not honest or (not failed and not kept and len(delivered) == untouched), "honest frames were refused")


def _receive(receiver: Transport, pieces: list[bytes]) -> tuple[list[bytes], int, bool]:
    """Return what arrives, how many bytes of an incomplete frame are left, and whether a frame was refused."""
    delivered: list[bytes] = []
    kept = b""
    for piece in pieces:
        view = memoryview(b"#" + kept + piece + b"#")
        try:
            taken = receiver.open_frames(view, 1, len(view) - 1, delivered.append)
        except NoiseError:
            return delivered, 0, True
        kept = bytes(view[taken:-1])
        require(len(kept) < 65_537, "a whole frame is held back")
    return delivered, len(kept), False
