"""What waits to be sent to peers: by priority, within a peer's bandwidth (SHK-52, SHK-53)."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

from p2pstack.errors import LimitExceeded
from p2pstack.shinkai.limits.bandwidth import Bandwidth, Priority

__all__ = ["Outbox"]

_T = TypeVar("_T")


class Outbox(Generic[_T]):
    """Items that wait for their peers. Of one priority the first to come is the first to go."""

    def __init__(self, bandwidth: Bandwidth) -> None:
        self._bandwidth = bandwidth
        self._waiting: dict[Hashable, _Waiting[_T]] = {}

    def __len__(self) -> int:
        return sum(len(waiting) for waiting in self._waiting.values())

    @property
    def peers(self) -> list[Hashable]:
        """The peers for which something waits."""
        return list(self._waiting)

    def push(self, peer: Hashable, item: _T, size: int, priority: Priority = Priority.NORMAL) -> None:
        """Let an item of ``size`` bytes wait for ``peer``.

        Raises:
            LimitExceeded: too much waits for it (``waiting``, ``waiting_bytes``), or for too many (``waiting_peers``).
        """
        config = self._bandwidth.config
        waiting = self._waiting.get(peer)
        if waiting is None:
            if len(self._waiting) >= config.max_peers:
                raise LimitExceeded("waiting_peers", config.max_peers)
            waiting = _Waiting()
        if len(waiting) >= config.max_waiting:
            raise LimitExceeded("waiting", config.max_waiting)
        if waiting.size + size > config.max_waiting_bytes:
            raise LimitExceeded("waiting_bytes", config.max_waiting_bytes)
        waiting.push(item, size, priority)
        self._waiting[peer] = waiting

    def pop(self, peer: Hashable, now: float) -> tuple[_T | None, float]:
        """Return what may be sent to ``peer`` now, or None and the seconds until that may change (inf: it won't)."""
        waiting = self._waiting.get(peer)
        if waiting is None:
            return None, float("inf")
        priority, size = waiting.first()
        wait = self._bandwidth.take(peer, size, priority, now)
        if wait > 0:
            return None, wait
        item = waiting.pop(priority)
        if not len(waiting):
            del self._waiting[peer]
        return item, 0.0

    def drop(self, peer: Hashable) -> list[_T]:
        """Give up what waits for ``peer``; return it in the order in which it would have gone."""
        waiting = self._waiting.pop(peer, None)
        return [] if waiting is None else waiting.all()


class _Waiting(Generic[_T]):
    """What waits for one peer."""

    __slots__ = ("_queues", "size")

    def __init__(self) -> None:
        self._queues: dict[Priority, deque[tuple[_T, int]]] = {priority: deque() for priority in Priority}
        self.size = 0

    def __len__(self) -> int:
        return sum(map(len, self._queues.values()))

    def push(self, item: _T, size: int, priority: Priority) -> None:
        self._queues[priority].append((item, size))
        self.size += size

    def first(self) -> tuple[Priority, int]:
        """Priority and size of what goes first; there is something."""
        priority = next(priority for priority in Priority if self._queues[priority])
        return priority, self._queues[priority][0][1]

    def pop(self, priority: Priority) -> _T:
        item, size = self._queues[priority].popleft()
        self.size -= size
        return item

    def all(self) -> list[_T]:
        return [item for priority in Priority for item, _ in self._queues[priority]]
