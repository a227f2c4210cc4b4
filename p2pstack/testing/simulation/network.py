"""A gossipsub network of many nodes under a simulated clock: its topology, its troubles and its messages.

::

    network = Network(seed=7)
    network.add_nodes(100)
    network.connect_randomly(20)
    network.run(5)
    trace = network.publish(0)
    network.run(5)
    assert trace.ratio == 1.0
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from random import Random
from typing import TypeVar

from p2pstack.errors import LocalError
from p2pstack.gossipsub.packing import encode_rpc
from p2pstack.gossipsub.values import Rpc
from p2pstack.identity.peer_id import PeerId
from p2pstack.testing.simulation.chance import seeded
from p2pstack.testing.simulation.clock import Clock
from p2pstack.testing.simulation.links import Latency, Links, Plane
from p2pstack.testing.simulation.member import Member
from p2pstack.testing.simulation.node import TOPIC, Node, NodeConfig
from p2pstack.testing.simulation.record import Record, Trace
from p2pstack.testing.simulation.switch import Switch

__all__ = ["Network"]

AnyMember = TypeVar("AnyMember", bound=Member)


class Network:
    """Nodes, attackers, and the net between them. The same ``seed`` and the same calls give the same at every run.

    ``latency`` is by default that of places on a map, 10 to 150 ms apart; ``loss`` the share of RPCs that is lost,
    those with subscriptions excepted, which real nodes repeat until they are through; ``config`` how nodes are set up
    unless told otherwise. With ``encoded`` RPCs go as frames through the codec, instead of as they are.
    """

    def __init__(
        self,
        *,
        seed: int = 7,
        latency: Latency | None = None,
        loss: float = 0.0,
        config: NodeConfig | None = None,
        encoded: bool = False,
    ) -> None:
        self.seed = seed
        self.random = self.make_random("network")
        self.clock = Clock()
        self.links = Links(
            latency or Plane(0.010, 0.150, self.make_random("places")), self.make_random("loss"), loss=loss
        )
        self.switch: Switch[Rpc | bytes] = Switch(self.clock, self.links)
        self.record = Record()
        self.config = config or NodeConfig()
        self.encoded = encoded
        self.members: dict[int, Member] = {}
        self.addresses: dict[PeerId, int] = {}
        self._broken: list[tuple[int, int]] = []
        self._published = 0
        self._made = 0

    def make_random(self, name: str) -> Random:
        """Return the source of chance of ``name`` in this network."""
        return seeded(self.seed, name)

    # -- who is there

    @property
    def nodes(self) -> list[Node]:
        """The honest nodes that are running."""
        return [each for each in self.members.values() if isinstance(each, Node) and each.running]

    def node(self, address: int) -> Node:
        """Return the honest node at an address.

        Raises:
            LocalError: there is none.
        """
        member = self.members.get(address)
        if not isinstance(member, Node):
            raise LocalError(f"there is no honest node at address {address}")
        return member

    def add_nodes(self, count: int, config: NodeConfig | None = None, *, ip: str | None = None) -> list[Node]:
        """Add running nodes without connections; return them."""
        return [self.add(lambda address: self._make_node(address, config, ip)) for _ in range(count)]

    def _make_node(self, address: int, config: NodeConfig | None, ip: str | None) -> Node:
        self._made += 1
        return Node(self, address, config or self.config, self.make_random(f"node {self._made}"), ip=ip)

    def add(self, make: Callable[[int], AnyMember]) -> AnyMember:
        """Add and start what ``make`` makes for the next free address; return it."""
        return self._enter(make(len(self.members)))

    def _enter(self, member: AnyMember) -> AnyMember:
        self.members[member.address] = member
        self.addresses[member.peer_id] = member.address
        self.switch.add(member.address, member)
        member.start()
        return member

    def stop(self, address: int) -> None:
        """A member goes: its connections close, its state is gone."""
        self.members[address].stop()
        self.switch.remove(address)

    def restart(self, address: int) -> Node:
        """Start a node that was stopped anew: with its old identity, no state, and no connections."""
        old = self.node(address)
        return self._enter(self._make_node(address, old.config, old.ip))

    # -- who knows whom

    def connect(self, dialler: int, target: int) -> bool:
        """Connect two members; False where they are connected, or can't be."""
        return self.switch.connect(dialler, target)

    def dial(self, dialler: int, target: PeerId) -> bool:
        """The same, by the id of a peer; False as well where nobody has it."""
        address = self.addresses.get(target)
        return address is not None and self.switch.connect(dialler, address)

    def connect_randomly(self, degree: int, among: Iterable[int] | None = None) -> None:
        """Let each honest node, or each of ``among``, dial ``degree / 2`` others: each has ``degree`` in the mean."""
        addresses = [each.address for each in self.nodes] if among is None else list(among)
        for address in addresses:
            self._dial_some(address, max(degree // 2, 1), addresses)

    def top_up(self, degree: int) -> None:
        """Let each honest node that has fewer than ``degree`` connections dial others until it has."""
        addresses = [each.address for each in self.nodes]
        for address in addresses:
            missing = degree - len(self.switch.neighbours(address))
            if missing > 0:
                self._dial_some(address, missing, addresses)

    def _dial_some(self, address: int, count: int, addresses: list[int]) -> None:
        """Dial ``count`` of ``addresses`` by chance; fewer where most are connected or out of reach."""
        for _ in range(4 * count):
            if count and self.connect(address, self.random.choice(addresses)):
                count -= 1

    # -- troubles

    def split(self, *sides: Iterable[int]) -> None:
        """Cut the net into parts; connections that lie across close. Who is in no part is in one more."""
        self._broken += self.switch.split(*sides)

    def heal(self) -> None:
        """Join the parts again, and dial again what the cut has closed."""
        self.links.heal()
        broken, self._broken = self._broken, []
        for dialler, target in broken:
            self.connect(dialler, target)

    # -- what happens

    def send(self, source: int, target: PeerId, rpc: Rpc) -> None:
        """Send an RPC, as it is or in frames. HOT PATH."""
        if rpc.graft or rpc.prune or rpc.ihave or rpc.iwant or rpc.idontwant or rpc.extensions is not None:
            rpc.has_control = True  # as the decoder would say of it
        self.record.rpc(rpc)
        address = self.addresses[target]
        reliable = bool(rpc.subscriptions)
        if not self.encoded:
            self.switch.send(source, address, rpc, reliable=reliable)
            return
        for frame in encode_rpc(rpc):
            self.record.bytes += len(frame)
            self.switch.send(source, address, frame, reliable=reliable)

    def publish(self, address: int, *, topic: str = TOPIC, size: int = 64) -> Trace:
        """Let a node publish new data of ``size`` bytes (at least 8); return the trace of the message.

        Raises:
            LocalError: there is no honest node at this address.
        """
        self._published += 1
        data = self._published.to_bytes(8, "big").ljust(size, b".")
        node = self.node(address)
        others = [each.address for each in self.nodes if each is not node and topic in each.router.topics]
        trace = self.record.published(data, topic, address, others, self.clock.now)
        node.publish(data, topic)
        return trace

    def run(self, seconds: float) -> None:
        """Let time pass."""
        self.clock.run_for(seconds)

    # -- what there is

    def mesh_degrees(self, topic: str = TOPIC) -> list[int]:
        """Return the size of each honest subscriber's mesh."""
        return [len(each.router.mesh(topic)) for each in self.nodes if topic in each.router.topics]

    def one_sided(self, topic: str = TOPIC) -> list[tuple[int, int]]:
        """Return which honest node has which other in its mesh that does not have it; none once all has arrived."""
        return [
            (node.address, self.addresses[peer])
            for node in self.nodes
            for peer in node.router.mesh(topic)
            if isinstance(other := self.members[self.addresses[peer]], Node)
            and node.peer_id not in other.router.mesh(topic)
        ]

    def scores_of(self, target: int) -> dict[int, float]:
        """Return what each honest neighbour thinks of a member, by address."""
        peer = self.members[target].peer_id
        return {each.address: each.router.score.score(peer) for each in self.nodes if peer in each.router.peers}

    def full(self) -> Mapping[str, float]:
        """Return how full the fullest router is, 1.0 being the limit, by the limit's name."""
        shares: dict[str, float] = {}
        for node in self.nodes:
            for name, (held, limit) in node.router.sizes().items():
                shares[name] = max(shares.get(name, 0.0), held / limit)
        return shares
