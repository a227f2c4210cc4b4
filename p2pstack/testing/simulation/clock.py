"""Simulated time: a queue of what is to happen, and when. Between two events no time passes for anybody.

::

    clock = Clock()
    clock.call_later(1.5, print, "a second and a half is over")
    clock.run_until(2.0)
"""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

__all__ = ["Clock"]


class Clock:
    """Runs functions in the order of their times; those of the same time in the order in which they were asked for.

    ``now`` is in seconds and begins with 0. ``events`` counts what was run.
    """

    __slots__ = ("_queue", "_serial", "events", "now")

    def __init__(self) -> None:
        self.now = 0.0
        self.events = 0
        # The serial number keeps the order of asking, and keeps functions from being compared.
        self._queue: list[tuple[float, int, Callable[..., object], tuple[Any, ...]]] = []
        self._serial = 0

    def __len__(self) -> int:
        """Events that are still to come."""
        return len(self._queue)

    def call_at(self, when: float, function: Callable[..., object], *args: Any) -> None:
        """Run ``function(*args)`` at ``when``; what should have been in the past is run next. HOT PATH."""
        self._serial += 1
        heappush(self._queue, (max(when, self.now), self._serial, function, args))

    def call_later(self, seconds: float, function: Callable[..., object], *args: Any) -> None:
        """Run ``function(*args)`` in ``seconds``."""
        self.call_at(self.now + seconds, function, *args)

    def run_until(self, end: float) -> None:
        """Run all that is due up to ``end``, and let it be that time."""
        queue = self._queue
        while queue and queue[0][0] <= end:
            self.now, _, function, args = heappop(queue)
            self.events += 1
            function(*args)
        self.now = max(self.now, end)

    def run_for(self, seconds: float) -> None:
        """Run all that is due in the next ``seconds``."""
        self.run_until(self.now + seconds)
