"""Lookups are measured in a network that is really there."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.kad import look_up
from benchmarks.processes import RunFailed
from benchmarks.rows import ROWS
from benchmarks.stacks import NAMES, Options, Sizes, own_stack


def test_lookups_are_timed_and_counted() -> None:
    ours = replace(own_stack(Options()), sizes=Sizes(deadline=30))
    found = look_up(ours, nodes=3, count=2)
    assert 0 < found.seconds < 5
    assert found.requests == 3
    assert [name for name in NAMES if ROWS["kad"].is_for(name)] == ["p2pstack", "go", "rust"]


def test_a_stack_without_a_dht_is_a_failure() -> None:
    with pytest.raises(RunFailed):
        look_up(replace(own_stack(Options()), command=("/no",)), nodes=2, count=1)
