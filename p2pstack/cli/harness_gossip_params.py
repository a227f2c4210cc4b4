"""The parameters of gossipsub as go-libp2p-pubsub names them, turned into ours (specs/gossipsub.md).

Times are nanoseconds. What is absent or null keeps our default.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

from p2pstack.cli.arguments import CommandError
from p2pstack.errors import ConfigError
from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.ids import MessageId
from p2pstack.gossipsub.signing import SigningPolicy
from p2pstack.services.gossipsub.config import PubsubConfig

__all__ = ["network_config", "number", "whole"]

MAX_RPC = 10 * 1024 * 1024
MAX_QUEUE = 64 * 1024 * 1024
"""Some hundred messages of the largest size that the scenarios have wait for a peer, as with the other clients."""

COUNTS = {
    "D": "d",
    "Dlo": "d_low",
    "Dhi": "d_high",
    "Dscore": "d_score",
    "Dout": "d_out",
    "HistoryLength": "history_length",
    "HistoryGossip": "history_gossip",
    "Dlazy": "d_lazy",
    "GossipRetransmission": "gossip_retransmission",
    "PrunePeers": "prune_peers",
    "MaxPendingConnections": "max_exchanged",
    "DirectConnectTicks": "direct_connect_ticks",
    "OpportunisticGraftTicks": "opportunistic_graft_ticks",
    "OpportunisticGraftPeers": "opportunistic_graft_peers",
    "MaxIHaveLength": "max_ihave_length",
    "MaxIHaveMessages": "max_ihave_messages",
    "MaxIDontWantLength": "max_idontwant_length",
    "MaxIDontWantMessages": "max_idontwant_messages",
    "IDontWantMessageThreshold": "idontwant_threshold",
    "IDontWantMessageTTL": "idontwant_ttl",
}

TIMES = {
    "HeartbeatInitialDelay": "heartbeat_delay",
    "HeartbeatInterval": "heartbeat_interval",
    "FanoutTTL": "fanout_ttl",
    "PruneBackoff": "prune_backoff",
    "UnsubscribeBackoff": "unsubscribe_backoff",
    "DirectConnectInitialDelay": "direct_connect_delay",
    "GraftFloodThreshold": "graft_flood_threshold",
    "IWantFollowupTime": "iwant_followup",
}

IGNORED = {"SlowHeartbeatWarning"}
"""It concerns what go logs, and nothing that peers see."""


def network_config(params: Mapping[str, object], message_id: MessageId) -> PubsubConfig:
    """Return the configuration of a node in the scenarios: anonymous, no flood publishing, ``params`` over defaults.

    Raises:
        CommandError: a parameter is not known, no number, or can't be used; it says which.
    """
    router: dict[str, float] = {"max_rpc": MAX_RPC}
    service: dict[str, float] = {"max_queue": MAX_QUEUE}
    for name, value in params.items():
        if value is None or name in IGNORED:
            continue
        if name in COUNTS:
            router[COUNTS[name]] = whole(value, name)
        elif name in TIMES:
            router[TIMES[name]] = number(value, name) / 1e9
        elif name == "GossipFactor":
            router["gossip_factor"] = number(value, name)
        elif name == "Connectors":
            service["exchange_dials"] = whole(value, name)
        elif name == "ConnectionTimeout":
            service["exchange_timeout"] = number(value, name) / 1e9
        else:
            raise CommandError(f"gossipSubParams: {name!r} is not known")
    config = PubsubConfig(policy=SigningPolicy.STRICT_NO_SIGN, message_id=message_id)
    try:
        changed = _changed(GossipsubConfig(flood_publish=False), router)
        return replace(config, router=changed, **service)  # type: ignore[arg-type]
    except ConfigError as error:
        raise CommandError(f"gossipSubParams: {error}") from error


def _changed(router: GossipsubConfig, values: Mapping[str, float]) -> GossipsubConfig:
    return replace(router, **values)  # type: ignore[arg-type]


def number(value: object, name: str) -> float:
    """Return ``value``, which has to be a finite number.

    Raises:
        CommandError: it is not; ``name`` says what.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise CommandError(f"{name} is no number: {value!r}")
    return value


def whole(value: object, name: str) -> int:
    """Return ``value``, which has to be a whole number of at least 0; JSON may have it as 8.0.

    Raises:
        CommandError: it is not; ``name`` says what.
    """
    given = number(value, name)
    if given < 0 or given != int(given):
        raise CommandError(f"{name} is no whole number: {value!r}")
    return int(given)
