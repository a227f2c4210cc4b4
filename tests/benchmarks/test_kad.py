"""Lookups are measured in a network that is really there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.kad import look_up, table_bytes
from benchmarks.processes import RunFailed
from benchmarks.rows import ROWS
from benchmarks.stacks import NAMES, Options, Sizes, own_stack


def test_lookups_are_timed_and_counted() -> None:
    ours = replace(own_stack(Options()), sizes=Sizes(deadline=30, dht_rest=0))
    found = look_up(ours, nodes=3, count=20)
    assert 0 < found.seconds < found.first_seconds < 5
    assert 1 / found.seconds / 20 < found.rate
    assert found.requests == 3
    assert [name for name in NAMES if ROWS["kad"].is_for(name)] == ["p2pstack", "go", "rust"]


def test_a_table_is_weighed() -> None:
    assert 200_000 < table_bytes(own_stack(Options())) < 4_000_000


def test_a_stack_without_a_dht_is_a_failure() -> None:
    with pytest.raises(RunFailed):
        look_up(replace(own_stack(Options()), command=("/no",)), nodes=2, count=1)
