from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.gossipsub.score.retention import Retention
from tests.gossipsub.score.driving import A, B, C, D, peer


@pytest.mark.req("GS11-39")
def test_who_left_first_is_forgotten_first() -> None:
    retention = Retention(30.0, 10)
    assert retention.keep(A, 0.0, blamed=True) == (30.0, None)
    assert retention.keep(B, 1.0, blamed=False) == (31.0, None)
    assert retention.keep(C, 1.0, blamed=True) == (31.0, None)
    assert retention.expired(30.0) == []
    assert retention.expired(30.5) == [A]
    assert sorted(retention.expired(40.0)) == [B, C]
    assert retention.expired(40.0) == []
    assert len(retention) == 0


@pytest.mark.req("GS11-39")
@pytest.mark.parametrize("blamed", [True, False])
def test_who_comes_back_is_not_forgotten(blamed: bool) -> None:
    retention = Retention(30.0, 10)
    retention.keep(A, 0.0, blamed=blamed)
    retention.release(A)
    assert retention.expired(100.0) == []
    assert len(retention) == 0


@pytest.mark.req("GS11-39")
def test_a_flood_of_blameless_peers_does_not_wash_away_the_blame() -> None:
    retention = Retention(30.0, 2)
    retention.keep(A, 0.0, blamed=True)
    retention.keep(B, 1.0, blamed=False)
    assert retention.keep(C, 2.0, blamed=False) == (32.0, B)
    assert retention.keep(D, 3.0, blamed=True) == (33.0, C)
    assert retention.keep(B, 4.0, blamed=False) == (34.0, B), "there is no room for it at all"
    assert retention.keep(C, 5.0, blamed=True) == (35.0, A), "nobody is blameless: the oldest goes"


@given(st.lists(st.tuples(st.integers(0, 8), st.booleans(), st.floats(0, 20)), max_size=60), st.integers(0, 4))
def test_the_number_of_peers_is_bounded(steps: list[tuple[int, bool, float]], capacity: int) -> None:
    retention = Retention(30.0, capacity)
    kept: dict[int, float] = {}
    now = 0.0
    for number, blamed, pause in steps:
        now += pause
        for gone in retention.expired(now):
            [key] = [key for key in kept if peer(str(key)) == gone]
            assert kept.pop(key) < now
        if number in kept:
            retention.release(peer(str(number)))
            del kept[number]
            continue
        kept[number], evicted = retention.keep(peer(str(number)), now, blamed=blamed)
        if evicted is not None:
            kept = {key: until for key, until in kept.items() if peer(str(key)) != evicted}
        assert len(retention) == len(kept) <= capacity
