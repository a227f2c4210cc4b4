"""The session and its naive twin are fed the same frames, cut at random; they must end up in the same state."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import StreamReset, YamuxError
from p2pstack.yamux.config import INITIAL_WINDOW, YamuxConfig
from p2pstack.yamux.frames import ACK, DATA, FIN, GO_AWAY, PING, RST, SYN, WINDOW_UPDATE
from p2pstack.yamux.session import Session
from p2pstack.yamux.stream import Stream
from tests.yamux.driving import Frame, check, feed, sent, take, woken
from tests.yamux.naive import Fault, NaiveSession, NaiveStream

CONFIG = YamuxConfig(max_inbound_streams=3, max_pongs=2, max_body=300_000, ping_interval=1e9)
PATTERN = bytes(range(251)) * 1_100

ids = st.sampled_from([0, 1, 2, 3, 4, 5, 7, 9, 2**32 - 1])
usual_flags = st.sampled_from([0, 0, 0, 0, SYN, SYN, ACK, FIN, FIN, RST, SYN | FIN, SYN | RST, SYN | ACK, ACK | FIN])
flags = st.one_of(usual_flags, st.integers(0, 31))
sizes = st.one_of(
    st.integers(0, 40),
    st.sampled_from([0, 1, 1_023, 1_024, 5_000, 65_000, 130_000, INITIAL_WINDOW, INITIAL_WINDOW + 1, 300_001]),
)
deltas = st.sampled_from([0, 0, 1, 0x1001, INITIAL_WINDOW, 2**31, 2**32 - 1])


@st.composite
def frames(draw: st.DrawFn) -> Frame:
    kind = draw(st.sampled_from([DATA] * 8 + [WINDOW_UPDATE] * 8 + [PING, PING]))
    if kind == DATA:
        size = draw(sizes)
        start = draw(st.integers(0, 250))
        return Frame(DATA, draw(flags), draw(ids), size, PATTERN[start : start + size])
    if kind == WINDOW_UPDATE:
        return Frame(WINDOW_UPDATE, draw(flags), draw(ids), draw(deltas))
    return Frame(PING, draw(st.sampled_from([0, SYN, SYN, ACK])), 0, draw(st.integers(0, 5)))


endings = st.sampled_from(
    [Frame(GO_AWAY, 0, 0, 0), Frame(GO_AWAY, 0, 0, 1), Frame(4, 0, 1, 0), Frame(PING, SYN, 0, 1, b"", version=2)]
)
calls = st.tuples(
    st.sampled_from(["take", "take", "take", "close_write", "close_read", "reset", "open"]), st.integers(0, 9)
)
cuts = st.lists(st.sampled_from([1, 2, 5, 11, 12, 13, 30, 600, 1_500, 70_000]), max_size=12)
steps = st.one_of(st.tuples(st.lists(frames(), max_size=6), cuts), calls)


def apply(session: Session, stream: Stream, call: str) -> Any:
    if call == "take":
        return take(stream)
    return stream.reset(9) if call == "reset" else getattr(stream, call)()


def apply_naively(session: NaiveSession, stream: NaiveStream, call: str) -> Any:
    return session.kill(stream, 9) if call == "reset" else getattr(session, call)(stream)


def requirement(call: Callable[[], None]) -> str:
    """The rule that was broken, or an empty string."""
    try:
        call()
    except YamuxError as error:
        return error.requirement
    except Fault as error:
        return str(error)
    return ""


class Twins:
    """Both sessions, and what is compared."""

    def __init__(self, *, client: bool) -> None:
        self.real = Session(client=client, config=CONFIG)
        self.naive = NaiveSession(client=client, config=CONFIG)
        self.streams: list[Stream] = []

    def feed(self, several: list[Frame], cuts: list[int]) -> None:
        def naively() -> None:
            for frame in several:
                self.naive.receive(frame)

        raw = b"".join(frame.pack() for frame in several)
        fault = requirement(naively)
        assert requirement(lambda: feed(self.real, raw, cuts)) == fault
        self.streams += self.real.opened
        self.real.opened.clear()

    def call(self, name: str, number: int) -> None:
        if name == "open":
            if not self.real.terminated and self.real.can_open:
                self.streams.append(self.real.open())
                self.naive.open()
        elif self.streams:
            number %= len(self.streams)
            expected = apply_naively(self.naive, self.naive.ever[number], name)
            assert apply(self.real, self.streams[number], name) == expected

    def compare(self) -> None:
        real, naive = self.real, self.naive
        assert sent(real) == naive.out
        naive.out.clear()
        naive.pongs = 0
        woken(real)
        check(real, self.streams)
        assert real.terminated == naive.over
        assert len(self.streams) == len(naive.ever)
        if not naive.over:
            assert real.streams.keys() == naive.streams.keys()
            assert real.unread == sum(len(twin.unread) for twin in naive.ever)
        for stream, twin in zip(self.streams, naive.ever, strict=True):
            assert (stream.id, stream.outbound, stream.eof) == (twin.id, twin.outbound, twin.eof)
            assert b"".join(stream.received) == twin.unread
            if twin.reset is not None:
                assert isinstance(stream.failure, StreamReset)
                assert stream.failure.code == twin.reset
            else:
                assert (stream.failure is not None) == twin.lost
                assert (stream.receive_window, stream.send_window) == (twin.window, twin.send_window)
                assert (stream.acknowledged, stream.fin_sent) == (twin.acknowledged, twin.fin_sent)


@pytest.mark.req("YMX-01", "YMX-04", "YMX-05", "YMX-07", "YMX-13", "YMX-14", "YMX-15", "YMX-20", "YMX-24")
@pytest.mark.parametrize("client", [True, False])
@given(script=st.lists(steps, max_size=25), ending=st.one_of(st.none(), endings))
def test_both_do_the_same(client: bool, script: list[tuple[Any, Any]], ending: Frame | None) -> None:
    twins = Twins(client=client)
    for step in script:
        if isinstance(step[0], str):
            twins.call(*step)
        else:
            twins.feed(*step)
        twins.compare()
    if ending is not None:
        twins.feed([ending], [5])
        twins.compare()
