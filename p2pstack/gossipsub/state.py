"""What the mechanisms of the router share (specs/gossipsub.md)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from p2pstack.gossipsub.backoff import Backoffs
from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.entropy import Random
from p2pstack.gossipsub.events import Grafted, PeerSubscribed, PeerUnsubscribed, Pruned, RouterEvent
from p2pstack.gossipsub.gater import Gater
from p2pstack.gossipsub.message_cache import MessageCache
from p2pstack.gossipsub.peers import Members, Peer
from p2pstack.gossipsub.score.scorer import Scorer
from p2pstack.gossipsub.seen import SeenCache
from p2pstack.gossipsub.values import Message, Rpc
from p2pstack.identity.peer_id import PeerId

__all__ = ["State"]


@dataclass(slots=True, kw_only=True)
class State:
    """The peers, topics, meshes and caches of one router, and the few steps that keep them consistent."""

    own_id: PeerId
    config: GossipsubConfig
    random: Random
    score: Scorer
    seen: SeenCache
    cache: MessageCache
    backoffs: Backoffs
    gater: Gater | None
    record_of: Callable[[PeerId], bytes | None]
    peers: dict[PeerId, Peer] = field(default_factory=dict)
    outsiders: Members = field(default_factory=dict)
    """The peers that are in no mesh by rule, and get everything: direct ones, and floodsub's (GS10-27, GS11-01)."""

    topics: dict[str, Members] = field(default_factory=dict)
    """Who is subscribed to what."""

    mesh: dict[str, Members] = field(default_factory=dict)
    """The topics that we are subscribed to, each with the peers that we exchange its messages with."""

    counters: Counter[str] = field(default_factory=Counter)
    happened: list[RouterEvent] = field(default_factory=list)
    outbox: list[tuple[PeerId, Rpc]] = field(default_factory=list)
    waiting: list[Peer] = field(default_factory=list)
    tick: int = 0

    # -- peers and topics

    def outsider(self, peer: Peer) -> None:
        """Note whether ``peer`` is in no mesh by rule."""
        if peer.direct or not peer.features.mesh:
            self.outsiders[peer] = None
        else:
            self.outsiders.pop(peer, None)

    def subscribed(self, peer: Peer, topic: str) -> bool:
        """Note that ``peer`` wants ``topic``; False when it wants too many (GS10-15)."""
        if topic in peer.topics:
            return True
        if len(peer.topics) >= self.config.max_topics_per_peer:
            self.counters["max_topics_per_peer"] += 1
            return False
        peer.topics[topic] = None
        self.topics.setdefault(topic, {})[peer] = None
        self.happened.append(PeerSubscribed(peer=peer.id, topic=topic))
        return True

    def unsubscribed(self, peer: Peer, topic: str) -> None:
        """Note that ``peer`` wants ``topic`` no more, and take it out of the mesh."""
        if topic not in peer.topics:
            return
        del peer.topics[topic]
        members = self.topics[topic]
        del members[peer]
        if not members:
            del self.topics[topic]
        self.happened.append(PeerUnsubscribed(peer=peer.id, topic=topic))
        self.leave_mesh(peer, topic)

    def may_graft(self, topic: str, now: float) -> list[Peer]:
        """Return the peers that could come into the mesh: none that is in it, direct, backed off or of bad score.

        A back-off counts for a heartbeat longer than agreed, for the peer's clock and the way to it (GS11-03).
        """
        members = self.mesh[topic]
        until, score = self.backoffs.until, self.score.score
        over = now - self.config.heartbeat_interval
        return [
            peer
            for peer in self.topics.get(topic, ())
            if peer not in members
            and not peer.direct
            and peer.features.mesh
            and ((end := until(topic, peer.id)) <= over or not end)
            and score(peer.id) >= 0
        ]

    def some(self, peers: Iterable[Peer], count: int) -> list[Peer]:
        """Return ``count`` of ``peers`` by chance, or all of them in any order where there are fewer."""
        found = list(peers)
        return self.random.sample(found, min(max(count, 0), len(found)))

    # -- mesh

    def enter_mesh(self, peer: Peer, topic: str, now: float) -> None:
        """Take ``peer`` into the mesh of ``topic``."""
        self.mesh[topic][peer] = None
        self.score.graft(peer.id, topic, now)
        self.happened.append(Grafted(peer=peer.id, topic=topic))

    def leave_mesh(self, peer: Peer, topic: str) -> bool:
        """Take ``peer`` out of a mesh, and back a GRAFT that has not left yet; tell whether it was in it."""
        members = self.mesh.get(topic)
        if members is None or peer not in members:
            return False
        del members[peer]
        if peer.pending is not None and topic in peer.pending.graft:
            peer.pending.graft.remove(topic)
        self.score.prune(peer.id, topic)
        self.happened.append(Pruned(peer=peer.id, topic=topic))
        return True

    # -- what is sent

    def tell(self, peer: Peer) -> Rpc:
        """Return the RPC that the next control entries for ``peer`` go into."""
        rpc = peer.pending
        if rpc is None:
            rpc = peer.pending = Rpc()
            self.waiting.append(peer)
        return rpc

    def send_message(self, message: Message, targets: Iterable[Peer]) -> None:
        """Queue one message for several peers; they share the RPC, and so its encoding. HOT PATH."""
        rpc = Rpc(publish=[message])
        self.outbox += [(peer.id, rpc) for peer in targets]

    def data_to_send(self) -> list[tuple[PeerId, Rpc]]:
        """Return what is queued, drained: for each peer the control entries first, in one RPC."""
        sending = []
        for peer in self.waiting:
            if peer.pending is not None and not peer.pending.is_empty:
                sending.append((peer.id, peer.pending))
            peer.pending = None
        self.waiting.clear()
        sending += self.outbox
        self.outbox = []
        return sending
