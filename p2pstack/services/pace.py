"""How often something may happen: a burst at once, then one at a time."""

from __future__ import annotations

__all__ = ["Pace"]


class Pace:
    """Allows ``burst`` events in a row, and gives back one of them every ``interval`` seconds.

    The caller reads the clock. The state is a single number: when the whole burst will be available again.
    """

    __slots__ = ("_burst", "_full_at", "_interval")

    def __init__(self, burst: int, interval: float) -> None:
        self._burst = burst
        self._interval = interval
        self._full_at = 0.0

    def delay(self, now: float) -> float:
        """Return how many seconds to wait before the next event; 0.0: none."""
        return max(0.0, self._full_at - (self._burst - 1) * self._interval - now)

    def take(self, now: float) -> None:
        """Count an event that happens at ``now``."""
        self._full_at = max(self._full_at, now) + self._interval

    def allow(self, now: float) -> bool:
        """Count an event if it may happen at ``now``; whether it may."""
        if self.delay(now) > 0:
            return False
        self.take(now)
        return True
