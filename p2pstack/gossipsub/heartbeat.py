"""What the router does once a second: it brings each mesh back into its bounds (specs/gossipsub.md)."""

from __future__ import annotations

from p2pstack.gossipsub.mesh import Mesh
from p2pstack.gossipsub.peers import Members, Peer
from p2pstack.gossipsub.state import State

__all__ = ["MeshKeeper"]


class MeshKeeper:
    """Drops, adds and exchanges the members of a mesh at a heartbeat (GS10-19, GS11-10 to GS11-13)."""

    __slots__ = ("_mesh", "_state")

    def __init__(self, state: State, mesh: Mesh) -> None:
        self._state = state
        self._mesh = mesh

    def maintain(self, topic: str, now: float) -> None:
        """Bring the mesh of ``topic`` into its bounds."""
        state = self._state
        config = state.config
        members = state.mesh[topic]
        self._drop_bad(topic, members, now)
        if len(members) < config.d_low:
            self._graft_some(topic, config.d - len(members), state.may_graft(topic, now), now)
        if len(members) > config.d_high:
            self._cut(topic, members, now)
        if len(members) >= config.d_low:
            self._keep_outbound(topic, members, now)
        if state.tick % config.opportunistic_graft_ticks == 0:
            self._graft_better(topic, members, now)

    def _graft_some(self, topic: str, count: int, candidates: list[Peer], now: float) -> None:
        for peer in self._state.some(candidates, count):
            self._mesh.graft(peer, topic, now)

    def _drop_bad(self, topic: str, members: Members, now: float) -> None:
        """Members of negative score go, and are told of nobody else (GS11-12)."""
        score = self._state.score.score
        for peer in [each for each in members if score(each.id) < 0]:
            self._mesh.prune(peer, topic, now, seconds=self._state.config.prune_backoff)

    def _cut(self, topic: str, members: Members, now: float) -> None:
        """Keep the best by score, then others by chance, with enough outbound ones among them (GS11-11)."""
        config = self._state.config
        score = self._state.score.score
        ranked = list(members)
        self._state.random.shuffle(ranked)
        ranked.sort(key=lambda peer: score(peer.id), reverse=True)
        rest = ranked[config.d_score :]
        self._state.random.shuffle(rest)
        ranked[config.d_score :] = rest
        kept, going = ranked[: config.d], ranked[config.d :]
        missing = config.d_out - sum(peer.outbound for peer in kept)
        # As far as the quota needs them, outbound peers take the places of the last ones that are not.
        rescued = [peer for peer in going if peer.outbound][: max(missing, 0)]
        inbound = [peer for peer in kept if not peer.outbound]
        displaced = inbound[len(inbound) - len(rescued) :]
        for peer in [*displaced, *(each for each in going if each not in rescued)]:
            self._mesh.prune(peer, topic, now, seconds=config.prune_backoff, exchange=config.peer_exchange)

    def _keep_outbound(self, topic: str, members: Members, now: float) -> None:
        """Add peers that we dialled where the quota is not met (GS11-10)."""
        missing = self._state.config.d_out - sum(peer.outbound for peer in members)
        if missing > 0:
            outbound = [peer for peer in self._state.may_graft(topic, now) if peer.outbound]
            self._graft_some(topic, missing, outbound, now)

    def _graft_better(self, topic: str, members: Members, now: float) -> None:
        """Where the median score of a mesh is low, add peers that are better (GS11-13)."""
        state = self._state
        if len(members) < 2:
            return
        score = state.score.score
        median = sorted(score(peer.id) for peer in members)[len(members) // 2]
        if median < state.score.opportunistic_graft_threshold:
            better = [peer for peer in state.may_graft(topic, now) if score(peer.id) > median]
            self._graft_some(topic, state.config.opportunistic_graft_peers, better, now)
