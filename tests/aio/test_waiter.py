from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Coroutine
from typing import Any

import pytest

from p2pstack.aio.waiter import Waiter

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")


def new_waiter() -> Waiter:
    return Waiter(asyncio.get_running_loop())


async def started(coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """A task that has run to its first wait."""
    task = asyncio.create_task(coroutine)
    await asyncio.sleep(0)
    return task


async def in_callback(function: Any, *args: Any) -> None:
    """Call ``function`` in a callback of the loop, where no task runs."""
    asyncio.get_running_loop().call_soon(function, *args)
    await asyncio.sleep(0)


async def test_a_waiting_task_goes_on_inside_the_call_that_wakes_it() -> None:
    waiter = new_waiter()
    order: list[str] = []

    async def wait() -> None:
        await waiter
        order.append("task")

    def wake() -> None:
        order.append("before")
        waiter.wake()
        order.append("after")

    task = await started(wait())
    assert not waiter.done()
    await in_callback(wake)
    assert order == ["before", "task", "after"]
    assert waiter.done()
    assert not waiter.cancelled()
    await task


async def test_a_future_would_have_woken_it_one_turn_later() -> None:
    future = asyncio.get_running_loop().create_future()
    order: list[str] = []

    async def wait() -> None:
        await future
        order.append("task")

    def wake() -> None:
        future.set_result(None)
        order.append("after")

    task = await started(wait())
    await in_callback(wake)
    assert order == ["after"]
    await task


async def test_the_second_wake_does_nothing() -> None:
    waiter = new_waiter()
    wakes: list[int] = []

    async def wait() -> None:
        await waiter
        wakes.append(1)
        await asyncio.Event().wait()

    task = await started(wait())
    await in_callback(waiter.wake)
    await in_callback(waiter.wake)
    await in_callback(waiter.fail, ValueError("too late"))
    assert wakes == [1]
    assert waiter.exception() is None
    assert not task.done()
    task.cancel()


async def test_a_waiter_that_was_woken_before_is_awaited_without_a_wait() -> None:
    waiter = new_waiter()
    waiter.wake()

    async def wait() -> str:
        await waiter
        return "through"

    async with asyncio.timeout(5):
        assert await asyncio.create_task(wait()) == "through"


async def test_fail_raises_in_the_task() -> None:
    waiter = new_waiter()
    error = ValueError("no")

    async def wait() -> None:
        await waiter

    task = await started(wait())
    await in_callback(waiter.fail, error)
    assert waiter.exception() is error
    with pytest.raises(ValueError, match="no") as caught:
        await task
    assert caught.value is error


async def test_cancelling_the_task_ends_the_wait() -> None:
    waiter = new_waiter()

    async def wait() -> None:
        await waiter

    task = await started(wait())
    task.cancel("enough")
    assert waiter.cancelled()
    with pytest.raises(asyncio.CancelledError, match="enough"):
        await task
    await in_callback(waiter.wake)
    assert waiter.cancelled()
    assert not waiter.cancel()


async def test_a_task_that_was_cancelled_in_the_turn_of_its_wake_has_been_woken() -> None:
    """The order of events decides: the wake came first, so the cancellation meets the task's next wait."""
    waiter = new_waiter()
    seen: list[str] = []

    async def wait() -> None:
        await waiter
        seen.append("woken")
        await asyncio.Event().wait()

    task = await started(wait())

    def both() -> None:
        waiter.wake()
        task.cancel()

    await in_callback(both)
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == ["woken"]


async def test_a_wake_after_the_cancellation_is_no_second_step() -> None:
    waiter = new_waiter()

    async def wait() -> None:
        try:
            await waiter
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            raise

    task = await started(wait())

    def both() -> None:
        task.cancel()
        waiter.wake()

    await in_callback(both)
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_asyncio_timeout_works_through_it() -> None:
    waiter = new_waiter()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.001):
            await waiter
    assert waiter.cancelled()


async def test_a_wake_keeps_the_task_and_its_context_variables() -> None:
    waiter = new_waiter()
    seen: list[tuple[str, object]] = []

    async def wait() -> None:
        VARIABLE.set("of the task")
        await waiter
        seen.append((VARIABLE.get(), asyncio.current_task()))

    task = await started(wait())
    VARIABLE.set("of the test")
    await in_callback(waiter.wake)
    assert seen == [("of the task", task)]
    assert VARIABLE.get() == "of the test"
    await task


async def test_it_answers_as_a_future_does() -> None:
    loop = asyncio.get_running_loop()
    waiter = new_waiter()
    assert waiter.get_loop() is loop
    assert waiter.exception() is None

    def callback(_: object) -> None:
        pytest.fail("a callback that was removed ran")

    assert waiter.remove_done_callback(callback) == 0
    waiter.add_done_callback(callback, context=contextvars.copy_context())
    assert waiter.remove_done_callback(callback) == 1
    waiter.wake()
    assert waiter.result() is None  # type: ignore[func-returns-value]


async def test_a_waiter_that_nobody_awaits_can_be_cancelled() -> None:
    waiter = new_waiter()
    assert waiter.cancel()
    with pytest.raises(asyncio.CancelledError):
        waiter.result()
