"""The Noise handshake and what is sealed after it.

Garbage dies at its first tag, so most inputs here are well sealed, by a peer that seals what it likes.
"""

from __future__ import annotations

from fuzz.expect import caught
from fuzz.source import Source, segments
from p2pstack.crypto.x25519 import public_key
from p2pstack.errors import HandshakeError, NoiseError
from p2pstack.identity.keys import PrivateKey
from p2pstack.noise import CipherState, FramedHandshake, Handshake, NoiseIdentity, Transport
from p2pstack.noise.payload import SIGNATURE_PREFIX
from p2pstack.wire.pb.noise_pb2 import NoiseHandshakePayload

MUXERS = ("/yamux/1.0.0",)
_KEY = bytes(range(32))


def identity(seed: int) -> NoiseIdentity:
    """A host that is the same at every run."""
    return NoiseIdentity(PrivateKey.from_seed(bytes((seed,)) * 32), MUXERS, bytes((seed + 100,)) * 32)


ALICE, BOB, MALLORY = identity(1), identity(2), identity(3)
_EPHEMERALS = [(bytes((value,)) * 32, public_key(bytes((value,)) * 32)) for value in (7, 8)]


def _framed(*, initiator: bool, local: NoiseIdentity) -> FramedHandshake:
    ephemeral = _EPHEMERALS[initiator]
    return FramedHandshake(Handshake(initiator=initiator, local=local, expected_peer=None, ephemeral=ephemeral))


def handshake(data: bytes) -> None:
    """Raw bytes never complete it, and a payload only with the signature of its key over the static key."""
    mode = Source(data).byte()
    initiator = bool(mode & 1)
    if mode & 2:
        _forged(data[1:], initiator=initiator)
    else:
        _raw(segments(data[1:]), initiator=initiator)


def _raw(pieces: list[bytes], *, initiator: bool) -> None:
    machine = _framed(initiator=initiator, local=ALICE)
    kept = b""
    for piece in pieces:
        view = memoryview(kept + piece)
        try:
            used = machine.receive_frames(view, 0, len(view))
        except HandshakeError:
            break
        kept = bytes(view[used:])
        assert len(kept) < 65_537 + len(piece)
    assert not machine.complete


def _forged(payload: bytes, *, initiator: bool) -> None:
    """The peer does all right but the payload, which is any bytes; every third byte may stand for a good one."""
    forger = identity(3)
    if payload[:1] == b"\x01":
        # A good payload, changed a little at a place that the input names: the parser gets behind the first fields.
        place = int.from_bytes(payload[1:3], "big") % len(forger.payload)
        payload = forger.payload[:place] + payload[3:] + forger.payload[place:]
    forger.payload = payload
    victim, other = _framed(initiator=initiator, local=ALICE), _framed(initiator=not initiator, local=forger)
    error = caught(HandshakeError, _shake_hands, victim, other)
    if error is not None:
        assert error.requirement.startswith(("NOISE-", "PEERID-", "GEN-"))
        assert not victim.complete
        return
    assert victim.complete
    remote = victim.handshake.remote
    message = NoiseHandshakePayload.FromString(payload)
    assert remote.static_key == forger.static_public
    assert remote.public_key.verify(SIGNATURE_PREFIX + remote.static_key, message.identity_sig)


def _shake_hands(one: FramedHandshake, other: FramedHandshake) -> None:
    for sender, receiver in ((one, other), (other, one)) * 2:
        sent = memoryview(b"".join(sender.data_to_send()))
        assert receiver.receive_frames(sent, 0, len(sent)) == len(sent)


def transport(data: bytes) -> None:
    """Only whole, genuine messages are delivered, in order, and nothing behind the first that is not."""
    source = Source(data)
    sender = Transport(CipherState(_KEY), CipherState(_KEY))
    receiver = Transport(CipherState(_KEY), CipherState(_KEY))
    genuine: list[bytes] = []
    delivered: list[bytes] = []
    stream = b""
    good = True
    for step in source.steps(60):
        if step < 0xC0:
            plaintext = bytes(step * 40) if step & 1 else source.piece()
            stream += sender.seal(plaintext)
            if plaintext and good:
                genuine.append(plaintext)
        else:
            raw = source.piece()
            stream += raw
            good = good and not raw
    kept = b""
    failed = False
    for piece in segments(bytes((0x83, 1, 50, 200)) + stream):
        view = memoryview(kept + piece)
        try:
            kept = bytes(view[receiver.open_frames(view, 0, len(view), delivered.append) :])
        except NoiseError:
            failed = True
            break
        assert len(kept) < 65_537
    assert delivered == genuine[: len(delivered)]
    if good:
        assert not failed
        assert delivered == genuine
