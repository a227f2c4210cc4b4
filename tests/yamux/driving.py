"""Helpers of the yamux tests: frames by hand, sessions that talk in memory, and what a session must always satisfy."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from hypothesis import strategies as st

from p2pstack.yamux.config import INITIAL_WINDOW, YamuxConfig
from p2pstack.yamux.frames import DATA, GO_AWAY, HEADER_SIZE, PING, SYN, WINDOW_UPDATE, pack_header, unpack_header
from p2pstack.yamux.session import Session
from p2pstack.yamux.stream import Stream
from p2pstack.yamux.window import Budget

MESSAGE = 65_519
"""What one Noise message carries."""

cuts = st.lists(st.integers(1, 40), max_size=30)
"""Sizes of segments; what is left over is the last one."""


class Frame(NamedTuple):
    """A frame in plain sight."""

    kind: int
    flags: int
    stream: int
    length: int
    body: bytes = b""
    version: int = 0

    def pack(self) -> bytes:
        return pack_header(self.version, self.kind, self.flags, self.stream, self.length) + self.body


def data(stream: int, body: bytes = b"", flags: int = 0) -> bytes:
    return Frame(DATA, flags, stream, len(body), body).pack()


def update(stream: int, delta: int = 0, flags: int = 0) -> bytes:
    return Frame(WINDOW_UPDATE, flags, stream, delta).pack()


def ping(value: int, flags: int = SYN) -> bytes:
    return Frame(PING, flags, 0, value).pack()


def go_away(code: int) -> bytes:
    return Frame(GO_AWAY, 0, 0, code).pack()


def parse(raw: bytes) -> list[Frame]:
    """Cut whole frames apart."""
    frames = []
    offset = 0
    while offset < len(raw):
        version, kind, flags, stream, length = unpack_header(raw, offset)
        offset += HEADER_SIZE
        body = raw[offset : offset + length] if kind == DATA else b""
        assert len(body) == (length if kind == DATA else 0)
        frames.append(Frame(kind, flags, stream, length, body, version))
        offset += len(body)
    return frames


def sent(session: Session) -> list[Frame]:
    """What the session has to say, as frames."""
    return parse(b"".join(session.data_to_send()))


def client(**limits: float) -> Session:
    return Session(client=True, config=YamuxConfig(**limits))  # type: ignore[arg-type]


def server(*, budget: Budget | None = None, accept: Callable[[Stream], None] | None = None, **limits: float) -> Session:
    config = YamuxConfig(**limits)  # type: ignore[arg-type]
    return Session(client=False, config=config, budget=budget, accept=accept)


def segments(raw: bytes, sizes: Iterable[int]) -> Iterator[bytes]:
    """Cut ``raw`` into segments of the given sizes; what is left over is the last one."""
    for size in sizes:
        if raw:
            yield raw[:size]
            raw = raw[size:]
    if raw:
        yield raw


def feed(session: Session, raw: bytes, sizes: Iterable[int] = (), now: float = 0.0) -> None:
    for segment in segments(raw, sizes):
        session.receive_data(segment, now)


def inbound(session: Session, stream_id: int = 1, raw: bytes = b"") -> Stream:
    """Open a stream from the peer's side, with whole further frames behind the SYN."""
    session.receive_data(update(stream_id, 0, SYN) + raw, session.now)
    return session.opened.pop()


def woken(session: Session) -> list[Stream]:
    """Drain the streams whose readers are to be woken, as a shell does."""
    streams, session.readable = session.readable, []
    for stream in streams:
        stream.marked = False
    return streams


def take(stream: Stream) -> bytes:
    return b"".join(stream.take())


def exchange(a: Session, b: Session, now: float = 0.0) -> None:
    """Carry bytes between two sessions until both are silent."""
    while True:
        to_b, to_a = a.data_to_send(), b.data_to_send()
        if not to_a and not to_b:
            return
        for receiver, messages in ((b, to_b), (a, to_a)):
            for message in messages:
                receiver.receive_data(message, now)


def check(session: Session, known: Iterable[Stream]) -> None:
    """What holds between any two calls; ``known`` are all streams that the session ever had."""
    known = list(known)
    live = list(session.streams.values())
    if not session.terminated:
        assert session.unread == sum(stream.unread for stream in known)
    assert session.inbound_budget.granted == sum(not stream.outbound for stream in live)
    assert session.unacknowledged == sum(stream.outbound and not stream.acknowledged for stream in live)
    assert session.budget.granted == sum(stream.window - INITIAL_WINDOW for stream in live)
    assert 0 <= session.budget.granted <= session.budget.limit
    queued = [*session.fresh, *session.turns]
    assert len(queued) == len(set(queued)), "a stream waits twice"
    assert len(session.readable) == len(set(session.readable))
    for stream in known:
        assert stream.unread == sum(map(len, stream.received))
        assert stream.unsent_size == sum(map(len, stream.unsent))
        assert stream.receive_window >= 0
        assert stream.send_window >= 0
        if stream.failure is None and not stream.eof and not stream.read_closed:
            coming = session._body_left if session._body_stream is stream else 0
            assert stream.receive_window + coming + stream.unread + stream.consumed == stream.window
        if stream.failure is not None and not session.terminated:
            assert not stream.unread
            assert not stream.unsent_size
    for stream in live:
        assert stream.failure is None
        assert not (stream.eof and stream.fin_sent)
