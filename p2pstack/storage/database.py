"""A file behind asyncio: one thread, which alone touches it, and group commits (SHK-40, SHK-42).

Operations that arrive in one turn of the loop, or while the thread is busy, wait and are committed together. So one
message at a time costs one commit, and a thousand at once cost a few.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from p2pstack.errors import DeadlineExceeded, LimitExceeded, LocalError
from p2pstack.storage.batches import Operation, Outcome, execute
from p2pstack.storage.config import StorageConfig
from p2pstack.storage.schema import Schema, open_connection

__all__ = ["Database"]

_T = TypeVar("_T")

_Waiting = tuple[Operation, "asyncio.Future[Any]"]


class Database:
    """An open file. Made by :meth:`open`; every call is made on the loop that opened it."""

    def __init__(self, path: Path, config: StorageConfig) -> None:
        self.path = path
        self.config = config
        self._loop = asyncio.get_running_loop()
        self._executor = ThreadPoolExecutor(1, thread_name_prefix="p2pstack-storage")
        self._connection: sqlite3.Connection | None = None
        self._open = False
        self._waiting: deque[_Waiting] = deque()
        self._planned = False
        self._running: asyncio.Future[list[Outcome]] | None = None
        self._idle = asyncio.Event()
        self._idle.set()

    @classmethod
    async def open(cls, path: Path, schema: Schema, config: StorageConfig | None = None) -> Database:
        """Open the file ``path``, made if there is none, whose tables are those of ``schema``.

        Raises:
            StorageLocked: another process has it open.
            SchemaTooNew: a newer version of the program has written it.
            StorageDamaged: it is no database, or a damaged one.
            StorageError: it can't be opened, or is of another program.
            DeadlineExceeded: that took longer than ``open_timeout``.
        """
        database = cls(path, config or StorageConfig())
        try:
            async with asyncio.timeout(database.config.open_timeout):
                database._connection = await database._in_thread(open_connection, path, schema, database.config)
                database._open = True
        except TimeoutError:
            raise DeadlineExceeded(f"opening {path} took longer than {database.config.open_timeout} s") from None
        finally:
            if not database._open:
                database._executor.shutdown(wait=False)
        return database

    @property
    def pending(self) -> int:
        """Operations that wait for the thread."""
        return len(self._waiting)

    async def run(self, operation: Callable[[sqlite3.Connection], _T], *, timeout: float | None = None) -> _T:
        """Run ``operation`` in the file's thread, within a transaction, and return what it returns.

        When this returns the operation has been committed. When it is cancelled, or its time (``timeout`` seconds, or
        the configured one) is over, the operation may still be done, or not: who repeats it must not mind.

        Raises:
            LimitExceeded: as many operations wait as may (``storage_pending``).
            StorageError: SQLite fails; nothing of the operation was kept.
            DeadlineExceeded: it took too long.
            LocalError: the file is closed.
            P2PError: whatever the operation raises; nothing of it was kept.
        """
        if not self._open:
            raise LocalError(f"{self.path} is closed")
        if len(self._waiting) >= self.config.max_pending:
            raise LimitExceeded("storage_pending", self.config.max_pending)
        seconds = self.config.timeout if timeout is None else timeout
        future: asyncio.Future[_T] = self._loop.create_future()
        self._waiting.append((operation, future))
        self._idle.clear()
        if self._running is None and not self._planned:
            self._planned = True
            self._loop.call_soon(self._start)
        try:
            async with asyncio.timeout(seconds):
                return await future
        except TimeoutError:
            raise DeadlineExceeded(f"the file did not answer within {seconds} s") from None

    async def close(self) -> None:
        """Write what waits, and close the file. What is called after this is refused; closing twice is fine.

        Raises:
            DeadlineExceeded: that took longer than ``close_timeout``; the file is closed once the disk answers.
        """
        if not self._open:
            return
        self._open = False
        try:
            async with asyncio.timeout(self.config.close_timeout):
                await self._idle.wait()
        except TimeoutError:
            raise DeadlineExceeded(f"closing {self.path} took longer than {self.config.close_timeout} s") from None
        finally:
            # Behind whatever the thread is at. Closing the last connection moves the log into the file.
            closing = self._in_thread(self._close)
            self._executor.shutdown(wait=False)
        await closing

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    def _in_thread(self, function: Callable[..., _T], *args: Any) -> asyncio.Future[_T]:
        return self._loop.run_in_executor(self._executor, partial(function, *args))

    def _execute(self, operations: Sequence[Operation]) -> list[Outcome]:
        assert self._connection is not None
        return execute(self._connection, operations)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _start(self) -> None:
        """Hand what waits to the thread, if that is idle."""
        self._planned = False
        batch: list[_Waiting] = []
        while self._waiting and len(batch) < self.config.max_batch:
            waiting = self._waiting.popleft()
            if not waiting[1].done():  # given up meanwhile
                batch.append(waiting)
        if not batch:
            self._idle.set()
            return
        self._running = self._in_thread(self._execute, [operation for operation, _ in batch])
        self._running.add_done_callback(partial(self._finish, batch))

    def _finish(self, batch: Sequence[_Waiting], running: asyncio.Future[list[Outcome]]) -> None:
        self._running = None
        failure = running.exception()
        outcomes = [] if failure is not None else running.result()
        for number, (_, future) in enumerate(batch):
            if future.done():
                continue
            if failure is not None:
                future.set_exception(failure)
            elif (error := outcomes[number].error) is not None:
                future.set_exception(error)
            else:
                future.set_result(outcomes[number].value)
        self._start()
