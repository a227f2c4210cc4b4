"""Keeping the loop awake for a moment after each receive, for those who need the shortest round trips.

On a virtual machine the wake-up of an idle CPU costs more than all of p2pstack's work on a ping. With a spin of 50 us
the next message of a conversation finds the loop running: a round trip takes a third to a half of the time. The price
is CPU: up to the spin time for each burst of received data, and the power that goes with it. Off by default; the
CPU is offered to other processes in each turn, so a busy machine does not suffer.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from time import monotonic

__all__ = ["Spinner"]


def _no_yield() -> None:
    """Do nothing where the system can't yield (Windows)."""


class Spinner:
    """Spins the loop for ``seconds`` after the last call of :meth:`touch`."""

    __slots__ = ("_loop", "_running", "_seconds", "_until", "_yield")

    def __init__(self, loop: asyncio.AbstractEventLoop, seconds: float) -> None:
        self._loop = loop
        self._seconds = seconds
        self._until = 0.0
        self._running = False
        self._yield: Callable[[], None] = getattr(os, "sched_yield", _no_yield)

    def touch(self, now: float) -> None:
        """Spin until ``now`` + ``seconds``."""
        self._until = now + self._seconds
        if not self._running:
            self._running = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        if monotonic() < self._until:
            self._yield()
            self._loop.call_soon(self._turn)
        else:
            self._running = False
