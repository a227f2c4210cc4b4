"""What the program thinks of messages: its validators, and how much they may do at once (GS10-26; specs/gossipsub.md).

A validator that is a plain function is called in the event loop, for the messages of one read in a row, and the peer's
next read waits for it. One that is an ``async def`` runs in a task a message; when too many run, further messages are
dropped, and no peer is blamed for our own load. Either runs in a task, so that what it raises ends the task alone: the
message is ignored then, and the error logged.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum
from functools import partial
from typing import TypeAlias, cast

from p2pstack.errors import ConfigError, LocalError
from p2pstack.gossipsub.incoming import Incoming
from p2pstack.services.gossipsub.config import PubsubConfig

__all__ = ["Validator", "Validators", "Verdict"]

logger = logging.getLogger("p2pstack.gossipsub")


class Verdict(Enum):
    """What a validator says. ``True`` stands for ACCEPT and ``False`` for REJECT; anything else is taken for IGNORE."""

    ACCEPT = "accept"
    """Deliver it and send it on."""

    REJECT = "reject"
    """Drop it, and charge every peer that has sent it: no peer that is honest and up to date would have (GS11-34)."""

    IGNORE = "ignore"
    """Drop it; nobody is to blame."""


Validator: TypeAlias = Callable[[Incoming], "Verdict | bool | Awaitable[Verdict | bool]"]
"""Looks at a message and gives a verdict, at once or, as an ``async def``, later."""

_AsyncValidator = Callable[[Incoming], Awaitable[object]]


class _Entry:
    """The validator of one topic."""

    __slots__ = ("concurrency", "is_async", "running", "timeout", "validator")

    def __init__(self, validator: Validator, concurrency: int, timeout: float | None) -> None:
        self.validator = validator
        self.concurrency = concurrency
        self.timeout = timeout
        self.running = 0
        self.is_async = inspect.iscoroutinefunction(validator) or inspect.iscoroutinefunction(
            getattr(validator, "__call__", None)  # noqa: B004 - an object with an async __call__ is one, too
        )


class Validators:
    """The validators of all topics.

    ``settle`` is given each message with its verdict; None: there was no room. ``settled`` is called when that was
    outside of :meth:`judge`.
    """

    def __init__(
        self,
        config: PubsubConfig,
        counters: Counter[str],
        settle: Callable[[Incoming, Verdict | None], None],
        settled: Callable[[], None],
    ) -> None:
        self._config = config
        self._counters = counters
        self._settle = settle
        self._settled = settled
        self._entries: dict[str, _Entry] = {}
        self._tasks: set[asyncio.Task[object]] = set()

    def add(self, topic: str, validator: Validator, *, concurrency: int | None, timeout: float | None) -> None:
        """Ask ``validator`` about each message in ``topic``.

        Raises:
            LocalError: the topic has one.
            ConfigError: ``concurrency`` or ``timeout`` is not positive.
        """
        if topic in self._entries:
            raise LocalError(f"topic {topic!r} has a validator")
        limit = self._config.max_topic_validations if concurrency is None else concurrency
        seconds = self._config.validation_timeout if timeout is None else timeout
        if limit < 1 or (seconds is not None and not seconds > 0):
            raise ConfigError("concurrency and timeout must be positive")
        self._entries[topic] = _Entry(validator, limit, seconds)

    def remove(self, topic: str) -> None:
        """Ask about ``topic`` no more; what is being looked at is still settled."""
        self._entries.pop(topic, None)

    @property
    def any(self) -> bool:
        """Whether there is a validator."""
        return bool(self._entries)

    @property
    def running(self) -> int:
        """Messages that async validators look at."""
        return len(self._tasks)

    async def judge(self, messages: Sequence[Incoming]) -> None:
        """Have ``messages`` settled: those without a validator at once, those with an async one later."""
        waiting: list[tuple[_Entry, Incoming]] = []
        for incoming in messages:
            entry = self._entries.get(incoming.topic)
            if entry is None:
                self._settle(incoming, Verdict.ACCEPT)
            elif not entry.is_async:
                waiting.append((entry, incoming))
            elif entry.running < entry.concurrency and len(self._tasks) < self._config.max_validations:
                self._start(entry, incoming)
            else:
                self._settle(incoming, None)
        if waiting:
            await self._call_all(waiting)

    # -- plain functions

    async def _call_all(self, waiting: Sequence[tuple[_Entry, Incoming]]) -> None:
        """Call plain functions, in order; one that raises costs its own message only."""
        verdicts: list[object] = []
        try:
            while len(verdicts) < len(waiting):
                task = asyncio.get_running_loop().create_task(_call_some(waiting, verdicts))
                await asyncio.wait((task,))
                error = task.exception()
                if error is not None:
                    self._failed(waiting[len(verdicts)][1], error)
                    verdicts.append(Verdict.IGNORE)
        finally:
            # Cancelled where the host closes: then nobody has looked at the rest.
            verdicts += [Verdict.IGNORE] * (len(waiting) - len(verdicts))
            for (_, incoming), verdict in zip(waiting, verdicts, strict=True):
                self._settle(incoming, _read(verdict))

    # -- async functions

    def _start(self, entry: _Entry, incoming: Incoming) -> None:
        entry.running += 1
        task = asyncio.get_running_loop().create_task(_call(entry, incoming))
        self._tasks.add(task)
        task.add_done_callback(partial(self._ended, entry, incoming))

    def _ended(self, entry: _Entry, incoming: Incoming, task: asyncio.Task[object]) -> None:
        entry.running -= 1
        self._tasks.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._failed(incoming, error)
        self._settle(incoming, Verdict.IGNORE if error is not None or task.cancelled() else _read(task.result()))
        self._settled()

    def _failed(self, incoming: Incoming, error: BaseException) -> None:
        self._counters["validator-failed"] += 1
        logger.error("the validator of topic %r failed; its message is ignored", incoming.topic, exc_info=error)

    async def stop(self) -> None:
        """Cancel what runs."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def _read(verdict: object) -> Verdict:
    """Understand what a validator has returned."""
    if isinstance(verdict, Verdict):
        return verdict
    if verdict is True:
        return Verdict.ACCEPT
    return Verdict.REJECT if verdict is False else Verdict.IGNORE


async def _call_some(waiting: Sequence[tuple[_Entry, Incoming]], verdicts: list[object]) -> None:
    """Call the validators that have no verdict yet, until one raises; nothing is waited for."""
    for entry, incoming in waiting[len(verdicts) :]:
        verdicts.append(entry.validator(incoming))


async def _call(entry: _Entry, incoming: Incoming) -> object:
    async with asyncio.timeout(entry.timeout):
        return await cast("_AsyncValidator", entry.validator)(incoming)
