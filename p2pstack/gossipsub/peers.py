"""What the router knows of one peer, and what it is about to tell it (specs/gossipsub.md)."""

from __future__ import annotations

from typing import TypeAlias

from p2pstack.gossipsub.protocols import features_of
from p2pstack.gossipsub.values import Rpc
from p2pstack.identity.peer_id import PeerId

__all__ = ["Members", "Peer"]


class Peer:
    """A peer with which pubsub is spoken. Hashes by identity: there is one object a peer."""

    __slots__ = (
        "asked", "cut", "direct", "features", "greeted", "id", "idontwant_rpcs", "ihave_rpcs", "named", "outbound",
        "pending", "protocol", "served", "test_extension", "topics", "unwanted",
    )  # fmt: skip

    def __init__(self, peer: PeerId, protocol: str, *, outbound: bool, direct: bool) -> None:
        self.id = peer
        self.direct = direct
        self.topics: dict[str, None] = {}
        self.greeted: dict[str, None] = {}
        self.cut: dict[str, float] = {}
        self.pending: Rpc | None = None
        self.unwanted: dict[bytes, int] = {}
        self.test_extension = False
        self.update(protocol, outbound=outbound)
        self.new_heartbeat()

    def update(self, protocol: str, *, outbound: bool) -> None:
        """Take over what was agreed on with it."""
        self.protocol = protocol
        self.features = features_of(protocol)
        self.outbound = outbound

    def new_heartbeat(self) -> None:
        """Begin to count anew what is limited by heartbeat."""
        self.ihave_rpcs = 0
        self.idontwant_rpcs = 0
        self.asked = 0
        self.named = 0
        self.served = 0

    def forget_cuts(self, before: float) -> None:
        """Drop the times of PRUNEs of ours that no GRAFT can have crossed any more."""
        if self.cut:
            self.cut = {topic: at for topic, at in self.cut.items() if at >= before}

    def forget_unwanted(self, tick: int) -> None:
        """Drop the ids that it did not want until ``tick``; they stand in the order in which they end (GS12-04)."""
        gone = []
        for each, until in self.unwanted.items():
            if until > tick:
                break
            gone.append(each)
        for each in gone:
            del self.unwanted[each]


Members: TypeAlias = dict[Peer, None]
"""A set of peers that keeps its order, so that a router with the same chance does the same."""
