"""Peers that were dialled are left alone for a while."""

from __future__ import annotations

import pytest

from p2pstack.services.gossipsub.discovery_backoff import DialBackoff
from p2pstack.services.gossipsub.discovery_config import TopicDiscoveryConfig
from tests.host.hosts import key

PEERS = [key(number).peer_id for number in range(1, 5)]
FIGURES = TopicDiscoveryConfig(backoff_base=10.0, backoff_factor=5.0, backoff_max=100.0, max_backoffs=2)


def pauses(backoff: DialBackoff, chance: float, count: int) -> list[float]:
    """For how long a peer is left alone after each of several failures, in whole seconds."""
    found = []
    now = 0.0
    for _ in range(count):
        assert backoff.may_dial(PEERS[0], now)
        backoff.dialled(PEERS[0], chance, now)
        pause = next(step for step in range(10_000) if backoff.may_dial(PEERS[0], now + step))
        found.append(float(pause))
        now += pause
    return found


@pytest.mark.parametrize(
    ("chance", "expected"),
    [(1.0, [10.0, 50.0, 100.0, 100.0]), (0.0, [10.0] * 4), (0.5, [10.0, 30.0, 55.0, 55.0])],
)
def test_failures_make_it_longer(chance: float, expected: list[float]) -> None:
    assert pauses(DialBackoff(FIGURES), chance, 4) == expected


def test_a_success_makes_it_short_again_but_not_nothing() -> None:
    backoff = DialBackoff(FIGURES)
    pauses(backoff, 1.0, 3)
    backoff.succeeded(PEERS[0])
    backoff.succeeded(PEERS[1])
    assert pauses(DialBackoff(FIGURES), 1.0, 1) == [10.0]
    backoff.dialled(PEERS[0], 1.0, 1_000.0)
    assert not backoff.may_dial(PEERS[0], 1_009.0)
    assert backoff.may_dial(PEERS[0], 1_010.0)


@pytest.mark.misbehave
def test_few_are_remembered() -> None:
    backoff = DialBackoff(FIGURES)
    for peer in PEERS:
        backoff.dialled(peer, 1.0, 0.0)
    assert len(backoff) == 2
    assert [backoff.may_dial(peer, 1.0) for peer in PEERS] == [True, True, False, False]
