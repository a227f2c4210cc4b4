"""The mesh: who exchanges whole messages with whom; GRAFT and PRUNE (specs/gossipsub.md)."""

from __future__ import annotations

from math import inf

from p2pstack.gossipsub.exchange import Exchange
from p2pstack.gossipsub.peers import Peer
from p2pstack.gossipsub.state import State
from p2pstack.gossipsub.values import Prune

__all__ = ["Mesh"]


class Mesh:
    """Builds, keeps and leaves the meshes of our topics."""

    __slots__ = ("_exchange", "_state")

    def __init__(self, state: State, exchange: Exchange) -> None:
        self._state = state
        self._exchange = exchange

    # -- what we want

    def join(self, topic: str, preferred: list[Peer], now: float) -> None:
        """Make a mesh, of ``preferred`` peers first, those that our messages went to so far (GS10-17)."""
        state = self._state
        state.mesh[topic] = {}
        candidates = state.may_graft(topic, now)
        chosen = [peer for peer in preferred if peer in candidates]
        others = [peer for peer in candidates if peer not in chosen]
        chosen += state.some(others, state.config.d - len(chosen))
        for peer in chosen[: state.config.d]:
            self.graft(peer, topic, now)

    def leave(self, topic: str, now: float) -> None:
        """Leave the mesh; its peers, and we, leave each other alone for a short time (GS10-17)."""
        for peer in list(self._state.mesh[topic]):
            self.prune(peer, topic, now, seconds=self._state.config.unsubscribe_backoff)
        del self._state.mesh[topic]

    def graft(self, peer: Peer, topic: str, now: float) -> None:
        """Take a peer into the mesh and tell it."""
        self._state.enter_mesh(peer, topic, now)
        self._state.tell(peer).graft.append(topic)

    def prune(self, peer: Peer, topic: str, now: float, *, seconds: float, exchange: bool = False) -> None:
        """Take a peer out of the mesh, tell it, and leave it alone for ``seconds`` (GS11-02)."""
        self._state.leave_mesh(peer, topic)
        self._state.backoffs.add(topic, peer.id, now + seconds)
        peer.cut[topic] = now
        self._answer_prune(peer, topic, seconds, exchange=exchange)

    def _answer_prune(self, peer: Peer, topic: str, seconds: float, *, exchange: bool) -> None:
        """Queue a PRUNE; with back-off and other peers for those that understand them (GS11-02, GS11-06)."""
        pending = self._state.tell(peer)
        if not peer.features.backoff:
            pending.prune.append(Prune(topic, [], None))
            return
        others = self._exchange.offer(peer, topic) if exchange else []
        pending.prune.append(Prune(topic, others, round(seconds)))

    # -- what a peer wants

    def receive_grafts(self, peer: Peer, topics: list[str], now: float) -> None:
        """Take a peer into meshes, or refuse it (GS11-04, GS11-05); the order of the checks is go's."""
        state = self._state
        score = state.score.score(peer.id)
        exchange = state.config.peer_exchange
        refused: dict[str, None] = {}
        for topic in topics:
            members = state.mesh.get(topic)
            if members is None:
                exchange = False
                state.counters["graft-unknown-topic"] += 1
            elif peer in members:
                continue
            elif self._may_not_enter(peer, topic, score, now):
                exchange = False
                self._refuse(peer, topic, refused, now)
            elif len(members) >= state.config.d_high and not peer.outbound:
                state.counters["graft-mesh-full"] += 1
                self._refuse(peer, topic, refused, now)
            elif state.subscribed(peer, topic):
                state.enter_mesh(peer, topic, now)
            else:
                self._refuse(peer, topic, refused, now)
        for topic in refused:
            self._answer_prune(peer, topic, state.config.prune_backoff, exchange=exchange)

    def _refuse(self, peer: Peer, topic: str, refused: dict[str, None], now: float) -> None:
        """Begin a back-off at once, so that the same GRAFT again in one RPC is one that comes too soon."""
        self._state.backoffs.add(topic, peer.id, now + self._state.config.prune_backoff)
        refused[topic] = None

    def _may_not_enter(self, peer: Peer, topic: str, score: float, now: float) -> bool:
        """Whether a GRAFT is a fault, or comes from a peer that we don't want; charge it where it is a fault."""
        state = self._state
        if peer.direct:
            state.counters["graft-direct"] += 1
            return True
        until = state.backoffs.until(topic, peer.id)
        if now < until:
            state.counters["graft-backoff"] += 1
            if now <= peer.cut.pop(topic, -inf) + state.config.graft_grace:
                return True
            early = now < until + state.config.graft_flood_threshold - state.config.prune_backoff
            state.score.add_penalty(peer.id, 2 if early else 1)
            return True
        if score < 0:
            state.counters["graft-score"] += 1
            return True
        return False

    def receive_prunes(self, peer: Peer, prunes: list[Prune], now: float) -> None:
        """Take a peer out of meshes as it asks, and look at whom it names instead (GS10-18, GS11-02, GS11-07)."""
        state = self._state
        for prune in prunes:
            topic = prune.topic
            if topic not in state.mesh:
                continue
            state.leave_mesh(peer, topic)
            seconds = min(prune.backoff or state.config.prune_backoff, state.config.max_backoff)
            state.backoffs.add(topic, peer.id, now + seconds)
            if prune.peers:
                self._exchange.receive(peer, prune)
