"""A future for one waiting task, which is woken inside the call that ends its waiting.

An asyncio future wakes its task one loop turn later, through the loop's queue. A reader of a stream can go on at once:
what woke it is a callback of the transport, in which no task runs. That saves a turn for each message, and the answer
that the reader writes still travels in the flush at the end of that same callback. Measured in round trips a second:
a third more (benchmarks, rows ``ping`` and ``streams``).

A :class:`Waiter` speaks the protocol that :class:`asyncio.Task` expects of what it awaits
(``_asyncio_future_blocking``, ``add_done_callback``, ``result``, ``cancel``, ``get_loop``), so cancellation and
:func:`asyncio.timeout` work through it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context
from typing import Any

__all__ = ["Waiter"]

_PENDING, _WOKEN, _CANCELLED, _FAILED = 0, 1, 2, 3


class Waiter:
    """Awaited by one task, ended once: by :meth:`wake`, :meth:`fail` or the task's cancellation."""

    __slots__ = ("_asyncio_future_blocking", "_callback", "_context", "_error", "_loop", "_message", "_state")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._state = _PENDING
        self._callback: Callable[[Any], object] | None = None
        self._context: Context | None = None
        self._error: BaseException | None = None
        self._message: str | None = None
        self._asyncio_future_blocking = False

    def __await__(self) -> Generator[Waiter, None, None]:
        self._asyncio_future_blocking = True
        yield self
        return self.result()

    def wake(self) -> None:
        """Let the waiting task run, now. Only a callback of the loop or of a transport may call this, no task."""
        if self._state == _PENDING:
            self._state = _WOKEN
            self._run()

    def fail(self, error: BaseException) -> None:
        """As :meth:`wake`, but the task sees ``error``."""
        if self._state == _PENDING:
            self._state = _FAILED
            self._error = error
            self._run()

    def _run(self) -> None:
        callback, self._callback = self._callback, None
        if callback is not None and self._context is not None:
            self._context.run(callback, self)

    # -- what a task expects of a future

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """Return the loop of the waiting task."""
        return self._loop

    def add_done_callback(self, callback: Callable[[Any], object], *, context: Context | None = None) -> None:
        """Remember the task's step; called by the task."""
        if self._state != _PENDING:
            self._loop.call_soon(callback, self, context=context)
        else:
            self._callback = callback
            self._context = context

    def remove_done_callback(self, callback: Callable[[Any], object]) -> int:
        """Forget the task's step."""
        found = self._callback is not None
        self._callback = None
        return int(found)

    def done(self) -> bool:
        """Whether the waiting has ended."""
        return self._state != _PENDING

    def cancelled(self) -> bool:
        """Whether it ended by cancellation."""
        return self._state == _CANCELLED

    def result(self) -> None:
        """Return nothing, or raise what ended the waiting."""
        if self._state == _CANCELLED:
            raise asyncio.CancelledError(self._message) if self._message else asyncio.CancelledError()
        if self._error is not None:
            raise self._error

    def exception(self) -> BaseException | None:
        """Return the error of :meth:`fail`, if any."""
        return self._error

    def cancel(self, msg: str | None = None) -> bool:
        """End the waiting by cancellation; called by the task."""
        if self._state != _PENDING:
            return False
        self._state = _CANCELLED
        self._message = msg
        callback, self._callback = self._callback, None
        if callback is not None:
            self._loop.call_soon(callback, self, context=self._context)
        return True
