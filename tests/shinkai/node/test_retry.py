from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from p2pstack.shinkai.node.outgoing import Outcome
from p2pstack.shinkai.node.results import SendState
from p2pstack.shinkai.node.retry import RetryWorker
from p2pstack.shinkai.storage.retry_queue import RetryEntry, RetryQueue
from p2pstack.shinkai.storage.schema import open_database
from tests.shinkai.node.pairs import until

GONE = Outcome(state=None, reason="unreachable", unreachable=True)
THERE = Outcome(state=SendState.ACKNOWLEDGED)


class Attempts:
    """Notes what is tried, and what is given up."""

    def __init__(self, queue: RetryQueue) -> None:
        self.queue = queue
        self.tried: list[str] = []
        self.given_up: list[str] = []
        self.outcomes: dict[str, Outcome] = {}

    async def attempt(self, entry: RetryEntry) -> Outcome:
        self.tried.append(entry.key)
        outcome = self.outcomes.get(entry.recipient, THERE)
        if outcome.state is not None:
            await self.queue.delivered(entry.key)
        else:
            await self.queue.failed(entry.key, entry.attempts, outcome.reason)
        return outcome

    async def give_up(self, entry: RetryEntry, outcome: Outcome) -> None:
        self.given_up.append(entry.key)
        await self.queue.failed(entry.key, entry.attempts, outcome.reason)


@asynccontextmanager
async def working(path: Path, **outcomes: Outcome) -> AsyncIterator[Attempts]:
    async with await open_database(path / "node.sqlite") as database:
        queue = RetryQueue(database)
        attempts = Attempts(queue)
        attempts.outcomes = outcomes
        worker = RetryWorker(queue, attempts.attempt, attempts.give_up, batch=4, peers=2)
        for number in range(10):
            for recipient in outcomes:
                await queue.add(b"{}", key=f"{recipient}{number}", recipient=recipient)
        task = asyncio.create_task(worker.run())
        yield attempts
        task.cancel()
        await asyncio.wait((task,))


@pytest.mark.req("SHK-83")
async def test_one_that_is_not_there_costs_one_attempt_and_holds_up_nobody(tmp_path: Path) -> None:
    async with working(tmp_path, gone=GONE, there=THERE) as attempts:
        await until(lambda: len(attempts.tried) + len(attempts.given_up) >= 20)
        assert {key for key in attempts.tried if key.startswith("there")} == {f"there{n}" for n in range(10)}
        gone = [key for key in attempts.tried if key.startswith("gone")]
        assert len(gone) < 10
        assert {*gone, *attempts.given_up} == {f"gone{n}" for n in range(10)}
        assert (await attempts.queue.stats()).rows == 10


async def test_nothing_is_left_running_when_the_worker_is_cancelled(tmp_path: Path) -> None:
    async with working(tmp_path, there=THERE) as attempts:
        await until(lambda: len(attempts.tried) > 0)
    assert attempts.given_up == []
