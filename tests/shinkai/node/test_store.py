from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from p2pstack.errors import LimitExceeded
from p2pstack.shinkai.node.config import InboxConfig
from p2pstack.shinkai.node.store import Kind, MessageState, MessageStore, StoredMessage
from p2pstack.shinkai.storage.schema import open_database
from tests.shinkai.storage.files import Clock


@asynccontextmanager
async def store(path: Path, clock: Clock | None = None, **limits: Any) -> AsyncIterator[MessageStore]:
    async with await open_database(path / "node.sqlite") as database:
        yield await MessageStore.open(database, InboxConfig(**limits), clock=clock or Clock())


def message(key: str, inbox: str = "inbox::a", **fields: Any) -> StoredMessage:
    return StoredMessage(
        key=key, inbox=inbox, sender="@@a.shinkai", recipient="@@b.shinkai", via="tcp", message=b"{}", at=1.0, **fields
    )


@pytest.mark.req("SHK-93")
async def test_a_message_stands_there_once_for_each_direction(tmp_path: Path) -> None:
    async with store(tmp_path) as it:
        assert await it.add(message("1"))
        assert not await it.add(message("1"))
        assert await it.add(message("1", outgoing=True, state=MessageState.SENT))
        given, _ = await it.give(10)
        assert [each.key for each in given] == ["1"]
        assert [each.outgoing for each in await it.history()] == [True, False]


@pytest.mark.req("SHK-94")
async def test_messages_are_given_out_once_until_put_back_and_never_once_taken(tmp_path: Path) -> None:
    async with store(tmp_path) as it:
        for key in "123":
            await it.add(message(key))
        first, _ = await it.give(2)
        assert [(each.key, each.deliveries) for each in first] == [("1", 0), ("2", 0)]
        second, _ = await it.give(10)
        assert [each.key for each in second] == ["3"]
        it.put_back([first[0].seq])
        await it.take(first[1].seq)
        again, _ = await it.give(10)
        assert [(each.key, each.deliveries) for each in again] == [("1", 1)]
    async with store(tmp_path) as it:
        after, _ = await it.give(10)
        assert [each.key for each in after] == ["1", "3"]


async def test_messages_are_chosen_by_inbox_and_kind(tmp_path: Path) -> None:
    async with store(tmp_path) as it:
        await it.add(message("1", "inbox::a"))
        await it.add(message("2", "inbox::b"))
        await it.add(message("3", "inbox::b", kind=Kind.JOB))
        assert [each.key for each in (await it.give(9, inbox="inbox::b", kinds=[Kind.MESSAGE]))[0]] == ["2"]
        assert [each.key for each in (await it.give(9, kinds=[Kind.JOB]))[0]] == ["3"]
        assert [each.key for each in await it.history("inbox::b")] == ["3", "2"]
        assert [each.key for each in await it.history(before=3, limit=1)] == ["2"]


@pytest.mark.req("SHK-95")
async def test_a_failed_handler_is_given_the_message_again_later_and_then_no_more(tmp_path: Path) -> None:
    clock = Clock()
    async with store(tmp_path, clock, handler_attempts=2, handler_backoff=10.0) as it:
        await it.add(message("1"))
        [given], _ = await it.give(1)
        assert await it.fail(given, "why")
        nothing, wait = await it.give(1)
        assert (nothing, wait) == ([], 10.0)
        clock.now += 10
        [given], _ = await it.give(1)
        assert not await it.fail(given, "again")
        clock.now += 1_000
        assert await it.give(1) == ([], None)
        [failed] = await it.history(state=MessageState.FAILED)
        assert failed.error == "again"
        assert await it.retry("1")
        assert not await it.retry("1")
        assert len((await it.give(1))[0]) == 1


@pytest.mark.req("SHK-93")
async def test_both_what_was_not_taken_and_what_is_kept_are_bounded(tmp_path: Path) -> None:
    async with store(tmp_path, max_untaken=2, max_kept=3) as it:
        await it.add(message("1"))
        await it.add(message("2"))
        with pytest.raises(LimitExceeded, match="inbox_untaken"):
            await it.add(message("3"))
        for number in range(10):
            await it.add(message(f"s{number}", outgoing=True, state=MessageState.SENT))
        stats = await it.stats()
        assert (stats.untaken, stats.untaken_bytes) == (2, 4)
        assert stats.kept <= 3
        assert [each.key for each in await it.history(limit=1)] == ["s9"]


async def test_what_a_cancelled_reader_would_have_got_is_given_to_others(tmp_path: Path) -> None:
    async with store(tmp_path) as it:
        await it.add(message("1"))
        task = asyncio.create_task(it.give(1))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait((task,))
        await it.stats()  # behind what the task has asked for
        await asyncio.sleep(0)
        assert [each.key for each in (await it.give(1))[0]] == ["1"]
