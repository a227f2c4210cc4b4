"""The values that a node holds for others: what gets in, for how long, and what goes when it is full (KAD-05, KAD-15).

All times are Unix seconds.
"""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from math import ceil

from p2pstack.errors import DecodeError
from p2pstack.kad.config import KadConfig
from p2pstack.kad.keyspace import position
from p2pstack.kad.records import Record, rfc3339
from p2pstack.kad.store import Store, StoredValue
from p2pstack.kad.validators import Validators

__all__ = ["PutOutcome", "Values"]


class PutOutcome(Enum):
    """What became of a value that was to be stored."""

    STORED = "stored"
    RENEWED = "renewed"
    """It was there already, and lives longer now. It is not new (KAD-15)."""

    OLDER = "older"
    """The stored one is better, and stays."""

    FULL = "full"
    """The store is full of values that are nearer to us."""


class Values:
    """The values in a store; ``own`` is the node's position, near which it keeps more of them."""

    def __init__(self, store: Store, validators: Validators, config: KadConfig, own: int) -> None:
        self._store = store
        self._validators = validators
        self._config = config
        self._own = own
        # Distance and end of each, so that neither is looked up in the store when it is full.
        self._index = {
            each.record.key: (position(each.record.key) ^ own, each.expires) for each in list(store.values())
        }

    def __len__(self) -> int:
        return len(self._index)

    def put(self, record: Record, now: float) -> PutOutcome:
        """Store a value that came now, if it is valid and not worse than the one that is there.

        It lives for ``value_lifetime``, or shorter where its sender says so.

        Raises:
            DecodeError: key or value is too long, the namespace has no validator, or that refuses the value.
        """
        if len(record.key) > self._config.max_key or len(record.value) > self._config.max_value:
            raise DecodeError("a value or its key is too long to be stored", requirement="KAD-14")
        self._validators.validate(record.key, record.value)
        outcome = PutOutcome.STORED
        expires = now + min(self._config.value_lifetime, record.ttl or self._config.value_lifetime)
        stored = self.get(record.key, now)
        if stored is not None:
            if stored.record.value == record.value:
                outcome = PutOutcome.RENEWED
                expires = max(expires, stored.expires)
            elif self._validators.select(record.key, [stored.record.value, record.value]) == 0:
                return PutOutcome.OLDER
        elif not self._make_room(record.key, now):
            return PutOutcome.FULL
        self._store.put_value(StoredValue(record=record, received=now, expires=expires))
        self._index[record.key] = (position(record.key) ^ self._own, expires)
        return outcome

    def _make_room(self, key: bytes, now: float) -> bool:
        """Whether there is a place for a new key, after one that is over or the farthest has made it."""
        if len(self._index) < self._config.max_values:
            return True
        self.sweep(now)
        if len(self._index) < self._config.max_values:
            return True
        farthest = max(self._index, key=lambda each: self._index[each][0])
        if position(key) ^ self._own >= self._index[farthest][0]:
            return False
        self._drop(farthest)
        return True

    def _drop(self, key: bytes) -> None:
        self._store.drop_value(key)
        del self._index[key]

    def get(self, key: bytes, now: float) -> StoredValue | None:
        """Return the value of a key, unless it is over or there is none."""
        if key not in self._index:
            return None
        if self._index[key][1] <= now:
            self._drop(key)
            return None
        return self._store.value(key)

    def record(self, key: bytes, now: float) -> Record | None:
        """Return the value of a key as others are told: with the time when it came, and what is left of its ttl."""
        stored = self.get(key, now)
        if stored is None:
            return None
        ttl = ceil(stored.expires - now) if stored.record.ttl else 0
        return replace(stored.record, time_received=rfc3339(int(stored.received * 1_000_000) * 1_000), ttl=ttl)

    def sweep(self, now: float) -> int:
        """Forget all values that are over; return how many."""
        over = [key for key, (_, expires) in self._index.items() if expires <= now]
        for key in over:
            self._drop(key)
        return len(over)
