"""Leaving an address alone for a while after it failed (TCP-05)."""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.host.config import DialConfig

__all__ = ["Backoff"]


@dataclass(slots=True)
class _Failure:
    tries: int
    until: float
    reason: str


class Backoff:
    """Failures by key, with the time until which each is left alone. Bounded; times are the caller's clock."""

    def __init__(self, config: DialConfig) -> None:
        self._config = config
        self._failures: dict[object, _Failure] = {}

    def __len__(self) -> int:
        return len(self._failures)

    def refusal(self, key: object, now: float) -> str:
        """Return why ``key`` is left alone at ``now``, or "" when it may be tried."""
        failure = self._failures.get(key)
        if failure is None or failure.until <= now:
            return ""
        return f"left alone for {failure.until - now:.1f} s more after failure {failure.tries}: {failure.reason}"

    def failed(self, key: object, reason: str, now: float) -> None:
        """Count a failure of ``key``."""
        config = self._config
        failure = self._failures.pop(key, None) or _Failure(0, 0.0, "")
        pause = min(config.backoff_max, config.backoff_base + config.backoff_factor * failure.tries**2)
        self._failures[key] = _Failure(failure.tries + 1, now + pause, reason)
        if len(self._failures) > config.max_backoffs:
            del self._failures[next(iter(self._failures))]

    def succeeded(self, key: object) -> None:
        """Forget the failures of ``key``."""
        self._failures.pop(key, None)
