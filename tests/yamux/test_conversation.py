"""Two sessions talk while hypothesis interleaves what their programs, the wire and the clock do."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

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
PATTERN = bytes(range(251)) * 8_500
sides = st.sampled_from([0, 1])
numbers = st.integers(0, 15)


def pattern(stream: Stream, start: int, size: int) -> bytes:
    """The bytes that are written at ``start`` of a stream: different ones for each stream and direction."""
    begin = (start + 17 * stream.id + 101 * stream.outbound) % 251
    return PATTERN[begin : begin + size]


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

    def flush(self, room: int) -> None:
        parts, size = self.session.gather(room)
        assert size == sum(map(len, parts)) <= room
        self.wire += b"".join(parts)


class Conversation(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.sides = (Side(client=True), Side(client=False))
        self.now = 0.0

    @initialize(pinging=st.booleans())
    def begin(self, *, pinging: bool) -> None:
        for side in self.sides:
            if pinging:
                side.session.ping(0.0)
                side.flush(MESSAGE)

    def with_stream(self, which: int, number: int, call: Callable[[Side, Stream], None]) -> None:
        side = self.sides[which]
        if side.streams:
            call(side, side.streams[number % len(side.streams)])

    @rule(which=sides)
    def open(self, which: int) -> None:
        side = self.sides[which]
        if side.session.can_open:
            side.add(side.session.open())

    @rule(which=sides, number=numbers, size=st.one_of(st.integers(0, 100), st.integers(0, 400_000)))
    def write(self, which: int, number: int, size: int) -> None:
        def call(side: Side, stream: Stream) -> None:
            if stream.failure is None and not stream.fin_wanted:
                stream.write(pattern(stream, side.written[stream], size))
                side.written[stream] += size

        self.with_stream(which, number, call)

    @rule(which=sides, number=numbers)
    def close_write(self, which: int, number: int) -> None:
        self.with_stream(which, number, lambda _, stream: stream.close_write())

    @rule(which=sides, number=numbers)
    def close_read(self, which: int, number: int) -> None:
        self.with_stream(which, number, lambda _, stream: stream.close_read())

    @rule(which=sides, number=numbers, code=st.sampled_from([0, 0x1001]))
    def reset(self, which: int, number: int, code: int) -> None:
        self.with_stream(which, number, lambda _, stream: stream.reset(code))

    @rule(which=sides, number=numbers, size=st.sampled_from([1, 50, 1_000, 100_000, 1 << 30]))
    def take(self, which: int, number: int, size: int) -> None:
        self.with_stream(which, number, lambda side, stream: self._take(side, stream, size))

    def _take(self, side: Side, stream: Stream, size: int) -> None:
        data = stream.take_bytes(size)
        other = self.sides[1 - self.sides.index(side)]
        start = side.taken[stream]
        # The peer's stream of this id has the other direction's pattern.
        begin = (start + 17 * stream.id + 101 * (not stream.outbound)) % 251
        assert data == PATTERN[begin : begin + len(data)]
        side.taken[stream] += len(data)
        twin = next((each for each in other.streams if each.id == stream.id), None)
        assert twin is not None or not data
        if twin is not None:
            assert side.taken[stream] <= other.written[twin]
            if stream.eof and not stream.unread and not stream.read_closed and stream.failure is None:
                assert side.taken[stream] == other.written[twin], "the end came before all bytes"

    @rule(which=sides, room=st.sampled_from([100, 3_000, MESSAGE]))
    def flush(self, which: int, room: int) -> None:
        self.sides[which].flush(room)

    @rule(which=sides, size=st.sampled_from([1, 11, 12, 13, 100, 5_000, 70_000, 1 << 30]))
    def deliver(self, which: int, size: int) -> None:
        side, other = self.sides[which], self.sides[1 - which]
        segment = bytes(side.wire[:size])
        del side.wire[:size]
        other.session.receive_data(segment, self.now)
        self.collect(other)

    def collect(self, side: Side) -> None:
        for stream in side.session.opened:
            side.add(stream)
        side.session.opened.clear()
        woken(side.session)
        side.session.writable.clear()

    @rule(seconds=st.sampled_from([0.01, 1.0, 11.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        for side in self.sides:
            due = side.session.next_timeout()
            if due is not None and due <= self.now:
                side.session.handle_timeout(self.now)

    @invariant()
    def accounts_are_right(self) -> None:
        for side in self.sides:
            check(side.session, side.streams)
            assert side.session.unacknowledged <= CONFIG.max_unacknowledged
            assert side.session.inbound_budget.granted <= CONFIG.max_inbound_streams

    @invariant()
    def both_agree_on_the_windows_when_the_wires_are_empty(self) -> None:
        if any(side.wire or side.session.pending for side in self.sides):
            return
        for side, other in (self.sides, self.sides[::-1]):
            for stream_id, stream in side.session.streams.items():
                twin = other.session.streams.get(stream_id)
                if twin is not None:
                    assert stream.send_window == twin.receive_window

    def settle(self) -> None:
        """Deliver until both are silent."""
        while any(side.wire or side.session.pending for side in self.sides):
            for which in (0, 1):
                self.flush(which, MESSAGE)
                self.deliver(which, 1 << 30)
            self.accounts_are_right()

    def teardown(self) -> None:
        """Every stream is read to its end and closed: then all bytes have come, and nothing is left of any of them."""
        self.settle()
        while True:
            before = [dict(side.taken) for side in self.sides]
            for side in self.sides:
                for stream in side.streams:
                    stream.close_write()
            self.settle()
            for side in self.sides:
                for stream in side.streams:
                    self._take(side, stream, 1 << 30)
            if before == [side.taken for side in self.sides]:
                break
        for _ in range(3):
            self.wait(11.0)
            self.settle()
        for side in self.sides:
            for stream in side.streams:
                assert stream.eof or isinstance(stream.failure, StreamReset) or stream.read_closed
                stream.close_read()
            assert side.session.streams == {}
            assert side.session.unread == 0
            assert side.session.unacknowledged == 0
            assert not side.session.pending
            assert side.session.next_expiry() is None
            check(side.session, side.streams)


Conversation.TestCase.settings = settings(stateful_step_count=60)
TestConversation = pytest.mark.req("YMX-10", "YMX-11", "YMX-13", "YMX-14", "YMX-20", "GEN-09")(Conversation.TestCase)
