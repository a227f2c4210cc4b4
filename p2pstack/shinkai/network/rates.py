"""How many messages each peer may send a second (SHK-73)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from p2pstack.shinkai.limits.buckets import TokenBucket

__all__ = ["Rates"]


class Rates:
    """A bucket of messages for each key; the quietest key is forgotten first."""

    def __init__(self, per_second: float, burst: int, limit: int) -> None:
        self._per_second = per_second
        self._burst = burst
        self._limit = limit
        self._buckets: OrderedDict[Hashable, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def take(self, key: Hashable, now: float) -> bool:
        """Take one message of what ``key`` may send; whether that was allowed."""
        bucket = self._buckets.pop(key, None)
        if bucket is None:
            bucket = TokenBucket(self._per_second, self._burst, now)
        self._buckets[key] = bucket
        if len(self._buckets) > self._limit:
            self._buckets.popitem(last=False)
        return bucket.take(1, now)
