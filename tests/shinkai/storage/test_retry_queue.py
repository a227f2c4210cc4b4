"""Messages that are to be delivered."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2pstack.errors import LimitExceeded, LocalError
from p2pstack.shinkai.storage.config import RetryConfig
from p2pstack.shinkai.storage.retry_queue import Queued, RetryEntry, RetryQueue
from p2pstack.shinkai.storage.schema import open_database
from tests.shinkai.storage.files import Clock


@pytest.mark.req("SHK-43", "SHK-45")
async def test_a_message_waits_over_restarts_until_it_is_delivered(tmp_path: Path) -> None:
    clock = Clock()
    async with await open_database(tmp_path / "node.db") as database:
        queued = await RetryQueue(database, clock=clock).add(
            b"{}", key="k", recipient="@@bob.shinkai", address="127.0.0.1:9552", save=False, delay=4.0
        )
        assert queued == Queued(key="k", recipient="@@bob.shinkai", attempts=0, due=clock.now + 4, new=True)
    async with await open_database(tmp_path / "node.db") as database:
        queue = RetryQueue(database, clock=clock)
        assert await queue.take() == []
        clock.now += 4
        assert await queue.take() == [
            RetryEntry(
                key="k",
                attempts=1,
                created=clock.now - 4,
                due=clock.now,
                recipient="@@bob.shinkai",
                address="127.0.0.1:9552",
                save=False,
                message=b"{}",
            )
        ]
        assert await queue.delivered("k")
        assert not await queue.delivered("k")
    async with await open_database(tmp_path / "node.db") as database:
        assert await RetryQueue(database, clock=clock).waiting() == []


@pytest.mark.req("SHK-45")
async def test_a_message_that_is_there_is_left_as_it_is(tmp_path: Path) -> None:
    clock = Clock()
    async with await open_database(tmp_path / "node.db") as database:
        queue = RetryQueue(database, clock=clock)
        assert await queue.find("k") is None
        await queue.add(b"one", key="k", recipient="b", claim=True)
        again = await queue.add(b"two", key="k", recipient="b", claim=True)
        assert (again.new, again.attempts, again.dead) == (False, 1, "")
        await queue.failed("k", 1, "who is that", final=True)
        again = await queue.add(b"two", key="k", recipient="b")
        assert (again.new, again.dead, again.error) == (False, "refused", "who is that")
        assert await queue.find("k") == again
        await queue.retry("k")
        assert [entry.message for entry in await queue.take()] == [b"one"]


@pytest.mark.req("SHK-45")
async def test_who_claims_a_message_has_it_alone(tmp_path: Path) -> None:
    clock = Clock()
    async with await open_database(tmp_path / "node.db") as database:
        queue = RetryQueue(database, clock=clock)
        queued = await queue.add(b"x", key="k", recipient="b", claim=True)
        assert queued.attempts == 1
        assert await queue.take() == []
        clock.now += queue.config.lease
        assert [entry.attempts for entry in await queue.take()] == [2]


@pytest.mark.req("SHK-43")
async def test_what_waits_for_a_peer_is_due_when_it_is_back(tmp_path: Path) -> None:
    clock = Clock()
    async with await open_database(tmp_path / "node.db") as database:
        queue = RetryQueue(database, clock=clock)
        for key, recipient in [("a", "bob"), ("b", "carol"), ("c", "bob"), ("d", "bob")]:
            await queue.add(b"x", key=key, recipient=recipient, delay=3_000, claim=key == "d")
        assert await queue.hasten("bob") == 2
        assert await queue.hasten("bob") == 0
        assert [entry.key for entry in await queue.take()] == ["a", "c"]
        assert [(queued.key, queued.recipient) for queued in await queue.waiting(limit=3)] == [
            ("a", "bob"),
            ("c", "bob"),
            ("b", "carol"),
        ]


@pytest.mark.req("SHK-44")
async def test_a_full_queue_refuses_and_keeps_what_it_has(tmp_path: Path) -> None:
    async with await open_database(tmp_path / "node.db") as database:
        queue = RetryQueue(database, RetryConfig(max_rows=1))
        await queue.add(b"x", key="k", recipient="b")
        with pytest.raises(LimitExceeded, match="limit retry_rows of 1 is exhausted"):
            await queue.add(b"x", key="l", recipient="b")
        assert not (await queue.add(b"x", key="k", recipient="b")).new
        await queue.delivered("k")
        assert (await queue.add(b"x", key="l", recipient="b")).new


@pytest.mark.parametrize("delay", [-1.0, 3_601.0])
async def test_a_delay_is_no_longer_than_the_back_off(tmp_path: Path, delay: float) -> None:
    async with await open_database(tmp_path / "node.db") as database:
        with pytest.raises(LocalError):
            await RetryQueue(database).add(b"x", key="k", recipient="b", delay=delay)
