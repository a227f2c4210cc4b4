"""Lookups in a DHT of one stack: a network of servers, and a client that asks it; and the memory of its tables."""

from __future__ import annotations

import contextlib
import hashlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from benchmarks.figures import percentile
from benchmarks.processes import RunFailed, listener, run_peer
from benchmarks.stacks import Stack

__all__ = ["Lookups", "look_up", "table_bytes"]

PROTOCOL = "/benchmark/kad/1.0.0"
KEY = "00ff"
WARM = 10
"""Lookups of a client before those that are timed: it dials everybody."""
WINDOW = 8
"""Lookups at once, where their rate is measured."""
NEW_CLIENTS = 5
"""Clients that are timed with the first lookup of their life."""
TABLE_PEERS = 1_000
TABLES = 20


@dataclass(frozen=True, slots=True)
class Lookups:
    """What one client got: lookups a second, so many at once; the median seconds of one alone; its mean requests.

    ``first_seconds`` is the median of a new client's first lookup, which dials everybody.
    """

    rate: float
    seconds: float
    first_seconds: float
    requests: float


def look_up(stack: Stack, *, nodes: int, count: int) -> Lookups:
    """Start a network of ``nodes``, and look ``count`` keys up in it.

    Raises RunFailed where a node does not join, or a lookup does not name them all.
    """
    with _network(stack, nodes) as entrance:
        time.sleep(stack.sizes.dht_rest)
        nearest = min(nodes, 20)
        first = []
        for number in range(NEW_CLIENTS + 1):
            key = hashlib.sha256(b"%d" % number).hexdigest()
            first.append(float(_closest(stack, entrance, nearest, key)["seconds"]))
        many = ("--count", str(count), "--warm", str(WARM))
        alone = _closest(stack, entrance, nearest, KEY, *many, "--window", "1")
        at_once = _closest(stack, entrance, nearest, KEY, *many, "--window", str(WINDOW))
    return Lookups(
        rate=count / float(at_once["seconds"]),
        seconds=percentile([float(each) for each in alone["seconds_each"]], 0.5),
        first_seconds=percentile(first[1:], 0.5),
        requests=int(alone["requests"]) / count,
    )


@contextlib.contextmanager
def _network(stack: Stack, nodes: int) -> Iterator[str]:
    """Servers that have entered by the first one, whose address is yielded."""
    network = ["--dht", "--dht-protocol", PROTOCOL, "--quiet"]
    with contextlib.ExitStack() as stacked:
        _first, entrance = stacked.enter_context(listener([*stack.listen(), *network], stack.environment))
        for _ in range(nodes - 1):
            command = [*stack.listen(), *network, "--bootstrap", entrance]
            peer, _address = stacked.enter_context(listener(command, stack.environment))
            if not peer.wait_for("dht-joined", stack.sizes.deadline)["ok"]:
                raise RunFailed("a node did not join the DHT")
        yield entrance


def _closest(stack: Stack, address: str, nearest: int, key: str, *arguments: str) -> dict[str, Any]:
    where = ["--dht-protocol", PROTOCOL, "--wait", str(stack.sizes.deadline)]
    command = [*stack.command, "dht", address, "--do", "closest", key, *where, *arguments, *stack.flags]
    event = run_peer(command, stack.environment, "dht", stack.sizes.deadline)
    if not event["ok"] or len(event["peers"]) != nearest:
        raise RunFailed(f"a lookup named {len(event['peers'])} of {nearest} peers: {event.get('reason', 'no reason')}")
    return event


def table_bytes(stack: Stack) -> float:
    """Return the bytes of a routing table that a thousand peers were offered to, and of what else is kept of them."""
    command = [*stack.command, "dht-table", "--peers", str(TABLE_PEERS), "--tables", str(TABLES), *stack.flags]
    event = run_peer(command, stack.environment, "dht-table-memory", stack.sizes.deadline)
    return float(event["bytes"])
