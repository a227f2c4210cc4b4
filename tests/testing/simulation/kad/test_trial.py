from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from p2pstack.errors import ConfigError
from p2pstack.kad.config import KadConfig
from p2pstack.testing.simulation.kad.figures import DhtFigures
from p2pstack.testing.simulation.kad.trial import Trial

SMALL = Trial(nodes=300, lookups=40)


def figures(**changes: Any) -> DhtFigures:
    return replace(SMALL, **changes).run().figures


def test_nothing_happens() -> None:
    quiet = figures()
    assert (quiet.nodes, quiet.success, quiet.recall, quiet.failed, quiet.stale, quiet.reads) == (300, 1, 1, 0, 0, 0)
    assert len(SMALL.run().traces) == 40


@pytest.mark.req("KAD-11")
def test_churn_costs_time_and_no_success() -> None:
    quiet, slow, fast = figures(), figures(churn=2.0), figures(churn=0.25)
    assert 0.01 < slow.stale < 0.1 < fast.stale < 0.5
    assert quiet.seconds_p50 < slow.seconds_p50 < fast.seconds_p50
    assert slow.success == 1.0
    assert fast.success >= 0.95
    assert fast.nodes == 300


@pytest.mark.req("KAD-04")
def test_lookups_as_those_of_go_wait_for_the_slow() -> None:
    assert figures(go=True).seconds_p50 == pytest.approx(figures().seconds_p50, rel=0.1)
    assert figures(gone=0.3, go=True).seconds_p50 > 1.3 * figures(gone=0.3).seconds_p50


@pytest.mark.req("KAD-18")
def test_liars_cost_time_and_no_success() -> None:
    lied_to = figures(liars=0.1)
    assert lied_to.success == 1.0
    assert lied_to.failed > 5


@pytest.mark.req("KAD-21")
@pytest.mark.parametrize(
    ("limits", "groups", "captured"),
    [(False, 1, 100.0), (True, 1, 0.0), (True, 2, 0.0), (True, 3, 100.0), (True, 0, 100.0)],
)
def test_sybils_need_as_many_groups_as_fill_a_lookup(limits: bool, groups: int, captured: float) -> None:
    """With 8 peers of a group three of them fill the 20 nearest, at which a value is stored and looked for."""
    besieged = figures(sybils=40, sybil_groups=groups, limits=limits)
    assert besieged.captured_share == captured
    assert besieged.reads == 40
    assert besieged.success == 1.0


def test_limits_are_those_of_the_public_network() -> None:
    public, limited, free = KadConfig.public(), replace(SMALL, limits=True).config, SMALL.config
    assert limited.max_from_group == public.max_from_group < free.max_from_group
    assert limited.max_group_in_bucket == public.max_group_in_bucket < free.max_group_in_bucket
    assert limited.max_group_in_table == public.max_group_in_table < free.max_group_in_table


@pytest.mark.parametrize(
    "changes",
    [
        {"nodes": 1},
        {"lookups": 0},
        {"gone": 0.95},
        {"liars": -0.1},
        {"churn": -1.0},
        {"churn": float("inf")},
        {"sybils": -1},
        {"sybil_groups": 257},
    ],
)
def test_what_can_not_work_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        replace(SMALL, **changes)


def test_somebody_has_to_be_left() -> None:
    with pytest.raises(ConfigError, match="two nodes"):
        Trial(nodes=3, lookups=1, gone=0.7).run()
