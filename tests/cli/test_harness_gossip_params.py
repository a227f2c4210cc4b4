from __future__ import annotations

import pytest

from p2pstack.cli.arguments import CommandError
from p2pstack.cli.harness_gossip_params import COUNTS, TIMES, network_config, number, whole
from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.ids import data_prefix_id
from p2pstack.gossipsub.signing import SigningPolicy

PREFIX = data_prefix_id(8)

KNOWN = [
    "D", "Dlo", "Dhi", "Dscore", "Dout", "HistoryLength", "HistoryGossip", "Dlazy", "GossipFactor",
    "GossipRetransmission", "HeartbeatInitialDelay", "HeartbeatInterval", "SlowHeartbeatWarning", "FanoutTTL",
    "PrunePeers", "PruneBackoff", "UnsubscribeBackoff", "Connectors", "MaxPendingConnections", "ConnectionTimeout",
    "DirectConnectTicks", "DirectConnectInitialDelay", "OpportunisticGraftTicks", "OpportunisticGraftPeers",
    "GraftFloodThreshold", "MaxIHaveLength", "MaxIHaveMessages", "MaxIDontWantLength", "MaxIDontWantMessages",
    "IWantFollowupTime", "IDontWantMessageThreshold", "IDontWantMessageTTL",
]  # fmt: skip


def test_what_all_nodes_of_a_scenario_have() -> None:
    config = network_config({}, PREFIX)
    assert config.policy is SigningPolicy.STRICT_NO_SIGN
    assert not config.signs
    assert config.message_id is PREFIX
    assert config.router == GossipsubConfig(flood_publish=False, max_rpc=10 * 1024 * 1024)
    assert config.max_queue >= 600 * 98_304


def test_null_is_the_default_for_every_name() -> None:
    assert network_config(dict.fromkeys(KNOWN), PREFIX) == network_config({}, PREFIX)


def test_times_are_nanoseconds_and_counts_may_be_floats() -> None:
    config = network_config(
        {
            "D": 8.0, "Dlo": 6, "Dhi": 14, "GossipFactor": 0.5, "HeartbeatInitialDelay": 100_300_000,
            "HeartbeatInterval": 7e8, "Connectors": 3, "ConnectionTimeout": 2e9, "SlowHeartbeatWarning": 0.1,
        },
        PREFIX,
    )  # fmt: skip
    router = config.router
    assert (router.d, router.d_low, router.d_high, router.gossip_factor) == (8, 6, 14, 0.5)
    assert type(router.d) is int
    assert (router.heartbeat_delay, router.heartbeat_interval) == pytest.approx((0.1003, 0.7))
    assert (config.exchange_dials, config.exchange_timeout) == (3, 2.0)


@pytest.mark.parametrize(("name", "field"), [*COUNTS.items(), *TIMES.items()])
def test_each_name_changes_one_field(name: str, field: str) -> None:
    usual = network_config({}, PREFIX).router
    value = {"D": 7, "Dlo": 4, "HistoryGossip": 4, "Dout": 1}.get(name, 11)
    changed = network_config({name: value * 1_000_000_000 if name in TIMES else value}, PREFIX).router
    differing = [each for each in GossipsubConfig.__slots__ if getattr(usual, each) != getattr(changed, each)]
    assert differing == [field]
    assert getattr(changed, field) == value


@pytest.mark.parametrize(
    ("params", "complaint"),
    [
        ({"Dzz": 1}, "'Dzz' is not known"),
        ({"D": "six"}, "D is no number: 'six'"),
        ({"D": True}, "D is no number"),
        ({"D": 6.5}, "D is no whole number"),
        ({"D": -1}, "D is no whole number"),
        ({"HeartbeatInterval": float("nan")}, "HeartbeatInterval is no number"),
        ({"HeartbeatInterval": 0}, "heartbeat_interval must be positive"),
        ({"Dlo": 7}, "d must be from d_low to d_high"),
        ({"Connectors": 0}, "exchange_dials must be positive"),
    ],
)
def test_what_can_not_be_is_said(params: dict[str, object], complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint):
        network_config(params, PREFIX)


def test_numbers() -> None:
    assert number(1.5, "x") == 1.5
    assert whole(8.0, "x") == 8
    for wrong in (None, "8", [], True, float("inf")):
        with pytest.raises(CommandError, match="x is no number"):
            whole(wrong, "x")
