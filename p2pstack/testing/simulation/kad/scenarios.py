"""What simulated DHTs are put through, piece by piece; the tests and the command line put them together."""

from __future__ import annotations

from p2pstack.kad.value_query import ValueQuery
from p2pstack.testing.simulation.kad.network import DhtNetwork
from p2pstack.testing.simulation.kad.node import DhtNode
from p2pstack.testing.simulation.kad.record import LookupTrace
from p2pstack.testing.simulation.kad.sessions import Sessions

__all__ = ["churn", "find_some", "grow", "leave", "publish", "read_some"]


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
    for _ in range(count):
        node, wanted = network.random.sample(network.nodes, 2)
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


def churn(network: DhtNetwork, sessions: Sessions, seconds: float) -> None:
    """Let nodes go when their sessions end, without a word, and as many new ones come; return after ``seconds``.

    It goes on afterwards. New ones have full tables at once and look themselves up, so that others hear of them; those
    that stay do not refresh theirs, which so are of the age that has passed. Refreshes are what would cost most here.
    """
    for node in network.nodes:
        network.clock.call_later(sessions.rest(), _replace, network, sessions, node)
    network.run(seconds)


def _replace(network: DhtNetwork, sessions: Sessions, node: DhtNode) -> None:
    network.stop(node)
    (new,) = network.add_nodes(1)
    network.fill(new)
    new.join([])
    network.clock.call_later(sessions.whole(), _replace, network, sessions, new)


def publish(network: DhtNetwork, node: DhtNode, key: bytes, value: bytes) -> None:
    """Let a node store a value at the nearest nodes, and announce that it provides the key."""
    query = node.lookup(key)
    network.run()
    node.put(query.closest(), key, value)
    node.provide(query.closest(), key)
    network.run()


def read_some(network: DhtNetwork, key: bytes, count: int) -> list[ValueQuery]:
    """Let nodes by chance look a value up, at most all of them once; return their lookups."""
    nodes = network.nodes
    queries = [node.get(key) for node in network.random.sample(nodes, min(count, len(nodes)))]
    network.run()
    return queries
