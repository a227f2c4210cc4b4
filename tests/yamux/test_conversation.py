"""Two sessions talk while hypothesis interleaves what their programs, the wire and the clock do."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from p2pstack.yamux.stream import Stream
from tests.yamux.driving import MESSAGE
from tests.yamux.talk import ALL, Side, Talk

sides = st.sampled_from([0, 1])
numbers = st.integers(0, 15)


def chosen(side: Side, number: int) -> list[Stream]:
    """One of the side's streams, ended ones included; none if there is none."""
    return [side.streams[number % len(side.streams)]] if side.streams else []


class Conversation(RuleBasedStateMachine):
    @initialize(pinging=st.booleans())
    def begin(self, *, pinging: bool) -> None:
        self.talk = Talk(pinging=pinging)

    def side(self, which: int) -> Side:
        return self.talk.sides[which]

    @rule(which=sides)
    def open(self, which: int) -> None:
        self.side(which).open()

    @rule(which=sides, number=numbers, size=st.one_of(st.integers(0, 100), st.integers(0, 400_000)))
    def write(self, which: int, number: int, size: int) -> None:
        side = self.side(which)
        for stream in chosen(side, number):
            side.write(stream, size)

    @rule(which=sides, number=numbers)
    def close_write(self, which: int, number: int) -> None:
        for stream in chosen(self.side(which), number):
            stream.close_write()

    @rule(which=sides, number=numbers)
    def close_read(self, which: int, number: int) -> None:
        for stream in chosen(self.side(which), number):
            stream.close_read()

    @rule(which=sides, number=numbers, code=st.sampled_from([0, 0x1001]))
    def reset(self, which: int, number: int, code: int) -> None:
        for stream in chosen(self.side(which), number):
            stream.reset(code)

    @rule(which=sides, number=numbers, size=st.sampled_from([0, 1, 50, 1_000, 100_000, ALL]))
    def take(self, which: int, number: int, size: int) -> None:
        side = self.side(which)
        for stream in chosen(side, number):
            self.talk.take(side, stream, size)

    @rule(which=sides, room=st.sampled_from([100, 3_000, MESSAGE]))
    def flush(self, which: int, room: int) -> None:
        self.side(which).flush(room)

    @rule(which=sides, size=st.sampled_from([1, 11, 12, 13, 100, 5_000, 70_000, ALL]))
    def deliver(self, which: int, size: int) -> None:
        self.talk.deliver(self.side(which), size)

    @rule(seconds=st.sampled_from([0.01, 1.0, 11.0]))
    def wait(self, seconds: float) -> None:
        self.talk.wait(seconds)

    @invariant()
    def accounts_are_right(self) -> None:
        self.talk.check()

    def teardown(self) -> None:
        self.talk.finish()


Conversation.TestCase.settings = settings(stateful_step_count=60)
TestConversation = pytest.mark.req("YMX-10", "YMX-11", "YMX-13", "YMX-14", "YMX-20", "GEN-09")(Conversation.TestCase)
