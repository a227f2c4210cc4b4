"""Messages that came in and wait to be worked on."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2pstack.errors import LimitExceeded
from p2pstack.shinkai.storage.config import JobConfig
from p2pstack.shinkai.storage.job_queue import JobEntry, JobQueue
from p2pstack.shinkai.storage.schema import open_database
from tests.shinkai.storage.files import Clock, job


@pytest.mark.req("SHK-46", "SHK-47")
async def test_jobs_are_taken_in_their_order_with_all_their_fields(tmp_path: Path) -> None:
    clock = Clock()
    async with await open_database(tmp_path / "node.db") as database:
        queue = JobQueue(database, clock=clock)
        for key in "abc":
            assert await queue.add(job(key.encode() + b"\xff"), key=key)
    async with await open_database(tmp_path / "node.db") as database:
        queue = JobQueue(database, clock=clock)
        assert await queue.take() == [JobEntry(key="a", attempts=1, job=job(b"a\xff"))]
        assert [entry.key for entry in await queue.take(5)] == ["b", "c"]
        assert await queue.done("a")
        assert not await queue.done("a")


@pytest.mark.req("SHK-46")
async def test_a_copy_is_refused_as_long_as_the_window_lasts(tmp_path: Path) -> None:
    clock = Clock()
    async with await open_database(tmp_path / "node.db") as database:
        queue = JobQueue(database, JobConfig(replay_window=100), clock=clock)
        assert await queue.add(job(), key="k")
        assert not await queue.add(job(), key="k")
        (entry,) = await queue.take()
        assert not await queue.add(job(), key="k")
        await queue.done(entry.key)
        clock.now += 99
        assert not await queue.add(job(), key="k")
    async with await open_database(tmp_path / "node.db") as database:
        queue = JobQueue(database, JobConfig(replay_window=100), clock=clock)
        assert not await queue.add(job(), key="k")
        clock.now += 1
        assert await queue.add(job(), key="k")


@pytest.mark.req("SHK-46")
async def test_a_job_that_is_still_here_is_known_beyond_the_window(tmp_path: Path) -> None:
    clock = Clock()
    async with await open_database(tmp_path / "node.db") as database:
        queue = JobQueue(database, JobConfig(replay_window=100), clock=clock)
        await queue.add(job(), key="k")
        await queue.take()
        await queue.failed("k", 1, "its handler raises", final=True)
        clock.now += 1_000
        assert not await queue.add(job(), key="k")


@pytest.mark.req("SHK-47")
async def test_a_job_whose_worker_fell_silent_comes_back(tmp_path: Path) -> None:
    clock = Clock()
    async with await open_database(tmp_path / "node.db") as database:
        queue = JobQueue(database, JobConfig(lease=10, max_attempts=2), clock=clock)
        await queue.add(job(), key="k")
        assert [entry.attempts for entry in await queue.take()] == [1]
        assert await queue.take() == []
        clock.now += 10
        assert [entry.attempts for entry in await queue.take()] == [2]
        clock.now += 10
        assert await queue.take() == []
        assert [letter.reason for letter in await queue.dead_letters()] == ["attempts"]


@pytest.mark.req("SHK-48")
async def test_jobs_and_what_is_remembered_are_bounded(tmp_path: Path) -> None:
    clock = Clock()
    async with await open_database(tmp_path / "node.db") as database:
        queue = JobQueue(database, JobConfig(max_rows=2, max_seen=3, replay_window=100), clock=clock)
        await queue.add(job(), key="0")
        await queue.add(job(), key="1")
        with pytest.raises(LimitExceeded) as caught:
            await queue.add(job(), key="2")
        assert caught.value.name == "job_rows"
        assert await queue.seen() == 2
        for number in range(2, 6):
            clock.now += 1
            await queue.done(str(number - 1))
            assert await queue.add(job(), key=str(number))
        assert await queue.seen() == 3
        await queue.done("5", forget=True)
        assert await queue.seen() == 2
        assert await queue.add(job(), key="5")
        clock.now += 200
        await queue.done("5")
        await queue.add(job(), key="6")
        assert await queue.seen() == 1
