from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from p2pstack.shinkai.node.handlers import pump
from p2pstack.shinkai.node.results import ReceivedMessage
from p2pstack.shinkai.node.store import Kind, MessageState
from tests.shinkai.node.pairs import eventually, until
from tests.shinkai.node.test_inbox import filled
from tests.shinkai.node.test_store import store


@pytest.mark.req("SHK-95")
async def test_a_handler_that_always_fails_costs_its_message_alone(tmp_path: Path) -> None:
    seen: list[str] = []

    async def handler(message: ReceivedMessage) -> None:
        seen.append(message.key)
        if message.key == "1":
            raise RuntimeError("never")

    async with store(tmp_path, handler_attempts=1) as it:
        await filled(it)
        task = asyncio.create_task(pump(it, handler, kinds=tuple(Kind), prefetch=2))
        await until(lambda: len(seen) == 3)
        task.cancel()
        await asyncio.wait((task,))
        assert [each.error for each in await it.history(state=MessageState.FAILED)] == ["RuntimeError: never"]
        assert seen == ["0", "1", "2"]


async def test_a_handler_is_cancelled_with_the_node_and_its_message_comes_again(tmp_path: Path) -> None:
    begun = asyncio.Event()

    async def handler(_: ReceivedMessage) -> None:
        begun.set()
        await asyncio.Event().wait()

    async with store(tmp_path) as it:
        await filled(it, 1)
        task = asyncio.create_task(pump(it, handler, kinds=tuple(Kind), prefetch=2))
        await begun.wait()
        task.cancel()
        await asyncio.wait((task,))
        assert (await it.stats()).untaken == 1
        assert len((await it.give(1))[0]) == 1


async def test_a_handler_that_is_cancelled_by_itself_has_failed(tmp_path: Path) -> None:
    async def handler(_: ReceivedMessage) -> None:
        raise asyncio.CancelledError

    async with store(tmp_path, handler_attempts=1) as it:
        await filled(it, 1)
        task = asyncio.create_task(pump(it, handler, kinds=tuple(Kind), prefetch=2))
        await eventually(lambda: it.history(state=MessageState.FAILED))
        task.cancel()
        await asyncio.wait((task,))
