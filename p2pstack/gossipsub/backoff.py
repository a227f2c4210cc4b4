"""When a peer may be grafted again in a topic, on both sides of a PRUNE (GS11-02, GS11-03; specs/gossipsub.md).

A back-off outlives the connection: a peer that could wash it off by coming back would be pruned and grafted in turns.
So the number of them is bounded instead, and the one that ends first, the least loss, makes room.
"""

from __future__ import annotations

from heapq import heappop, heappush, heapreplace

from p2pstack.identity.peer_id import PeerId

__all__ = ["Backoffs"]


class Backoffs:
    """The ends of back-offs by topic and peer, at most ``capacity`` (at least 1) of them."""

    __slots__ = ("_capacity", "_heap", "_serial", "_until")

    def __init__(self, capacity: int) -> None:
        self._capacity = capacity
        self._until: dict[tuple[str, PeerId], float] = {}
        # One place for each key, at the end that it had when it was put there. A back-off that was prolonged since
        # ends later than its place says, and is put right only when it comes to the top. The serial number keeps
        # keys from being compared.
        self._heap: list[tuple[float, int, tuple[str, PeerId]]] = []
        self._serial = 0

    def __len__(self) -> int:
        """Back-offs that are remembered, those included which ended since the last :meth:`expire`."""
        return len(self._until)

    def add(self, topic: str, peer: PeerId, until: float) -> None:
        """Remember that ``peer`` is not to be grafted in ``topic`` before ``until``; never shortens a back-off."""
        key = (topic, peer)
        known = self._until.get(key)
        if known is not None:
            if until > known:
                self._until[key] = until
            return
        self._until[key] = until
        self._serial += 1
        heappush(self._heap, (until, self._serial, key))
        if len(self._until) > self._capacity:
            self._settle_top()
            self._forget_top()

    def until(self, topic: str, peer: PeerId) -> float:
        """Return when the back-off ends or ended, 0.0 where none is remembered."""
        return self._until.get((topic, peer), 0.0)

    def expire(self, now: float, slack: float) -> None:
        """Forget what ended before ``now - slack``.

        The slack, in seconds, spares peers whose clock is a bit behind a GRAFT that comes too soon for them (GS11-03).
        """
        limit = now - slack
        # A place is never later than the end, so where the top is young enough, everything is.
        while self._heap and self._heap[0][0] < limit:
            if self._settle_top() < limit:
                self._forget_top()

    def _settle_top(self) -> float:
        """Bring the back-off that ends first to the top of the heap, and return its end."""
        while True:
            place, serial, key = self._heap[0]
            until = self._until[key]
            if until == place:
                return until
            heapreplace(self._heap, (until, serial, key))

    def _forget_top(self) -> None:
        del self._until[heappop(self._heap)[2]]
