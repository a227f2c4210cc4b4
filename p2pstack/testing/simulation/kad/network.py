"""A DHT of many nodes under a simulated clock: how they come and go, and what passes between them.

::

    network = DhtNetwork(seed=7)
    network.add_nodes(1_000)
    network.settle()
    trace = network.find_peer(network.nodes[0], network.nodes[1].contact.peer)
    network.run()
    assert trace.found
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Sequence
from operator import attrgetter
from random import Random

from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import Contact
from p2pstack.kad.keyspace import BITS, position
from p2pstack.kad.messages import Message, decode, encode
from p2pstack.kad.query import Query
from p2pstack.testing.simulation.chance import seeded
from p2pstack.testing.simulation.clock import Clock
from p2pstack.testing.simulation.kad.identities import public_address, simulated_id
from p2pstack.testing.simulation.kad.node import DhtNode
from p2pstack.testing.simulation.kad.record import LookupTrace
from p2pstack.testing.simulation.links import Latency, Plane

__all__ = ["ROUND_TRIPS", "DhtNetwork"]

ROUND_TRIPS = 5.0
"""That a request takes: one for TCP, three for Noise, the muxer and the protocol, one for itself."""

_position = attrgetter("contact.position")


class DhtNetwork:
    """Nodes, and the net between them. The same ``seed`` and the same calls give the same at every run.

    ``latency`` is by default that of places on a map, 10 to 150 ms apart; ``dial_timeout`` are the seconds after which
    a peer that is not there counts as failed. With ``encoded`` messages pass as bytes, through the codec.
    """

    def __init__(
        self,
        *,
        seed: int = 7,
        config: KadConfig | None = None,
        latency: Latency | None = None,
        dial_timeout: float = 5.0,
        encoded: bool = False,
    ) -> None:
        self.seed = seed
        self.config = config or KadConfig()
        self.clock = Clock()
        self.latency = latency or Plane(0.010, 0.150, self.make_random("places"))
        self.dial_timeout = dial_timeout
        self.encoded = encoded
        self.random = self.make_random("dht")
        self.members: dict[PeerId, DhtNode] = {}
        self.requests = 0
        """That were sent, of all kinds."""
        self.failures = 0
        """That nobody answered."""
        self._sorted: list[DhtNode] = []  # those that run and are genuine, in the order of their positions
        self._traces: dict[Query, LookupTrace] = {}

    def make_random(self, name: str) -> Random:
        """Return the source of chance of ``name`` in this network."""
        return seeded(self.seed, name)

    # -- who is there

    @property
    def nodes(self) -> list[DhtNode]:
        """The honest nodes that are running, in the order in which they came."""
        return [each for each in self.members.values() if type(each) is DhtNode and each.running]

    def is_there(self, peer: PeerId) -> bool:
        """Return whether a peer is one of this network and has not gone."""
        node = self.members.get(peer)
        return node is not None and node.running

    def add_nodes(self, count: int) -> list[DhtNode]:
        """Add nodes that know nobody; return them."""
        return [self._add_node() for _ in range(count)]

    def _add_node(self) -> DhtNode:
        number = len(self.members)
        contact = Contact(simulated_id(f"{self.seed}/{number}"), (public_address(self.random),))
        return self.add(DhtNode(self, number, contact))

    def add(self, node: DhtNode) -> DhtNode:
        """Add a node that was made elsewhere; return it."""
        self.members[node.contact.peer] = node
        if node.genuine:
            insort(self._sorted, node, key=_position)
        return node

    def stop(self, node: DhtNode) -> None:
        """A genuine node that runs goes without a word; those that know it do not learn of it."""
        node.running = False
        self._sorted.remove(node)

    def settle(self) -> None:
        """Fill the tables of all honest nodes as a network that has run for long would have: each bucket by chance."""
        self._settle(sorted(self.nodes, key=_position), 0)

    def _settle(self, nodes: Sequence[DhtNode], depth: int) -> None:
        """Let nodes that share ``depth`` bits know some of those that differ from them in the next one."""
        if len(nodes) < 2:
            return
        cut = self._cut(nodes, depth)
        one, other = nodes[:cut], nodes[cut:]
        for knowing, known in ((one, other), (other, one)):
            count = min(self.config.k, len(known))
            for node in knowing if count else ():
                for each in self.random.sample(known, count):
                    node.table.add(each.contact, 0.0)
            self._settle(knowing, depth + 1)

    def fill(self, node: DhtNode) -> None:
        """Fill the table of one node that has come since, in the same way."""
        nodes, depth = self._sorted, 0
        while len(nodes) > 1:
            cut = self._cut(nodes, depth)
            is_high = node.contact.position >> (BITS - 1 - depth) & 1
            known, nodes = (nodes[:cut], nodes[cut:]) if is_high else (nodes[cut:], nodes[:cut])
            for each in self.random.sample(known, min(self.config.k, len(known))):
                node.table.add(each.contact, self.clock.now)
            depth += 1

    @staticmethod
    def _cut(nodes: Sequence[DhtNode], depth: int) -> int:
        """Return where the nodes begin, in the order of their positions, that have the bit at ``depth``."""
        bit = 1 << (BITS - 1 - depth)
        boundary = nodes[0].contact.position & ~(2 * bit - 1) | bit
        return bisect_left(nodes, boundary, key=_position)

    def closest(self, key: bytes, asker: DhtNode | None = None) -> list[Contact]:
        """Return the ``k`` genuine nodes there that are really nearest to a key, without the one that asks for them."""
        nodes, target, depth = self._sorted, position(key), 0
        wanted = self.config.k + 1
        while len(nodes) > wanted:
            cut = self._cut(nodes, depth)
            half = nodes[cut:] if target >> (BITS - 1 - depth) & 1 else nodes[:cut]
            if len(half) < wanted:
                break
            nodes, depth = half, depth + 1
        found = (each.contact for each in nodes if each is not asker)
        return sorted(found, key=lambda each: each.position ^ target)[: self.config.k]

    # -- what happens

    def request(
        self, source: DhtNode, target: Contact, request: Message, take: Callable[[Message | None], None]
    ) -> None:
        """Send a request; ``take`` gets the answer, or None where none comes. HOT PATH."""
        self.requests += 1
        node = self.members.get(target.peer)
        if node is None or not node.running:
            self.clock.call_later(self.dial_timeout, self._fail, take)
            return
        one_way = self.latency(source.number, node.number)
        self.clock.call_later(one_way * (2 * ROUND_TRIPS - 1), self._arrive, source, node, request, one_way, take)

    def _arrive(
        self,
        source: DhtNode,
        node: DhtNode,
        request: Message,
        one_way: float,
        take: Callable[[Message | None], None],
    ) -> None:
        answer = node.respond(self._passed(request), source.contact) if node.running else None
        if answer is None:
            self.clock.call_later(one_way, self._fail, take)
        else:
            self.clock.call_later(one_way, take, self._passed(answer))

    def _fail(self, take: Callable[[Message | None], None]) -> None:
        self.failures += 1
        take(None)

    def _passed(self, message: Message) -> Message:
        return decode(encode(message), self.config) if self.encoded else message

    def find_peer(self, node: DhtNode, peer: PeerId) -> LookupTrace:
        """Begin a lookup of a peer; return its trace, which is complete when the lookup has ended."""
        key = peer.to_bytes()
        query = node.lookup(key)
        trace = self._traces[query] = LookupTrace(query, self.closest(key, node), self.clock.now)
        return trace

    def peer_found(self, query: Query) -> None:
        """A lookup has heard of addresses of the very peer that it looks for."""
        trace = self._traces.get(query)
        if trace is not None:
            trace.heard_of(self.clock.now)

    def finished(self, query: Query) -> None:
        """A lookup has ended."""
        trace = self._traces.pop(query, None)
        if trace is not None:
            trace.finished(self.clock.now)

    def run(self, seconds: float = 120.0) -> None:
        """Let time pass; no lookup takes longer than the default."""
        self.clock.run_for(seconds)
