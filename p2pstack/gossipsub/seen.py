"""Which messages were seen before, by their ids (GS10-12; specs/gossipsub.md).

An id is known from its *first* sight on: seeing it again does not prolong that, so a message that keeps circling is
let in again after the time to live, and every node on its way forgets it at about the same moment. All ids live
equally long, so the order of arrival is the order of expiry, and a queue beside the table is all that this takes.
"""

from __future__ import annotations

from collections import deque

__all__ = ["SeenCache"]


class SeenCache:
    """Ids of messages that were seen within ``ttl`` seconds, at most ``capacity`` (at least 1) of them.

    Hot path: every copy of every message is asked for here.
    """

    __slots__ = ("_capacity", "_expiry", "_order", "_ttl")

    def __init__(self, ttl: float, capacity: int) -> None:
        self._ttl = ttl
        self._capacity = capacity
        self._expiry: dict[bytes, float] = {}
        # Exactly the keys of the table, the oldest first. The table alone would do, as it keeps its order, but to find
        # its first key takes as many steps as there are holes before it.
        self._order: deque[bytes] = deque()

    def __len__(self) -> int:
        """Ids that are held, those included which expired since the last :meth:`expire`."""
        return len(self._expiry)

    def add(self, message_id: bytes, now: float) -> bool:
        """Remember an id, and return whether it is new; a full cache forgets its oldest id for it."""
        expiry = self._expiry.get(message_id)
        if expiry is not None:
            if now < expiry:
                return False
            self._drop_up_to(message_id)
        elif len(self._expiry) >= self._capacity:
            del self._expiry[self._order.popleft()]
        self._expiry[message_id] = now + self._ttl
        self._order.append(message_id)
        return True

    def has(self, message_id: bytes, now: float) -> bool:
        """Return whether the id was seen less than ``ttl`` seconds ago."""
        expiry = self._expiry.get(message_id)
        return expiry is not None and now < expiry

    def expire(self, now: float) -> None:
        """Free the memory of ids that are not known any more; to be called now and then."""
        order, expiry = self._order, self._expiry
        while order and expiry[order[0]] <= now:
            del expiry[order.popleft()]

    def _drop_up_to(self, message_id: bytes) -> None:
        """Forget an expired id and all that were seen before it, as they have expired as well."""
        while True:
            oldest = self._order.popleft()
            del self._expiry[oldest]
            if oldest == message_id:
                return
