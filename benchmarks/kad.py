"""Lookups in a DHT of one stack: a network of listeners, and clients that enter, ask once, and leave."""

from __future__ import annotations

import contextlib
import hashlib
from dataclasses import dataclass

from benchmarks.figures import percentile
from benchmarks.processes import RunFailed, listener, run_peer
from benchmarks.stacks import Stack

__all__ = ["Lookups", "look_up"]

PROTOCOL = "/benchmark/kad/1.0.0"
KEYS = 2
"""An operation is done for each of so many keys to warm up."""


@dataclass(frozen=True, slots=True)
class Lookups:
    """The median time of one in seconds, dialling included, and the requests that it sent in the mean."""

    seconds: float
    requests: float


def look_up(stack: Stack, *, nodes: int, count: int) -> Lookups:
    """Start a network of ``nodes``, and look ``count`` keys up in it.

    Raises RunFailed where a node does not join, or a lookup does not name them all.
    """
    network = ["--dht", "--dht-protocol", PROTOCOL, "--quiet"]
    with contextlib.ExitStack() as stacked:
        _first, entrance = stacked.enter_context(listener([*stack.listen(), *network], stack.environment))
        for _ in range(nodes - 1):
            command = [*stack.listen(), *network, "--bootstrap", entrance]
            peer, _address = stacked.enter_context(listener(command, stack.environment))
            if not peer.wait_for("dht-joined", stack.sizes.deadline)["ok"]:
                raise RunFailed("a node did not join the DHT")
        found = [_closest(stack, entrance, number, min(nodes, 20)) for number in range(KEYS + count)][KEYS:]
    return Lookups(percentile([seconds for seconds, _ in found], 0.5), sum(sent for _, sent in found) / count)


def _closest(stack: Stack, address: str, number: int, nearest: int) -> tuple[float, int]:
    key = hashlib.sha256(b"%d" % number).hexdigest()
    command = [*stack.command, "dht", address, "--do", "closest", key, "--dht-protocol", PROTOCOL, *stack.flags]
    event = run_peer(command, stack.environment, "dht", stack.sizes.deadline)
    if not event["ok"] or len(event["peers"]) != nearest:
        raise RunFailed(f"a lookup named {len(event['peers'])} of {nearest} peers")
    return float(event["seconds"]), int(event["requests"])
