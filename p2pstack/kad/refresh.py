"""When the table is to be refreshed, and which lookups do it (KAD-12; specs/kad.md).

A refresh looks one's own id up, which finds the neighbours and tells them of us, and then an id in each bucket down to
that of the nearest peer.
"""

from __future__ import annotations

from p2pstack.kad.config import KadConfig
from p2pstack.kad.keyspace import MAX_MADE_UP, made_up_id
from p2pstack.kad.table import RoutingTable

__all__ = ["Refresh"]

_SEED = 32


class Refresh:
    """The schedule of one table; the first refresh is due at once. Times are seconds on one clock."""

    def __init__(self, table: RoutingTable, config: KadConfig, now: float) -> None:
        self._table = table
        self._config = config
        self._last: float | None = None
        self._due = now

    def next_timeout(self) -> float:
        """Return when the next refresh is due."""
        return self._due

    def handle_timeout(self, now: float) -> bool:
        """Return whether a refresh is to begin now; with True it counts as begun."""
        if now < self._due:
            return False
        self._last = now
        small = len(self._table) <= self._config.small_table
        self._due = now + (self._config.small_table_interval if small else self._config.refresh_interval)
        return True

    def peer_added(self, now: float) -> None:
        """A new peer is in the table: while that is small, a refresh follows, but never one right after the other."""
        if len(self._table) > self._config.small_table:
            return
        earliest = now if self._last is None else max(now, self._last + self._config.min_refresh_interval)
        self._due = min(self._due, earliest)

    def targets(self, entropy: bytes) -> list[bytes]:
        """Return the keys to look up: the own id, then an id in each bucket, the farthest first.

        ``entropy`` are 32 random bytes for each bucket, up to 16 times that; buckets without are left out.
        """
        own = self._table.position
        seeds = [entropy[start : start + _SEED] for start in range(0, len(entropy), _SEED)]
        prefixes = range(min(self._table.deepest, MAX_MADE_UP) + 1) if len(self._table) else range(0)
        return [
            self._table.own.to_bytes(),
            *(made_up_id(own, prefix, seed) for prefix, seed in zip(prefixes, seeds, strict=False)),
        ]
