"""What the commands that speak gossipsub read from their arguments in the same way (specs/gossipsub.md)."""

from __future__ import annotations

import argparse
from dataclasses import replace

from p2pstack.cli.arguments import seconds, size
from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.ids import MessageId, default_id, rust_id, sha256_id
from p2pstack.gossipsub.signing import SigningPolicy
from p2pstack.services.gossipsub.config import PubsubConfig

__all__ = ["add_network", "add_policy", "pubsub_config"]

POLICIES = {
    "strict": SigningPolicy.STRICT_SIGN,
    "anonymous": SigningPolicy.STRICT_NO_SIGN,
    "lax": SigningPolicy.PERMISSIVE,
    "lax-unsigned": SigningPolicy.PERMISSIVE,
}

MESSAGE_IDS: dict[str, MessageId] = {"go": default_id, "rust": rust_id, "sha256": sha256_id}


def add_policy(parser: argparse.ArgumentParser) -> None:
    """Add whether messages are signed, for people."""
    policy = parser.add_mutually_exclusive_group()
    _add_short(policy)
    parser.set_defaults(policy="strict")


def _add_short(policy: argparse._MutuallyExclusiveGroup) -> None:
    policy.add_argument(
        "--anonymous",
        dest="policy",
        action="store_const",
        const="anonymous",
        help="messages have no author and no signature; their id is sha256(data)",
    )
    policy.add_argument(
        "--permissive", dest="policy", action="store_const", const="lax", help="take messages without a signature, too"
    )


def add_network(parser: argparse.ArgumentParser) -> None:
    """Add what differs between networks, under the names of the other peers; by default it is as in the library."""
    policy = parser.add_mutually_exclusive_group()
    _add_short(policy)
    policy.add_argument("--policy", choices=tuple(POLICIES), help="default: strict")
    parser.set_defaults(policy="strict")
    parser.add_argument("--ids", choices=tuple(MESSAGE_IDS), help="how messages are told apart (default: by policy)")
    parser.add_argument(
        "--flood-publish", action=argparse.BooleanOptionalAction, help="own messages go to all peers of the topic"
    )
    parser.add_argument("--mesh-size", type=int, metavar="D", help="D, Dlo and Dhi; 0: no mesh at all")
    parser.add_argument("--heartbeat-ms", type=seconds, metavar="MS", help="between two heartbeats (default: 1000)")
    parser.add_argument("--unsubscribe-backoff", type=seconds, metavar="S", help="default: 10")
    parser.add_argument("--max-transmit", type=size, metavar="BYTES", help="the longest RPC (default: 1 MiB)")
    parser.add_argument("--px", action="store_true", help="name other peers in a PRUNE")


def pubsub_config(options: argparse.Namespace, *, close_timeout: float = 1.0) -> PubsubConfig:
    """Return the configuration that the arguments ask for; ``close_timeout``: how long the end waits for slow peers.

    Raises:
        ConfigError: the values don't fit together.
    """
    unsigned = options.policy == "lax-unsigned"
    config = PubsubConfig(
        policy=POLICIES[options.policy],
        author=False if unsigned else None,
        message_id=sha256_id if unsigned else None,
        close_timeout=close_timeout,
    )
    if "ids" not in options:
        return config
    router = _router(options)
    message_id = MESSAGE_IDS[options.ids] if options.ids is not None else config.message_id
    return replace(config, router=router, message_id=message_id, max_queue=max(config.max_queue, router.max_rpc))


def _router(options: argparse.Namespace) -> GossipsubConfig:
    router = GossipsubConfig(peer_exchange=options.px)
    if options.flood_publish is not None:
        router = replace(router, flood_publish=options.flood_publish)
    if options.mesh_size is not None:
        degree = options.mesh_size
        router = replace(router, d=degree, d_low=degree, d_high=degree, d_score=0, d_out=0)
    if options.heartbeat_ms is not None:
        router = replace(router, heartbeat_interval=options.heartbeat_ms / 1e3)
    if options.unsubscribe_backoff is not None:
        router = replace(router, unsubscribe_backoff=options.unsubscribe_backoff)
    if options.max_transmit is not None:
        router = replace(router, max_rpc=options.max_transmit)
    return router
