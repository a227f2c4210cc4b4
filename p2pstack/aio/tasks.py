"""Starting handlers, and the one supervisor that catches what they raise (GEN-01); and what runs in the background.

Handlers are plain coroutines. Where Python allows (3.12 and later) a handler's first step runs inside the callback that
brought its stream, so that its first answer travels with the negotiation's; on 3.11 only handlers that were registered
as ``eager`` do, since in such a first step :func:`asyncio.timeout` and :func:`asyncio.current_task` don't work there.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from p2pstack.errors import P2PError

if TYPE_CHECKING:
    from p2pstack.aio.stream import Stream

__all__ = ["Handler", "HandlerEntry", "TaskSet", "background", "supervise"]

logger = logging.getLogger("p2pstack.aio")

Result = TypeVar("Result")

Handler = Callable[["Stream"], Awaitable[None]]
"""Serves one inbound stream. When it returns the stream is closed, when it raises the stream is reset."""


@dataclass(frozen=True, slots=True)
class HandlerEntry:
    """A registered handler.

    Whether its first step may run outside a task, how many may run on a connection, and whether it serves streams that
    come through a relay.
    """

    handler: Handler
    eager: bool
    max_streams: int
    relayed: bool = False


class TaskSet:
    """The running handlers of a connection. ``on_idle`` is called each time that the last of them has ended."""

    __slots__ = ("_counts", "_loop", "_tasks", "on_idle")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._tasks: dict[asyncio.Task[None], str | None] = {}
        self._counts: dict[str | None, int] = {}
        self.on_idle: Callable[[], None] | None = None

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, entry: HandlerEntry, stream: Stream) -> bool:
        """Run a handler under supervision; False where as many of its protocol run already as may."""
        protocol = stream.protocol
        count = self._counts.get(protocol, 0)
        if count >= entry.max_streams:
            return False
        coroutine = supervise(entry.handler, stream)
        task: asyncio.Task[None]
        if sys.version_info >= (3, 12):
            task = asyncio.Task(coroutine, loop=self._loop, eager_start=True)
            if task.done():
                return True
        elif entry.eager:
            try:
                first = coroutine.send(None)
            except (StopIteration, asyncio.CancelledError):
                return True
            rest = _go_on(coroutine, first)
            rest.send(None)
            task = self._loop.create_task(rest)
        else:
            task = self._loop.create_task(coroutine)
        self._tasks[task] = protocol
        self._counts[protocol] = count + 1
        task.add_done_callback(self._ended)
        return True

    def _ended(self, task: asyncio.Task[None]) -> None:
        protocol = self._tasks.pop(task)
        count = self._counts[protocol] - 1
        if count:
            self._counts[protocol] = count
        else:
            del self._counts[protocol]
            if self.on_idle is not None and not self._tasks:
                self.on_idle()

    def cancel(self) -> list[asyncio.Task[None]]:
        """Cancel every handler; return their tasks, which the caller is to await."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        return tasks


async def supervise(handler: Handler, stream: Stream) -> None:
    """Run a handler; nothing that it raises goes beyond its stream."""
    try:
        await handler(stream)
    except P2PError as error:
        logger.debug("%s: handler of %s: %s", stream.connection, stream.protocol, error)
        stream.reset()
    except asyncio.CancelledError:
        stream.reset()
        raise
    except Exception:
        logger.exception("%s: handler of %s failed; its stream is reset", stream.connection, stream.protocol)
        stream.reset()
    else:
        stream.finish()


def background(coroutine: Coroutine[Any, Any, Result], owner: str) -> asyncio.Task[Result]:
    """Run something whose end nobody waits for in a task, which the caller keeps; ``owner`` names the service.

    If it raises, the loop's exception handler is told so at once: asyncio's own one logs the error with its traceback.
    """
    task = asyncio.get_running_loop().create_task(coroutine)
    task.add_done_callback(partial(_tell_error, owner))
    return task


def _tell_error(owner: str, task: asyncio.Task[Any]) -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        message = f"a task of {owner} has ended by an error: {error}"
        task.get_loop().call_exception_handler({"message": message, "exception": error, "task": task})


@types.coroutine
def _go_on(coroutine: Coroutine[Any, None, None], awaited: Any) -> Generator[Any, Any, None]:
    """Go on, inside a task, with a coroutine that has run to its first await outside of one (Python 3.11).

    The first ``send`` only begins this and changes nothing: what has not begun is not told of a cancellation.
    """
    begun = False
    while True:
        try:
            value = yield awaited
        except BaseException as error:
            begun = True
            try:
                awaited = coroutine.throw(error)
            except StopIteration:
                return
        else:
            if begun:
                try:
                    awaited = coroutine.send(value)
                except StopIteration:
                    return
            begun = True
