"""Members of a simulated DHT that answer what they like (specs/kad.md)."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from operator import attrgetter

from p2pstack.kad.contacts import Contact
from p2pstack.kad.keyspace import position
from p2pstack.kad.messages import Message, MessageType
from p2pstack.testing.simulation.kad.identities import ground_ids, public_address, simulated_id
from p2pstack.testing.simulation.kad.network import DhtNetwork
from p2pstack.testing.simulation.kad.node import DhtNode

__all__ = ["Liar", "Sybil", "eclipse", "replace_by_liars"]

_position = attrgetter("position")


class Sybil(DhtNode):
    """Names its accomplices alone, takes whatever is to be stored, and gives nothing of it to anybody."""

    genuine = False
    accomplices: Sequence[Contact] = ()

    def respond(self, request: Message, sender: Contact) -> Message | None:
        """Lead the asker astray."""
        if request.type is MessageType.ADD_PROVIDER:
            return None
        target = position(request.key)
        nearest = sorted(self.accomplices, key=lambda each: each.position ^ target)[: self.network.config.k]
        return Message(type=request.type, key=request.key, closer=tuple(nearest))


class Liar(DhtNode):
    """Names thousands of peers that are nobody, all of them in every answer, those near the key first.

    ``crowd`` are these, in the order of their positions.
    """

    crowd: tuple[Contact, ...] = ()

    def respond(self, request: Message, sender: Contact) -> Message | None:
        """Name everybody that is nobody."""
        start = max(bisect_left(self.crowd, position(request.key), key=_position) - self.network.config.k, 0)
        return Message(type=request.type, key=request.key, closer=(*self.crowd[start:], *self.crowd[:start]))


def eclipse(network: DhtNetwork, key: bytes, count: int, *, bits: int, groups: int = 0) -> list[Sybil]:
    """Put attackers around a key, with ids that share ``bits`` bits with it, and let them come into the network.

    They have addresses of ``groups`` IP groups, at most 256, one being what the machines of one customer of a hoster
    have; 0: of any, so hardly two of the same.
    """
    sybils = []
    for number, peer in enumerate(ground_ids(key, bits, count, f"sybil {network.seed}")):
        group = f"8.{number % groups}" if groups else None
        contact = Contact(peer, (public_address(network.random, group),))
        sybil = Sybil(network, len(network.members), contact)
        network.add(sybil)
        sybils.append(sybil)
    honest = [each.contact for each in network.nodes]
    for sybil in sybils:
        sybil.accomplices = [each.contact for each in sybils]
        sybil.join(network.random.sample(honest, min(5, len(honest))))
    network.run()
    return sybils


def replace_by_liars(network: DhtNetwork, share: float, *, crowd: int = 10_000) -> list[Liar]:
    """Let a share of the nodes be liars from now on, with their ids and addresses; return them."""
    ids = (simulated_id(f"nobody {number}") for number in range(crowd if share else 0))
    nobody = tuple(sorted((Contact(each, (public_address(network.random),)) for each in ids), key=_position))
    liars = []
    for node in network.random.sample(network.nodes, round(share * len(network.nodes))):
        network.stop(node)
        liar = Liar(network, node.number, node.contact)
        liar.crowd = nobody
        network.add(liar)
        liars.append(liar)
    return liars
