from __future__ import annotations

from dataclasses import FrozenInstanceError, fields
from math import inf, nan

import pytest

from p2pstack.errors import ConfigError
from p2pstack.gossipsub.config import GossipsubConfig

NUMBERS = [each.name for each in fields(GossipsubConfig) if not isinstance(each.default, bool)]

MAY_BE_ZERO = {
    "d_out", "d_score", "d_lazy", "gossip_factor", "heartbeat_delay", "history_gossip", "prune_peers",
    "graft_flood_threshold", "graft_grace", "gossip_retransmission", "direct_connect_delay",
    "opportunistic_graft_peers",
}  # fmt: skip
"""Besides the degrees that hang together."""


@pytest.mark.req("GS10-16")
def test_the_parameters_of_the_mesh_are_those_of_the_specification_and_go() -> None:
    config = GossipsubConfig()
    assert (config.d, config.d_low, config.d_high, config.d_lazy) == (6, 5, 12, 6)
    assert (config.d_score, config.d_out, config.gossip_factor) == (4, 2, 0.25)
    assert (config.heartbeat_interval, config.heartbeat_delay, config.fanout_ttl) == (1.0, 0.1, 60.0)
    assert (config.history_length, config.history_gossip) == (5, 3)


@pytest.mark.req("GS10-03", "GS10-12", "GS10-15", "GS10-30", "GS11-02", "GS11-14", "GS11-15", "GS11-16", "GS12-02")
def test_the_limits_are_those_that_go_rust_and_js_can_live_with() -> None:
    config = GossipsubConfig()
    assert config.max_rpc == 1 << 20
    assert config.max_control == 512 * 1024
    assert config.max_rpc_messages == config.max_rpc_subscriptions == 5_000
    assert config.seen_ttl == 120.0
    assert (config.prune_backoff, config.unsubscribe_backoff, config.max_backoff) == (60.0, 10.0, 3_600.0)
    assert (config.max_ihave_messages, config.max_ihave_length) == (10, 5_000)
    assert (config.gossip_retransmission, config.iwant_followup) == (3, 3.0)
    assert config.idontwant_threshold == 1_024


@pytest.mark.req("GS11-06", "GS11-08")
def test_own_messages_flood_and_peers_are_not_told_of() -> None:
    assert GossipsubConfig().flood_publish
    assert not GossipsubConfig().peer_exchange


@pytest.mark.req("GS10-16")
@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", [-1, nan, inf, -inf])
def test_numbers_are_finite_and_not_negative(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"^{name} must be finite and not negative"):
        GossipsubConfig(**{name: value})


@pytest.mark.req("GS10-16")
@pytest.mark.parametrize("name", [name for name in NUMBERS if name not in {"d", "d_low", "d_high"}])
def test_zero_is_refused_where_nothing_would_work(name: str) -> None:
    if name in MAY_BE_ZERO:
        assert getattr(GossipsubConfig(**{name: 0}), name) == 0
    else:
        with pytest.raises(ConfigError, match=f"^{name} must be positive"):
            GossipsubConfig(**{name: 0})


@pytest.mark.req("GS10-16")
@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"d": 4}, "d must be from d_low to d_high"),
        ({"d": 13}, "d must be from d_low to d_high"),
        ({"d_low": 7}, "d must be from d_low to d_high"),
        ({"d_high": 5}, "d must be from d_low to d_high"),
        ({"d": 0, "d_low": 0, "d_high": 0}, "d_score must not be more than d_high"),
        ({"d": 0, "d_low": 0, "d_high": 0, "d_score": 0}, "d_out must be less than d_low"),
        ({"d_score": 13}, "d_score must not be more than d_high"),
        ({"d_out": 5}, "d_out must be less than d_low"),
        ({"d_out": 4}, "at most half of d"),
        ({"history_gossip": 6}, "history_gossip must not be more than history_length"),
        ({"history_length": 2}, "history_gossip must not be more than history_length"),
        ({"gossip_factor": 1.01}, "gossip_factor must be from 0 to 1"),
    ],
)
def test_what_contradicts_itself_is_refused(values: dict[str, int], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        GossipsubConfig(**values)


@pytest.mark.req("GS10-16")
@pytest.mark.parametrize(
    "values",
    [
        {"d": 0, "d_low": 0, "d_high": 0, "d_out": 0},
        {"d": 1, "d_low": 1, "d_high": 1, "d_score": 1, "d_out": 0},
        {"d": 6, "d_low": 6, "d_high": 6},
        {"d_out": 3},
        {"d_score": 12},
        {"history_gossip": 5},
        {"gossip_factor": 1.0},
        {"flood_publish": False, "peer_exchange": True},
    ],
)
def test_the_edges_are_allowed(values: dict[str, int]) -> None:
    config = GossipsubConfig(**values)
    assert {name: getattr(config, name) for name in values} == values


def test_a_configuration_does_not_change() -> None:
    with pytest.raises(FrozenInstanceError):
        GossipsubConfig().d = 7  # type: ignore[misc]
