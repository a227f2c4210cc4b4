from __future__ import annotations

import asyncio

from p2pstack.aio.waiting import WaitingList


async def test_everyone_who_waits_is_woken_at_once() -> None:
    loop = asyncio.get_running_loop()
    waiting = WaitingList()
    assert not waiting
    futures = [waiting.join(loop) for _ in range(3)]
    assert waiting
    waiting.wake()
    assert not waiting
    assert all(future.done() for future in futures)


async def test_one_that_was_given_up_is_no_trouble() -> None:
    waiting = WaitingList()
    given_up, patient = [waiting.join(asyncio.get_running_loop()) for _ in range(2)]
    given_up.cancel()
    waiting.wake()
    assert await patient is None


async def test_who_joins_later_waits_for_the_next_time() -> None:
    waiting = WaitingList()
    waiting.wake()
    assert not waiting.join(asyncio.get_running_loop()).done()
