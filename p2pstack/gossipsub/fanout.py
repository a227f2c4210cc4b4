"""Where messages go to whose topic we are not subscribed to (GS10-22; specs/gossipsub.md)."""

from __future__ import annotations

from p2pstack.gossipsub.peers import Members, Peer
from p2pstack.gossipsub.state import State

__all__ = ["Fanout"]


class _Entry:
    """The peers of one topic, and when we have last published to it."""

    __slots__ = ("members", "used_at")

    def __init__(self, now: float) -> None:
        self.members: Members = {}
        self.used_at = now


class Fanout:
    """Keeps, for a while, the peers that our messages to a topic go to."""

    __slots__ = ("_state", "_topics")

    def __init__(self, state: State) -> None:
        self._state = state
        self._topics: dict[str, _Entry] = {}

    @property
    def topics(self) -> dict[str, Members]:
        """The topics that are kept, each with its peers."""
        return {topic: entry.members for topic, entry in self._topics.items()}

    def use(self, topic: str, now: float) -> Members:
        """Return the peers for a message to ``topic``; the topic is kept for longer from now on."""
        entry = self._topics.pop(topic, None)
        if entry is None:
            entry = _Entry(now)
            while len(self._topics) >= self._state.config.max_fanout:
                del self._topics[next(iter(self._topics))]
        self._topics[topic] = entry
        entry.used_at = now
        self._fill(topic, entry.members)
        return entry.members

    def take(self, topic: str) -> list[Peer]:
        """Return the peers of ``topic`` and keep it no longer: we are subscribing to it."""
        entry = self._topics.pop(topic, None)
        return list(entry.members) if entry is not None else []

    def forget(self, peer: Peer, topic: str) -> None:
        """Drop a peer that wants ``topic`` no more."""
        entry = self._topics.get(topic)
        if entry is not None:
            entry.members.pop(peer, None)

    def maintain(self, now: float) -> None:
        """Drop topics that were not used for long; replace peers whose score has become bad (GS10-19)."""
        state = self._state
        for topic, entry in list(self._topics.items()):
            if entry.used_at + state.config.fanout_ttl <= now:
                del self._topics[topic]
                continue
            bad = [peer for peer in entry.members if not self._may_publish_to(peer)]
            for peer in bad:
                del entry.members[peer]
            self._fill(topic, entry.members)

    def _fill(self, topic: str, members: Members) -> None:
        state = self._state
        missing = state.config.d - len(members)
        if missing <= 0:
            return
        others = [peer for peer in state.topics.get(topic, ()) if peer not in members and self._may_publish_to(peer)]
        members.update(dict.fromkeys(state.some(others, missing)))

    def _may_publish_to(self, peer: Peer) -> bool:
        state = self._state
        return peer.features.mesh and not peer.direct and state.score.score(peer.id) >= state.score.publish_threshold
