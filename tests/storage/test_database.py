"""A file behind asyncio."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from p2pstack.errors import DeadlineExceeded, LimitExceeded, LocalError
from p2pstack.storage.config import StorageConfig
from p2pstack.storage.database import Database
from p2pstack.storage.errors import StorageError, StorageLocked
from tests.storage.files import NUMBERS, connection


def put(value: int) -> Callable[[sqlite3.Connection], int]:
    return lambda file: file.execute("INSERT INTO numbers VALUES (?)", (value,)).rowcount


def count(file: sqlite3.Connection) -> int:
    number: int = file.execute("SELECT count(*) FROM numbers").fetchone()[0]
    return number


async def opened(path: Path, config: StorageConfig | None = None) -> Database:
    return await Database.open(path, NUMBERS, config)


class Gate:
    """An operation that keeps the file's thread until the test opens it."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self.reached = asyncio.Event()
        self.open = threading.Event()

    def __call__(self, file: sqlite3.Connection) -> None:
        self._loop.call_soon_threadsafe(self.reached.set)
        assert self.open.wait(20)


@pytest.mark.req("SHK-42")
async def test_operations_that_wait_share_commits(tmp_path: Path) -> None:
    async with await opened(tmp_path / "numbers.db") as database:
        commits: list[str] = []
        await database.run(lambda file: file.set_trace_callback(commits.append))
        assert await asyncio.gather(*(database.run(put(number)) for number in range(1_000))) == [1] * 1_000
        assert sum(text == "COMMIT" for text in commits) <= 5
        assert await database.run(count) == 1_000


@pytest.mark.req("SHK-42")
async def test_what_was_returned_is_in_the_file(tmp_path: Path) -> None:
    database = await opened(tmp_path / "numbers.db")
    await asyncio.gather(*(database.run(put(number)) for number in range(10)))
    late = [asyncio.create_task(database.run(put(number))) for number in range(10, 20)]
    await asyncio.sleep(0)
    await database.close()
    assert await asyncio.gather(*late) == [1] * 10
    await database.close()
    with pytest.raises(LocalError, match="closed"):
        await database.run(count)
    file = connection(tmp_path / "numbers.db")
    assert count(file) == 20
    file.close()


@pytest.mark.req("SHK-42")
async def test_an_error_goes_to_who_caused_it(tmp_path: Path) -> None:
    async with await opened(tmp_path / "numbers.db") as database:
        outcomes = await asyncio.gather(*(database.run(put(n)) for n in [1, 2, 1, 3]), return_exceptions=True)
        assert [isinstance(outcome, StorageError) for outcome in outcomes] == [False, False, True, False]

        def fault(_: sqlite3.Connection) -> None:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await database.run(fault)
        assert await database.run(count) == 3


@pytest.mark.req("SHK-42")
async def test_the_loop_goes_on_while_the_disk_hangs(tmp_path: Path) -> None:
    async with await opened(tmp_path / "numbers.db", StorageConfig(max_pending=3)) as database:
        gate = Gate()
        hanging = asyncio.create_task(database.run(gate))
        await gate.reached.wait()
        with pytest.raises(DeadlineExceeded):
            await database.run(put(1), timeout=0.01)
        waiting = [asyncio.create_task(database.run(put(number))) for number in (2, 3)]
        await asyncio.sleep(0)
        assert database.pending == 3
        with pytest.raises(LimitExceeded) as caught:
            await database.run(put(4))
        assert caught.value.name == "storage_pending"
        waiting[0].cancel()
        gate.open.set()
        await hanging
        assert await waiting[1] == 1
        assert await database.run(lambda file: file.execute("SELECT n FROM numbers").fetchall()) == [(3,)]


async def test_closing_waits_no_longer_than_it_may(tmp_path: Path) -> None:
    database = await opened(tmp_path / "numbers.db", StorageConfig(close_timeout=0.01))
    gate = Gate()
    hanging = asyncio.create_task(database.run(gate))
    await gate.reached.wait()
    with pytest.raises(DeadlineExceeded):
        await database.close()
    gate.open.set()
    await hanging


@pytest.mark.req("SHK-40")
async def test_a_file_in_use_is_told(tmp_path: Path) -> None:
    async with await opened(tmp_path / "numbers.db"):
        with pytest.raises(StorageLocked):
            await opened(tmp_path / "numbers.db", StorageConfig(lock_timeout=0.01))
    await (await opened(tmp_path / "numbers.db")).close()
