from __future__ import annotations

import math
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import ConfigError
from p2pstack.gossipsub.score.config import (
    MAX_NUMBER,
    ScoreConfig,
    TopicScoreConfig,
    decay_factor,
    no_opinion,
)
from tests.gossipsub.score.driving import A
from tests.vectors import load

NUMBERS = [
    each.name
    for each in fields(ScoreConfig)
    if each.name not in {"topics", "app_specific_score", "ip_colocation_whitelist"}
]


@pytest.mark.req("GS11-38")
@pytest.mark.parametrize("row", load("score")["decay_factors"])
def test_decay_factors_are_those_of_go(row: dict[str, float]) -> None:
    factor = decay_factor(row["time_s"], row["interval_s"], row["to_zero"])
    assert factor == pytest.approx(row["factor"], rel=1e-12)


@pytest.mark.req("GS11-38")
def test_only_whole_intervals_count_and_float_noise_costs_none() -> None:
    assert decay_factor(10, 3, 0.1) == 0.1 ** (1 / 3)
    assert 0.3 / 0.1 < 3
    assert decay_factor(0.3, 0.1, 0.5) == 0.5 ** (1 / 3)
    assert decay_factor(1, 1, 0.25) == 0.25


@pytest.mark.req("GS11-38")
@given(st.floats(1, 10_000), st.floats(0.1, 100), st.floats(0.001, 0.999))
def test_a_counter_of_one_has_come_down_after_the_time(time: float, interval: float, to_zero: float) -> None:
    time = max(time, interval)
    factor = decay_factor(time, interval, to_zero)
    assert 0 < factor < 1
    assert factor ** (time / interval) == pytest.approx(to_zero, rel=1e-6) or factor ** (time / interval) < to_zero


@pytest.mark.parametrize(
    ("time", "interval", "to_zero"),
    [
        (0.9, 1, 0.01), (0, 1, 0.01), (10, 0, 0.01), (10, -1, 0.01), (math.nan, 1, 0.01), (math.inf, 1, 0.01),
        (10, math.nan, 0.01), (10, 1, 0), (10, 1, 1), (10, 1, math.nan), (10, 1, -0.5),
    ],
)  # fmt: skip
def test_what_no_factor_can_be_made_of_is_refused(time: float, interval: float, to_zero: float) -> None:
    with pytest.raises(ConfigError):
        decay_factor(time, interval, to_zero)


def test_nobody_has_an_opinion_by_default() -> None:
    assert ScoreConfig().app_specific_score is no_opinion
    assert no_opinion(A) == 0.0


@pytest.mark.req("GS11-18", "GS11-21")
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 2 * MAX_NUMBER, -2 * MAX_NUMBER])
def test_numbers_are_finite(value: float) -> None:
    for name in NUMBERS:
        with pytest.raises(ConfigError, match=name):
            ScoreConfig(**{name: value})
    for each in fields(TopicScoreConfig):
        with pytest.raises(ConfigError, match=each.name):
            TopicScoreConfig(**{each.name: value})


@pytest.mark.req("GS11-18")
@pytest.mark.parametrize(
    "thresholds",
    [
        {"gossip_threshold": 0.1},
        {"gossip_threshold": -60.0},
        {"publish_threshold": -5.0},
        {"publish_threshold": -90.0},
        {"graylist_threshold": -49.0},
        {"graylist_threshold": 1.0},
        {"accept_px_threshold": -0.1},
        {"opportunistic_graft_threshold": -0.1},
    ],
)
def test_thresholds_stand_in_their_order(thresholds: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="threshold"):
        ScoreConfig(**thresholds)  # type: ignore[arg-type]


@pytest.mark.req("GS11-18")
def test_thresholds_may_be_equal_and_zero() -> None:
    names = [each.name for each in fields(ScoreConfig) if each.name.startswith(("gossip", "publish", "graylist"))]
    zero = ScoreConfig(**dict.fromkeys(names, 0.0), accept_px_threshold=0.0, opportunistic_graft_threshold=0.0)  # type: ignore[arg-type]
    assert zero.gossip_threshold == zero.publish_threshold == zero.graylist_threshold == 0.0


@pytest.mark.req("GS11-21")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("topic_score_cap", -1.0), ("ip_colocation_weight", 0.1), ("ip_colocation_threshold", 0.9),
        ("behaviour_penalty_weight", 0.1), ("behaviour_penalty_threshold", -1.0), ("behaviour_penalty_decay", 0.0),
        ("behaviour_penalty_decay", 1.0), ("decay_interval", 0.9), ("decay_to_zero", 0.0), ("decay_to_zero", 1.0),
        ("retain_score", -1.0), ("max_deliveries", 0), ("max_retained", -1),
        ("ip_colocation_whitelist", ("10.0.0.0/33",)), ("ip_colocation_whitelist", ("gateway",)),
    ],
)  # fmt: skip
def test_values_of_a_score_that_cannot_work_are_refused(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=name):
        ScoreConfig(**{name: value})


@pytest.mark.req("GS11-21")
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("topic_weight", -0.1), ("time_in_mesh_weight", -0.1), ("time_in_mesh_quantum", 0.0),
        ("time_in_mesh_cap", -1.0), ("first_message_deliveries_weight", -0.1), ("first_message_deliveries_cap", -1.0),
        ("mesh_message_deliveries_weight", 0.1), ("mesh_message_deliveries_cap", -1.0),
        ("mesh_message_deliveries_threshold", -1.0), ("mesh_message_deliveries_window", -0.1),
        ("mesh_message_deliveries_activation", 0.9), ("mesh_failure_penalty_weight", 0.1),
        ("invalid_message_deliveries_weight", 0.1),
        *((f"{term}_decay", value) for value in (0.0, 1.0, -0.5) for term in (
            "first_message_deliveries", "mesh_message_deliveries", "mesh_failure_penalty", "invalid_message_deliveries",
        )),
    ],
)  # fmt: skip
def test_values_of_a_topic_that_cannot_work_are_refused(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        TopicScoreConfig(**{name: value})


@pytest.mark.req("GS11-21")
@pytest.mark.parametrize(
    ("weight", "name"),
    [
        ("time_in_mesh_weight", "time_in_mesh_cap"),
        ("first_message_deliveries_weight", "first_message_deliveries_cap"),
        ("mesh_message_deliveries_weight", "mesh_message_deliveries_cap"),
        ("mesh_message_deliveries_weight", "mesh_message_deliveries_threshold"),
        ("mesh_failure_penalty_weight", "mesh_message_deliveries_threshold"),
    ],
)
def test_a_cap_or_threshold_of_zero_needs_a_weight_of_zero(weight: str, name: str) -> None:
    sign = 1.0 if weight.startswith(("time", "first")) else -1.0
    with pytest.raises(ConfigError, match=f"{name} must be positive where {weight} is not 0"):
        TopicScoreConfig(**{weight: sign, name: 0.0})
    off = TopicScoreConfig(**{weight: 0.0, name: 0.0})
    assert getattr(off, name) == 0.0


def test_a_whitelist_takes_networks_and_addresses() -> None:
    nets = ("10.0.0.0/8", "10.1.2.3", "2001:db8::/32", "10.1.2.3/8")
    assert ScoreConfig(ip_colocation_whitelist=nets).ip_colocation_whitelist == nets
