from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import pytest

from p2pstack.shinkai import json_form
from p2pstack.shinkai.builder import ShinkaiMessageBuilder
from p2pstack.shinkai.node.inbox import InboxReader, received
from p2pstack.shinkai.node.store import MessageStore, StoredMessage
from tests.shinkai.node.pairs import ALICE, BOB, keys
from tests.shinkai.node.test_store import store


def stored(key: str) -> StoredMessage:
    message = ShinkaiMessageBuilder(keys(ALICE), ALICE, BOB, time=0.0, entropy=bytes).text(f"text {key}").build()
    return StoredMessage(
        key=key, inbox="inbox::a", sender=ALICE, recipient=BOB, via="tcp", message=json_form.encode(message), at=1.0
    )


async def filled(it: MessageStore, count: int = 3) -> None:
    for number in range(count):
        await it.add(stored(str(number)))


@pytest.mark.req("SHK-94")
async def test_asking_for_the_next_takes_the_one_before(tmp_path: Path) -> None:
    async with store(tmp_path) as it:
        await filled(it)
        async with InboxReader(it) as reader:
            assert [(await anext(reader)).text for _ in range(2)] == ["text 0", "text 1"]
        async with InboxReader(it) as reader:
            message = await anext(reader)
            assert (message.key, message.redelivered) == ("1", True)


@pytest.mark.req("SHK-94")
async def test_done_takes_a_message_at_once(tmp_path: Path) -> None:
    async with store(tmp_path) as it:
        await filled(it, 1)
        async with InboxReader(it) as reader:
            await (await anext(reader)).done()
            assert (await it.stats()).untaken == 0


async def test_a_reader_that_is_dropped_leaves_everything_to_the_next(tmp_path: Path) -> None:
    async with store(tmp_path) as it:
        await filled(it)
        reader = InboxReader(it)
        await anext(reader)
        del reader
        gc.collect()
        async with InboxReader(it) as other:
            assert [(await anext(other)).key for _ in range(3)] == ["0", "1", "2"]


async def test_readers_share_and_wait_for_what_comes(tmp_path: Path) -> None:
    async with store(tmp_path) as it, InboxReader(it, prefetch=1) as one, InboxReader(it, prefetch=1) as two:
        waiting = [asyncio.create_task(one.next_stored()), asyncio.create_task(two.next_stored())]
        await asyncio.sleep(0)
        await filled(it, 2)
        got = await asyncio.gather(*waiting)
        assert {each.key for each in got} == {"0", "1"}


async def test_closing_ends_a_reader_that_waits(tmp_path: Path) -> None:
    async with store(tmp_path) as it:
        reader = InboxReader(it)
        task = asyncio.create_task(collect(reader))
        await it.stats()
        await asyncio.sleep(0)
        await reader.aclose()
        assert await task == []


async def collect(reader: InboxReader) -> list[str]:
    return [message.key async for message in reader]


async def test_a_message_that_is_left_is_not_taken(tmp_path: Path) -> None:
    async with store(tmp_path) as it:
        await filled(it, 1)
        async with InboxReader(it) as reader:
            message = await reader.next_stored()
            reader.leave()
            await it.fail(message, "x")
        assert (await it.stats()).untaken == 1


async def test_what_the_program_sees() -> None:
    async def done() -> None:
        return

    message = received(stored("7"), done)
    assert (message.key, message.text, str(message.sender), message.via) == ("7", "text 7", ALICE, "tcp")
    assert message.schema == "TextContent"
