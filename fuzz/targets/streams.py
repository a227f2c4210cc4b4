"""yamux: a session against its naive twin, and two sessions that talk."""

from __future__ import annotations

from fuzz.expect import caught
from fuzz.source import Source, segments
from p2pstack.errors import YamuxError
from p2pstack.yamux.frames import DATA, FIN, HEADER_SIZE, RST, SYN, unpack_header
from p2pstack.yamux.session import Session
from p2pstack.yamux.stream import Stream
from tests.yamux.driving import MESSAGE, Frame, check, sent
from tests.yamux.naive import Fault, NaiveSession
from tests.yamux.talk import ALL, CONFIG, Talk


def session(data: bytes) -> None:
    """Cut in any way, the frames lead to the state, the answers and the error of the twin, which takes them whole."""
    client = Source(data).byte() % 2 == 1
    pieces = segments(data[1:])
    real, naive = Session(client=client, config=CONFIG), NaiveSession(client=client, config=CONFIG)
    streams: list[Stream] = []
    for _ in range(2):
        streams.append(real.open())
        naive.open()
    fault = _feed_naively(naive, b"".join(pieces))
    found = ""
    for piece in pieces:
        error = caught(YamuxError, real.receive_data, piece, 0.0)
        found = error.requirement if error is not None else found
        streams += real.opened
        real.opened.clear()
        check(real, streams)
        assert len(real._header) < HEADER_SIZE  # noqa: SLF001 - what it holds is the point
    assert found == fault
    assert real.terminated == naive.over
    assert sent(real) == naive.out
    for stream, twin in zip(streams, naive.ever, strict=True):
        assert stream.id == twin.id
        assert stream.take_bytes(ALL) == twin.unread


def _feed_naively(naive: NaiveSession, raw: bytes) -> str:
    """Feed the whole frames in ``raw``, and of a last one that is cut what its header alone decides."""
    offset = 0
    while len(raw) - offset >= HEADER_SIZE:
        version, kind, flags, stream, length = unpack_header(raw, offset)
        offset += HEADER_SIZE
        body = raw[offset : offset + length] if kind == DATA and not version else b""
        cut = kind == DATA and not version and len(body) < length
        offset += len(body)
        if cut and flags & (SYN | RST) != SYN | RST:
            flags &= ~(FIN | RST)  # they come behind the body
        try:
            naive.receive(Frame(kind, flags, stream, length, body, version))
        except Fault as fault:
            return str(fault)
    return ""


def stream_pair(data: bytes) -> None:
    """Whatever programs, wires and clock do, every byte comes once and in order, and the accounts are right."""
    source = Source(data)
    talk = Talk(pinging=source.byte() % 2 == 1)
    for step in source.steps(300):
        side = talk.sides[step & 1]
        number, size = source.byte(), source.byte()
        streams = [side.streams[number % len(side.streams)]] if side.streams else []
        action = step >> 1 & 0x0F
        if action == 0:
            side.open()
        elif action == 1:
            talk.wait((0.01, 1.0, 11.0)[size % 3])
        elif action <= 4:
            side.flush((100, 3_000, MESSAGE)[size % 3])
        elif action <= 7:
            talk.deliver(side, (size, size * 300, ALL)[number % 3])
        for stream in streams:
            if action in (8, 9, 10):
                side.write(stream, size * (1, 100, 1_500)[action - 8])
            elif action in (11, 12):
                talk.take(side, stream, (size * 50, ALL)[action - 11])
            elif action == 13:
                stream.close_write()
            elif action == 14:
                stream.close_read()
            elif action == 15:
                stream.reset(size)
        talk.check()
    talk.finish()
