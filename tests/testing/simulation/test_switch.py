from __future__ import annotations

import pytest

from p2pstack.errors import LocalError
from p2pstack.testing.simulation.chance import seeded
from p2pstack.testing.simulation.clock import Clock
from p2pstack.testing.simulation.links import Constant, Jitter, Latency, Links
from p2pstack.testing.simulation.switch import Switch


class Noted:
    """A party that notes what it is told."""

    def __init__(self, switch: Switch[str], address: int) -> None:
        self.switch = switch
        self.notes: list[tuple[float, str, int]] = []
        self.heard: list[str] = []
        switch.add(address, self)

    def connected(self, other: int, *, outbound: bool) -> None:
        self.notes.append((self.switch.clock.now, "out" if outbound else "in", other))

    def disconnected(self, other: int) -> None:
        self.notes.append((self.switch.clock.now, "gone", other))

    def received(self, sender: int, payload: str) -> None:
        self.notes.append((self.switch.clock.now, payload, sender))
        self.heard.append(payload)


def make(count: int, latency: Latency | None = None, loss: float = 0.0) -> tuple[Switch[str], list[Noted]]:
    switch: Switch[str] = Switch(Clock(), Links(latency or Constant(0.5), seeded(1, "loss"), loss=loss))
    return switch, [Noted(switch, address) for address in range(count)]


def test_what_is_sent_arrives_after_its_latency() -> None:
    switch, (one, other) = make(2)
    assert switch.connect(0, 1)
    assert switch.send(0, 1, "hello")
    switch.clock.run_for(0.49)
    assert other.heard == []
    switch.clock.run_for(0.02)
    assert one.notes == [(0, "out", 1)]
    assert other.notes == [(0, "in", 0), (0.5, "hello", 0)]
    assert (switch.sent, switch.lost, switch.dropped) == (1, 0, 0)


def test_nothing_overtakes_on_a_connection() -> None:
    switch, parties = make(2, Jitter(0.0, 1.0, seeded(1, "jitter")))
    switch.connect(0, 1)
    for number in range(100):
        switch.send(0, 1, str(number))
    switch.clock.run_for(1)
    assert parties[1].heard == [str(number) for number in range(100)]


def test_a_connection_is_made_once_and_not_with_oneself_or_nobody() -> None:
    switch, parties = make(2)
    assert switch.connect(0, 1)
    assert not switch.connect(0, 1)
    assert not switch.connect(1, 0)
    assert not switch.connect(0, 0)
    assert not switch.connect(0, 9)
    assert not switch.connect(9, 0)
    assert len(parties[0].notes) == len(parties[1].notes) == 1
    with pytest.raises(LocalError):
        switch.add(1, parties[0])


def test_what_is_on_its_way_when_a_connection_closes_never_arrives_not_even_on_the_next_one() -> None:
    switch, (one, other) = make(2)
    switch.connect(0, 1)
    switch.send(0, 1, "late")
    switch.disconnect(1, 0)
    switch.disconnect(1, 0)  # it is closed once
    switch.connect(1, 0)
    switch.send(0, 1, "in time")
    switch.clock.run_for(1)
    assert other.heard == ["in time"]
    assert [what for _, what, _ in one.notes] == ["out", "gone", "in"]
    assert not switch.send(0, 7, "to nobody")
    assert switch.dropped == 1


def test_loss_is_counted() -> None:
    switch, parties = make(2, loss=0.5)
    switch.connect(0, 1)
    arrived = sum(switch.send(0, 1, str(number)) for number in range(1_000))
    switch.clock.run_for(1)
    assert len(parties[1].heard) == arrived == 1_000 - switch.lost
    assert 400 < switch.lost < 600


def test_a_cut_closes_what_lies_across_and_lets_nobody_dial() -> None:
    switch, parties = make(4)
    for dialler, target in ((0, 1), (0, 2), (3, 1), (3, 2)):
        switch.connect(dialler, target)
    assert switch.split([0, 1], [2, 3]) == [(0, 2), (3, 1)]
    assert switch.neighbours(0) == [1]
    assert switch.neighbours(3) == [2]
    assert not switch.connect(0, 2)
    switch.links.heal()
    assert switch.connect(0, 2)
    assert [what for _, what, _ in parties[2].notes] == ["in", "in", "gone", "in"]


def test_who_is_removed_is_gone_for_all() -> None:
    switch, parties = make(3)
    switch.connect(0, 1)
    switch.connect(2, 1)
    switch.send(0, 1, "late")
    switch.remove(1)
    switch.clock.run_for(1)
    assert parties[1].heard == []
    assert parties[0].notes[-1] == parties[2].notes[-1] == (0, "gone", 1)
    assert switch.neighbours(0) == switch.neighbours(2) == []
    assert not switch.connect(0, 1)
