"""A token bucket: what may be taken at once, and how quickly it fills again (SHK-50, SHK-51)."""

from __future__ import annotations

__all__ = ["TokenBucket"]

_ROUNDING = 1e-6
"""Seconds that nobody is made to wait: added to a clock's time they may change nothing, and he would ask for ever."""


class TokenBucket:
    """Tokens up to ``burst``, ``rate`` of them a second. Made full."""

    __slots__ = ("_since", "_tokens", "burst", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = burst
        self._tokens = burst
        self._since = now

    def wait(self, amount: float, now: float) -> float:
        """Return the seconds until ``amount`` may be taken; 0.0 if it may be now.

        More than ``burst`` may be taken of a full bucket, which then owes the rest.
        """
        self._fill(now)
        wait = (min(amount, self.burst) - self._tokens) / self.rate
        return wait if wait > _ROUNDING else 0.0

    def take(self, amount: float, now: float) -> bool:
        """Take ``amount`` if it may be taken now; whether it was."""
        if self.wait(amount, now) > 0:
            return False
        self._tokens -= amount
        return True

    def _fill(self, now: float) -> None:
        if now > self._since:
            self._tokens = min(self.burst, self._tokens + (now - self._since) * self.rate)
            self._since = now
