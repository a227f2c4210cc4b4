"""Taking with a wait, and what both queues share."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from p2pstack.shinkai.storage.config import RetryConfig
from p2pstack.shinkai.storage.retry_queue import RetryQueue
from p2pstack.shinkai.storage.schema import open_database
from tests.shinkai.storage.files import Clock


@pytest.mark.req("SHK-43")
async def test_who_waits_is_woken_by_what_arrives(tmp_path: Path) -> None:
    async with await open_database(tmp_path / "node.db") as database:
        queue = RetryQueue(database)
        waiting = [asyncio.create_task(queue.take(1, timeout=20)) for _ in range(2)]
        assert await queue.take(1) == []
        await asyncio.gather(*(queue.add(b"x", key=key, recipient="b") for key in "ab"))
        found = [entry.key for entries in await asyncio.gather(*waiting) for entry in entries]
        assert sorted(found) == ["a", "b"]


@pytest.mark.req("SHK-43")
async def test_who_waits_looks_again_when_something_is_due(tmp_path: Path) -> None:
    async with await open_database(tmp_path / "node.db") as database:
        queue = RetryQueue(database, RetryConfig(backoff_base=0.05))
        await queue.add(b"x", key="k", recipient="b", claim=True)
        await queue.failed("k", 1, "no answer")
        (entry,) = await queue.take(1, timeout=20)
        assert (entry.key, entry.attempts) == ("k", 2)
        assert await queue.take(1, timeout=0.01) == []


@pytest.mark.req("SHK-43", "SHK-47")
async def test_dead_ones_are_listed_retried_and_dropped(tmp_path: Path) -> None:
    clock = Clock()
    async with await open_database(tmp_path / "node.db") as database:
        queue = RetryQueue(database, clock=clock)
        for key in "abc":
            await queue.add(b"x", key=key, recipient="b", claim=True)
            verdict = await queue.failed(key, 1, "unknown recipient", final=True)
            assert verdict is not None
            assert (verdict.due, verdict.dead) == (None, "refused")
        assert await queue.failed("a", 1, "again") is None
        letters = await queue.dead_letters(limit=2)
        assert [(letter.key, letter.error) for letter in letters] == [(key, "unknown recipient") for key in "ab"]
        assert [letter.key for letter in await queue.dead_letters(after=letters[-1].seq)] == ["c"]
        assert await queue.retry("a")
        assert not await queue.retry("a")
        assert await queue.drop("b")
        assert not await queue.drop("b")
        (entry,) = await queue.take(9)
        assert (entry.key, entry.attempts) == ("a", 1)
        assert await queue.renew("a", 1)
        assert not await queue.renew("a", 2)
        stats = await queue.stats()
        assert (stats.rows, stats.dead_rows, stats.leased, stats.next_due) == (1, 1, 1, clock.now + 120)
