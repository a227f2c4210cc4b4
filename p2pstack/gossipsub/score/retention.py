"""Which peers are remembered after they left, and for how long (GS11-39; specs/gossipsub.md).

All are kept for the same time, so who left first is forgotten first. When there is no more room, those without any
blame go before the others: a flood of fresh peers that come and go does not wash away what is known of bad ones.
"""

from __future__ import annotations

from collections import OrderedDict

from p2pstack.identity.peer_id import PeerId

__all__ = ["Retention"]


class Retention:
    """At most ``capacity`` peers, each for ``time`` seconds."""

    __slots__ = ("_blamed", "_blameless", "_capacity", "_time")

    def __init__(self, time: float, capacity: int) -> None:
        self._time = time
        self._capacity = capacity
        # OrderedDict: its front is found at once, also after many deletions there.
        self._blameless: OrderedDict[PeerId, float] = OrderedDict()
        self._blamed: OrderedDict[PeerId, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._blameless) + len(self._blamed)

    def keep(self, peer: PeerId, now: float, *, blamed: bool) -> tuple[float, PeerId | None]:
        """Remember a peer that just left; return until when, and who has to be forgotten for it (perhaps itself)."""
        until = now + self._time
        (self._blamed if blamed else self._blameless)[peer] = until
        if len(self) <= self._capacity:
            return until, None
        evicted, _ = (self._blameless or self._blamed).popitem(last=False)
        return until, evicted

    def release(self, peer: PeerId) -> None:
        """A peer that was remembered is back."""
        if self._blamed.pop(peer, None) is None:
            del self._blameless[peer]

    def expired(self, now: float) -> list[PeerId]:
        """Return who has to be forgotten because its time is over, once."""
        over: list[PeerId] = []
        for peers in (self._blameless, self._blamed):
            while peers and next(iter(peers.values())) < now:
                over.append(peers.popitem(last=False)[0])
        return over
