"""What simulated DHTs are put through, piece by piece; the tests and the command line put them together."""

from __future__ import annotations

from p2pstack.testing.simulation.kad.network import DhtNetwork
from p2pstack.testing.simulation.kad.node import DhtNode
from p2pstack.testing.simulation.kad.record import LookupTrace

__all__ = ["churn", "find_some", "grow", "leave", "publish"]


def grow(network: DhtNetwork, count: int, *, at_once: int = 10) -> None:
    """Let nodes come one after the other, ``at_once`` in each step, all of them through the first one alone."""
    first, *others = network.add_nodes(count)
    for start in range(0, len(others), at_once):
        for node in others[start : start + at_once]:
            node.join([first.contact])
        network.run(5.0)
    network.run()


def find_some(network: DhtNetwork, count: int, *, interval: float = 0.05) -> list[LookupTrace]:
    """Let nodes by chance look for others by chance, one after the other; return the traces of the lookups."""
    traces = []
    nodes = network.nodes
    for _ in range(count):
        node, wanted = network.random.sample(nodes, 2)
        traces.append(network.find_peer(node, wanted.contact.peer))
        network.run(interval)
    network.run()
    return traces


def leave(network: DhtNetwork, share: float) -> list[DhtNode]:
    """Let a share of the nodes go, all at once and without a word; return them."""
    gone = network.random.sample(network.nodes, round(share * len(network.nodes)))
    for node in gone:
        network.stop(node)
    return gone


def churn(network: DhtNetwork, minutes: int, *, leaving: float, lookups: int) -> list[LookupTrace]:
    """Each minute a share ``leaving`` goes and as many new nodes come; return the traces of ``lookups`` in each."""
    traces = []
    for _ in range(minutes):
        gone = leave(network, leaving)
        known = [each.contact for each in network.nodes]
        for node in network.add_nodes(len(gone)):
            node.join(network.random.sample(known, min(2, len(known))))
        traces += find_some(network, lookups, interval=60.0 / max(lookups, 1))
    return traces


def publish(network: DhtNetwork, node: DhtNode, key: bytes, value: bytes) -> None:
    """Let a node store a value at the nearest nodes, and announce that it provides the key."""
    query = node.lookup(key)
    network.run()
    node.put(query.closest(), key, value)
    node.provide(query.closest(), key)
    network.run()
