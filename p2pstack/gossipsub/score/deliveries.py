"""Who sent which message, and what became of it: delivery records (GS11-41; specs/gossipsub.md).

Hot path: one record a message and one lookup a copy.
"""

from __future__ import annotations

from collections import deque

from p2pstack.identity.peer_id import PeerId

__all__ = ["IGNORED", "INVALID", "THROTTLED", "UNKNOWN", "VALID", "Deliveries", "Record"]

# Plain ints: comparing them is all that the hot path does with them.
UNKNOWN = 0
"""Validation has not ended."""
VALID = 1
"""Accepted."""
INVALID = 2
"""Rejected by a validator: each copy is charged."""
IGNORED = 3
"""Ignored by a validator: no copy counts."""
THROTTLED = 4
"""Never validated, for want of room: no copy counts."""


class Record:
    """One message."""

    __slots__ = ("expires", "message_id", "others", "sender", "status", "validated")

    def __init__(self, message_id: bytes, sender: PeerId, expires: float) -> None:
        self.message_id = message_id
        self.sender = sender
        """Who sent it first."""
        self.expires = expires
        self.status = UNKNOWN
        self.validated = 0.0
        """When it was accepted."""
        self.others: set[PeerId] | None = None
        """Who else sent it in time; None while nobody has, and once it no longer matters."""

    def settle(self, status: int) -> set[PeerId]:
        """Enter a verdict other than VALID; return who else had sent the message, and forget them."""
        others = self.others or set()
        self.status, self.others = status, None
        return others


class Deliveries:
    """The records of the last ``ttl`` seconds, ``capacity`` at most: a further one drops the oldest."""

    __slots__ = ("_capacity", "_queue", "_records", "_ttl", "get")

    def __init__(self, ttl: float, capacity: int) -> None:
        self._ttl = ttl
        self._capacity = capacity
        self._records: dict[bytes, Record] = {}
        # Oldest first. Deleting from the front of a dict leaves holes that every look at its front walks over.
        self._queue: deque[Record] = deque()
        self.get = self._records.get
        """Return the record of a message id, or None."""

    def __len__(self) -> int:
        return len(self._queue)

    def begin(self, message_id: bytes, sender: PeerId, now: float) -> Record:
        """Return the record of a message; a new one where there is none, or only one that is too old."""
        record = self._records.get(message_id)
        if record is not None and record.expires > now:
            return record
        if len(self._queue) >= self._capacity:
            self._drop_oldest()
        record = self._records[message_id] = Record(message_id, sender, now + self._ttl)
        self._queue.append(record)
        return record

    def expire(self, now: float) -> None:
        """Drop what is too old."""
        queue = self._queue
        while queue and queue[0].expires <= now:
            self._drop_oldest()

    def _drop_oldest(self) -> None:
        record = self._queue.popleft()
        # A message that came again after its time has a newer record.
        if self._records[record.message_id] is record:
            del self._records[record.message_id]
