"""Two sessions, the wires between them, and programs whose every byte can be told from all others."""

from __future__ import annotations

from p2pstack.errors import StreamReset
from p2pstack.yamux.config import INITIAL_WINDOW, YamuxConfig
from p2pstack.yamux.session import Session
from p2pstack.yamux.stream import Stream
from tests.yamux.driving import MESSAGE, check, woken

CONFIG = YamuxConfig(
    max_inbound_streams=4,
    max_streams=6,
    max_unacknowledged=3,
    max_window=4 * INITIAL_WINDOW,
    max_window_growth=5 * INITIAL_WINDOW,
    quantum=2_000,
    max_frame=30_000,
    drain_mark=100,
    close_timeout=10.0,
    ping_timeout=1e6,
)
ALL = 1 << 30
_PERIOD = 251
_PATTERN = bytes(range(_PERIOD)) * 8_500


def _pattern(stream_id: int, start: int, size: int, *, opener: bool) -> bytes:
    """The bytes from ``start`` on of what the opener of a stream, or its other side, writes."""
    begin = (start + 17 * stream_id + 101 * opener) % _PERIOD
    return _PATTERN[begin : begin + size]


class Side:
    """A session, the wire that leads away from it, and what its program has done."""

    def __init__(self, *, client: bool) -> None:
        self.session = Session(client=client, config=CONFIG)
        self.wire = bytearray()
        self.streams: list[Stream] = []
        self.written: dict[Stream, int] = {}
        self.taken: dict[Stream, int] = {}

    def add(self, stream: Stream) -> None:
        self.streams.append(stream)
        self.written[stream] = self.taken[stream] = 0

    def open(self) -> None:
        if self.session.can_open:
            self.add(self.session.open())

    def write(self, stream: Stream, size: int) -> None:
        if stream.failure is None and not stream.fin_wanted:
            stream.write(_pattern(stream.id, self.written[stream], size, opener=stream.outbound))
            self.written[stream] += size

    def flush(self, room: int) -> None:
        parts, size = self.session.gather(room)
        assert size == sum(map(len, parts)) <= room
        self.wire += b"".join(parts)


class Talk:
    """Both sides and the clock; ``check`` says what holds between any two steps, ``finish`` what holds at the end."""

    def __init__(self, *, pinging: bool) -> None:
        self.sides = (Side(client=True), Side(client=False))
        self.now = 0.0
        for side in self.sides:
            if pinging:
                side.session.ping(0.0)

    def take(self, side: Side, stream: Stream, size: int) -> None:
        data = stream.take_bytes(size)
        other = self.sides[1 - self.sides.index(side)]
        assert data == _pattern(stream.id, side.taken[stream], len(data), opener=not stream.outbound)
        side.taken[stream] += len(data)
        twin = next((each for each in other.streams if each.id == stream.id), None)
        assert twin is not None or not data
        if twin is not None:
            assert side.taken[stream] <= other.written[twin]
            if stream.eof and not stream.unread and not stream.read_closed and stream.failure is None:
                assert side.taken[stream] == other.written[twin], "the end came before all bytes"

    def deliver(self, side: Side, size: int) -> None:
        """Carry ``size`` bytes, or what there is, from ``side`` to the other."""
        segment = bytes(side.wire[:size])
        del side.wire[:size]
        other = self.sides[1 - self.sides.index(side)]
        other.session.receive_data(segment, self.now)
        for stream in other.session.opened:
            other.add(stream)
        other.session.opened.clear()
        other.session.writable.clear()
        woken(other.session)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        for side in self.sides:
            due = side.session.next_timeout()
            if due is not None and due <= self.now:
                side.session.handle_timeout(self.now)

    def check(self) -> None:
        for side in self.sides:
            check(side.session, side.streams)
            assert side.session.unacknowledged <= CONFIG.max_unacknowledged
            assert side.session.inbound_budget.granted <= CONFIG.max_inbound_streams
        if any(side.wire or side.session.pending for side in self.sides):
            return
        for side, other in (self.sides, self.sides[::-1]):
            for stream_id, stream in side.session.streams.items():
                twin = other.session.streams.get(stream_id)
                assert twin is None or stream.send_window == twin.receive_window

    def settle(self) -> None:
        """Deliver until both are silent."""
        while any(side.wire or side.session.pending for side in self.sides):
            for side in self.sides:
                side.flush(MESSAGE)
                self.deliver(side, ALL)
            self.check()

    def finish(self) -> None:
        """Read every stream to its end and close it: then all bytes have come, and nothing is left of any of them."""
        self.settle()
        while True:
            before = [dict(side.taken) for side in self.sides]
            for side in self.sides:
                for stream in side.streams:
                    stream.close_write()
            self.settle()
            for side in self.sides:
                for stream in side.streams:
                    self.take(side, stream, ALL)
            if before == [side.taken for side in self.sides]:
                break
        for _ in range(3):
            self.wait(11.0)
            self.settle()
        for side in self.sides:
            for stream in side.streams:
                assert stream.eof or isinstance(stream.failure, StreamReset) or stream.read_closed
                stream.close_read()
            session = side.session
            assert (session.streams, session.unread, session.unacknowledged) == ({}, 0, 0)
            assert not session.pending
            assert session.next_expiry() is None
            check(session, side.streams)
