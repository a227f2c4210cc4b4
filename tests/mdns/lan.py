"""What the tests of mDNS share: peers, segments, and a network of machines without sockets."""

from __future__ import annotations

import heapq
import itertools
import random
from collections.abc import Sequence
from ipaddress import ip_address, ip_interface

from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import Multiaddr, parse
from p2pstack.identity.peer_id import PeerId
from p2pstack.mdns.advert import Advert, peer_name
from p2pstack.mdns.config import MdnsConfig
from p2pstack.mdns.discovery import Discovery
from p2pstack.mdns.names import SERVICE, Name, service_name
from p2pstack.mdns.segment import Segment
from p2pstack.mdns.table import Change
from tests.vectors import load

P2P: Name = service_name(SERVICE)
PACKETS = {each["note"].split(" (")[0]: bytes.fromhex(each["packet"]) for each in load("mdns")["packets"]}
SHAPES = {each["note"]: bytes.fromhex(each["packet"]) for each in load("mdns")["shapes"]}


def peer_of(number: int) -> PeerId:
    return PrivateKey.from_seed(number.to_bytes(32, "big")).peer_id


def addresses(*texts: str) -> tuple[Multiaddr, ...]:
    return tuple(parse(text) for text in texts)


def segment(*own: str, name: str = "eth0", version: int = 4) -> Segment:
    """One with these addresses, given with the length of their network's prefix."""
    found = [ip_interface(each) for each in own]
    return Segment(name, 2, version, frozenset(each.ip for each in found), tuple(each.network for each in found))


def advert(*texts: str, number: int = 1, ttl: int = 360) -> Advert:
    name = peer_name(number.to_bytes(40, "big"))
    return Advert(P2P, name, peer_of(number), addresses(*(texts or ("/ip4/192.168.1.7/tcp/4001",))), ttl)


class Node:
    """A machine on the network 192.168.1.0/24, and what it has told."""

    def __init__(self, number: int, config: MdnsConfig, *, now: float, chance: random.Random) -> None:
        self.peer = peer_of(number)
        self.ip = ip_address(f"192.168.1.{number}")
        self.segment = segment(f"{self.ip}/24")
        name = peer_name(chance.randbytes(40))
        self.machine = Discovery(self.peer, config, name=name, chance=chance.random)
        self.machine.join(self.segment, now)
        self.machine.advertise(addresses(f"/ip4/{self.ip}/tcp/4001"), now)
        self.history: list[tuple[float, Change]] = []
        self.sent: list[tuple[float, bytes]] = []

    @property
    def known(self) -> set[PeerId]:
        return set(self.machine.table.peers())


class Lan:
    """Carries each packet to all nodes, the sender included, after a millisecond of its own clock."""

    def __init__(self, *, seed: int = 1) -> None:
        self.now = 1_000.0
        self.nodes: list[Node] = []
        self.chance = random.Random(seed)
        self._under_way: list[tuple[float, int, bytes, Node]] = []
        self._order = itertools.count()

    def add(self, number: int, config: MdnsConfig | None = None) -> Node:
        node = Node(number, config or MdnsConfig(), now=self.now, chance=self.chance)
        self.nodes.append(node)
        return node

    def remove(self, node: Node, *, goodbye: bool) -> None:
        if goodbye:
            node.machine.close()
            self._send(node)
        self.nodes.remove(node)

    def run(self, seconds: float) -> None:
        """Let time pass."""
        end = self.now + seconds
        while True:
            due = [node.machine.next_timeout() for node in self.nodes]
            times = [each for each in due if each is not None] + [each[0] for each in self._under_way[:1]]
            if not times or min(times) > end:
                break
            self.now = max(self.now, min(times))
            while self._under_way and self._under_way[0][0] <= self.now:
                _, _, data, sender = heapq.heappop(self._under_way)
                for node in self.nodes:
                    node.machine.receive(node.segment.key, data, sender.ip, self.now)
            for node in self.nodes:
                timeout = node.machine.next_timeout()
                if timeout is not None and timeout <= self.now:
                    node.machine.handle_timeout(self.now)
                self._send(node)
                node.history += [(self.now, change) for change in node.machine.changes()]
        self.now = end

    def _send(self, node: Node) -> None:
        for _, data in node.machine.packets():
            node.sent.append((self.now, data))
            heapq.heappush(self._under_way, (self.now + 0.001, next(self._order), data, node))


def texts(found: Sequence[Multiaddr]) -> list[str]:
    return [str(each) for each in found]
