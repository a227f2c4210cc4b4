"""The parts that `python -m benchmarks micro` times, each driven in memory as its caller in p2pstack drives it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from p2pstack.connection.config import ConnectionConfig
from p2pstack.connection.machine import Connection, Endpoint
from p2pstack.connection.protocols import ProtocolTable, opening
from p2pstack.crypto import x25519
from p2pstack.identity.keys import PrivateKey
from p2pstack.multistream.responder import Responder
from p2pstack.noise.handshake import Handshake
from p2pstack.noise.identity import NoiseIdentity
from p2pstack.noise.transport import MAX_PLAINTEXT, CipherState, Transport
from p2pstack.noise.verified import VerifyCache
from p2pstack.yamux.frames import DATA, SYN, pack_header
from p2pstack.yamux.session import Session
from p2pstack.yamux.stream import Stream

__all__ = ["Case", "cases"]

SIZES = {"32 B": 32, "1 KiB": 1024, "64 KiB": 65_507}
"""Payloads; the largest is what one DATA frame carries when it fills a Noise message."""
BATCH_BYTES = 1 << 20
PING = "/ipfs/ping/1.0.0"
KEY = bytes(range(32))


@dataclass(frozen=True, slots=True)
class Case:
    """One line of the output: a call, and how many units of work and bytes it handles."""

    name: str
    call: Callable[[], object]
    units: int = 1
    unit_bytes: int = 0


def cases() -> Iterator[Case]:
    """All cases, cheap ones first."""
    for label, size in SIZES.items():
        yield from _noise(label, size)
    for label, size in SIZES.items():
        yield _yamux(label, size)
    yield _responder()
    yield _handshakes("handshake, both sides, first meeting", cached=False)
    yield _handshakes("handshake, both sides, keys known", cached=True)
    yield _upgrade()
    yield from _pings()


def _noise(label: str, size: int) -> Iterator[Case]:
    plaintext = bytes(size)
    sender = Transport(CipherState(KEY), CipherState(KEY))
    yield Case(f"noise seal {label}", lambda: sender.seal(plaintext), unit_bytes=size)

    count = _batch(size)
    fresh = Transport(CipherState(KEY), CipherState(KEY))
    sealed = memoryview(b"".join(fresh.seal(plaintext) for _ in range(count)))

    def open_all() -> None:
        # Counters begin at zero in each call; making the cipher is a thousandth of the batch.
        receiver = Transport(CipherState(KEY), CipherState(KEY))
        received: list[bytes] = []
        if receiver.open_frames(sealed, 0, len(sealed), received.append) != len(sealed) or len(received) != count:
            raise AssertionError("not every frame was opened")

    yield Case(f"noise open {label}", open_all, count, size)


def _yamux(label: str, size: int) -> Case:
    session = Session(client=False)
    stream_id = 1
    session.receive_data(pack_header(0, DATA, SYN, stream_id, 0), 0.0)
    stream = session.opened.pop()
    frame = pack_header(0, DATA, 0, stream_id, size) + bytes(size)
    # One Noise message holds as many frames as fit, and so does one call.
    count = max(1, MAX_PLAINTEXT // len(frame))
    message = frame * count

    def receive() -> None:
        session.receive(message)
        session.readable.clear()
        stream.marked = False
        if sum(map(len, stream.take())) != size * count:
            raise AssertionError("not every byte arrived")
        session.control.clear()

    return Case(f"yamux receive {label}", receive, count, size)


def _responder() -> Case:
    proposal = opening(PING)

    def respond() -> None:
        responder = Responder(lambda name: name == PING)
        responder.receive_data(proposal)
        responder.data_to_send()
        if responder.protocol != PING:
            raise AssertionError("no protocol was agreed on")

    return Case("multistream responder", respond)


def _handshakes(name: str, *, cached: bool) -> Case:
    sides = [NoiseIdentity(PrivateKey.generate()) for _ in range(2)]
    caches = [VerifyCache(), VerifyCache()]

    def shake() -> None:
        verified = caches if cached else (None, None)
        first, second = (
            Handshake(
                initiator=number == 0,
                local=side,
                expected_peer=None,
                ephemeral=x25519.generate(secrets.token_bytes),
                verified=cache,
            )
            for number, (side, cache) in enumerate(zip(sides, verified, strict=True))
        )
        second.read_message(first.write_message())
        first.read_message(second.write_message())
        second.read_message(first.write_message())
        first.split()
        second.split()

    return Case(name, shake)


def _endpoint() -> Endpoint:
    return Endpoint(
        identity=NoiseIdentity(PrivateKey.generate(), ("/yamux/1.0.0",)),
        protocols=ProtocolTable((PING,)),
        config=ConnectionConfig(),
        entropy=secrets.token_bytes,
        verified=VerifyCache(),
    )


def _connect(dialer: Endpoint, listener: Endpoint) -> tuple[Connection, Connection]:
    """Two connection machines, joined and upgraded."""
    first, second = Connection(dialer, initiator=True), Connection(listener, initiator=False)
    while _exchange(first, second) + _exchange(second, first):
        pass
    if not (first.opened and second.opened):
        raise AssertionError("the upgrade did not end")
    return first, second


def _exchange(sender: Connection, receiver: Connection) -> int:
    """Carry over what `sender` has to say; the number of bytes."""
    data = b"".join(sender.data_to_send())
    if data:
        receiver.receive_data(data, 0.0)
    return len(data)


def _upgrade() -> Case:
    dialer, listener = _endpoint(), _endpoint()
    return Case("upgrade, both sides, keys known", lambda: _connect(dialer, listener))


def _pings() -> Iterator[Case]:
    dialer, listener = _connect(_endpoint(), _endpoint())
    payload = secrets.token_bytes(32)
    stream = dialer.open_stream([PING], 0.0)
    _exchange(dialer, listener)
    answering = _opened(listener)
    _exchange(listener, dialer)

    def ping() -> None:
        stream.write(payload)
        _exchange(dialer, listener)
        _echo(listener)
        _exchange(listener, dialer)
        _drain(dialer)
        if stream.take_bytes(32) != payload:
            raise AssertionError("the ping came back changed")

    def open_and_ping() -> None:
        fresh = dialer.open_stream([PING], 0.0)
        fresh.write(payload)
        fresh.close_write()
        _exchange(dialer, listener)
        _opened(listener)
        _echo(listener)
        _exchange(listener, dialer)
        _drain(dialer)
        if fresh.take_bytes(32) != payload or not fresh.eof:
            raise AssertionError("the stream did not end with the answer")

    if answering.protocol != PING:
        raise AssertionError("another protocol was agreed on")
    yield Case("ping, both machines", ping)
    yield Case("stream with one ping, both machines", open_and_ping)


def _opened(connection: Connection) -> Stream:
    session = connection.session
    if session is None or not session.opened:
        raise AssertionError("no stream was opened")
    return session.opened.pop()


def _drain(connection: Connection) -> None:
    """Mark the readable streams as seen, as the shell does."""
    session = connection.session
    if session is None:
        raise AssertionError("no session")
    for stream in session.readable:
        stream.marked = False
    session.readable.clear()


def _echo(connection: Connection) -> None:
    """Answer on every readable stream with what came, and with a FIN where one came."""
    session = connection.session
    if session is None:
        raise AssertionError("no session")
    for stream in session.readable:
        stream.marked = False
        for piece in stream.take():
            stream.write(piece)
        if stream.eof:
            stream.close_write()
    session.readable.clear()


def _batch(size: int) -> int:
    return max(1, BATCH_BYTES // (size + 18))
