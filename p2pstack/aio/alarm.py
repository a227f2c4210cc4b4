"""The one timer of a connection, which is moved far less often than deadlines are made."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

__all__ = ["NEVER", "Alarm"]

NEVER = float("inf")


class Alarm:
    """Calls ``callback`` at ``when``, on the clock of :func:`time.monotonic`; a deadline that is later changes nothing.

    Whoever is called looks at what is due and sets the alarm anew, so a deadline that has moved on in the meantime
    costs one call for nothing, and none at each move.
    """

    __slots__ = ("_callback", "_handle", "_loop", "when")

    def __init__(self, loop: asyncio.AbstractEventLoop, callback: Callable[[], None]) -> None:
        self._loop = loop
        self._callback = callback
        self._handle: asyncio.TimerHandle | None = None
        self.when = NEVER

    def at_latest(self, when: float) -> None:
        """See to it that the callback runs by ``when``."""
        if when < self.when:
            self.cancel()
            self.when = when
            self._handle = self._loop.call_later(max(0.0, when - monotonic()), self._ring)

    def cancel(self) -> None:
        """Run no more until it is set anew."""
        self.when = NEVER
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _ring(self) -> None:
        self._handle = None
        self.when = NEVER
        self._callback()
