"""Whether peers deliver what their gossip promised (GS11-16; specs/gossipsub.md).

A peer that tells of messages and never sends them when asked holds the mesh's repair up. Of each IWANT one id, picked
by chance, is watched: it has to come from anyone within a few seconds, or those who promised it are charged. The peer
can't know which one is watched, so in the long run it pays for each lie, and we keep little.
"""

from __future__ import annotations

from collections.abc import Sequence

from p2pstack.gossipsub.entropy import Random
from p2pstack.identity.peer_id import PeerId

__all__ = ["Promises"]


class Promises:
    """Ids that peers were asked for and have not come yet, each to come within ``followup`` seconds.

    At most ``capacity`` promises are watched; a further one is not, and costs nobody anything. Nothing is forgotten
    when a peer goes away: coming back would be the way out.
    """

    __slots__ = ("_by_id", "_by_peer", "_capacity", "_deadlines", "_followup")

    def __init__(self, followup: float, capacity: int) -> None:
        self._followup = followup
        self._capacity = capacity
        self._deadlines: dict[tuple[bytes, PeerId], float] = {}  # in the order of the deadlines
        self._by_id: dict[bytes, set[PeerId]] = {}
        self._by_peer: dict[PeerId, set[bytes]] = {}

    def __len__(self) -> int:
        """Promises that are watched."""
        return len(self._deadlines)

    def add(self, peer: PeerId, ids: Sequence[bytes], random: Random, now: float) -> None:
        """Watch one of the ``ids`` that ``peer`` was just asked for; one it promised before keeps its deadline."""
        if not ids or len(self._deadlines) >= self._capacity:
            return
        message_id = ids[random.randrange(len(ids))]
        promise = (message_id, peer)
        if promise in self._deadlines:
            return
        self._deadlines[promise] = now + self._followup
        self._by_id.setdefault(message_id, set()).add(peer)
        self._by_peer.setdefault(peer, set()).add(message_id)

    def delivered(self, message_id: bytes) -> None:
        """Keep all promises of a message: a copy of it came, from whomever, and its validation begins.

        Hot path: called for each new message, which hardly ever was promised.
        """
        for peer in self._by_id.get(message_id, ()):
            del self._deadlines[message_id, peer]
            self._leave_peer(message_id, peer)
        self._by_id.pop(message_id, None)

    def rejected(self, message_id: bytes) -> None:
        """Keep all promises of a message that was refused: it came, and its sender is charged for what it is.

        Not for a missing or wrong signature: then it is not the promised message that came, but a forgery of it.
        """
        self.delivered(message_id)

    def throttled(self, peer: PeerId) -> None:
        """Forget what ``peer`` promised: it is us who don't take its messages (GS11-19)."""
        for message_id in self._by_peer.pop(peer, ()):
            del self._deadlines[message_id, peer]
            self._leave_id(message_id, peer)

    def broken(self, now: float) -> dict[PeerId, int]:
        """Return how many promises each peer broke, and forget these (at each heartbeat)."""
        late = []
        for promise, deadline in self._deadlines.items():
            if deadline >= now:
                break
            late.append(promise)
        counts: dict[PeerId, int] = {}
        for message_id, peer in late:
            del self._deadlines[message_id, peer]
            self._leave_id(message_id, peer)
            self._leave_peer(message_id, peer)
            counts[peer] = counts.get(peer, 0) + 1
        return counts

    def _leave_id(self, message_id: bytes, peer: PeerId) -> None:
        peers = self._by_id[message_id]
        peers.remove(peer)
        if not peers:
            del self._by_id[message_id]

    def _leave_peer(self, message_id: bytes, peer: PeerId) -> None:
        ids = self._by_peer[peer]
        ids.remove(message_id)
        if not ids:
            del self._by_peer[peer]
