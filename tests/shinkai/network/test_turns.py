"""Turns: by priority, within the bandwidth, so many at once."""

from __future__ import annotations

import asyncio

import pytest

from p2pstack.errors import HostClosed, LimitExceeded
from p2pstack.shinkai.limits.bandwidth import Bandwidth, Priority
from p2pstack.shinkai.limits.config import BandwidthConfig
from p2pstack.shinkai.network.turns import Turns
from tests.aio.shell import until
from tests.shinkai.network.nodes import ended


class Queue:
    """Those who want a turn, and the order in which they got it."""

    def __init__(self, turns: Turns) -> None:
        self.turns = turns
        self.order: list[str] = []
        self.go = asyncio.Event()

    def join(
        self, name: str, priority: Priority = Priority.NORMAL, size: int = 1, key: str = "peer"
    ) -> asyncio.Task[None]:
        async def work() -> None:
            async with self.turns.turn(key, size, priority):
                self.order.append(name)
                await self.go.wait()

        return asyncio.create_task(work())


@pytest.mark.req("SHK-71")
async def test_the_important_go_first_and_only_so_many_at_once() -> None:
    queue = Queue(Turns(Bandwidth(), 1))
    tasks = [queue.join("first")]
    await asyncio.sleep(0)
    tasks += [queue.join("bulk", Priority.BULK), queue.join("normal"), queue.join("control", Priority.CONTROL)]
    tasks.append(queue.join("other", key="another"))
    await until(lambda: len(queue.order) == 2)
    assert queue.order == ["first", "other"]
    assert (len(queue.turns), queue.turns.running) == (3, 2)
    queue.go.set()
    await asyncio.gather(*tasks)
    assert queue.order == ["first", "other", "control", "normal", "bulk"]
    assert queue.turns.running == 0


@pytest.mark.req("SHK-71")
async def test_bytes_beyond_the_bandwidth_wait_and_control_passes() -> None:
    config = BandwidthConfig(per_second=10_000.0, burst=1_000)
    queue = Queue(Turns(Bandwidth(config), 10))
    queue.go.set()
    started = asyncio.get_running_loop().time()
    tasks = [queue.join(str(number), size=900) for number in range(2)]
    await asyncio.sleep(0)
    tasks.append(queue.join("ack", Priority.CONTROL, size=50))
    await asyncio.gather(*tasks)
    assert queue.order == ["0", "ack", "1"]
    assert asyncio.get_running_loop().time() - started > 0.05


@pytest.mark.req("SHK-71")
async def test_who_gives_up_is_passed_over() -> None:
    queue = Queue(Turns(Bandwidth(), 1))
    first, second = queue.join("first"), queue.join("second")
    await asyncio.sleep(0)
    await ended(second)
    third = queue.join("third")
    await asyncio.sleep(0)
    queue.go.set()
    await asyncio.gather(first, third)
    assert queue.order == ["first", "third"]


async def test_a_turn_that_comes_with_the_cancellation_is_given_back() -> None:
    queue = Queue(Turns(Bandwidth(), 1))
    task = queue.join("never")
    await asyncio.sleep(0)
    first = queue.join("first")
    await asyncio.sleep(0)
    queue.go.set()
    await task
    first.cancel()  # its turn has come in this moment
    await asyncio.wait([first])
    assert queue.turns.running == 0
    await queue.join("last")
    assert queue.order[-1] == "last"


@pytest.mark.req("SHK-71")
async def test_what_waits_is_bounded_and_ends_with_the_manager() -> None:
    config = BandwidthConfig(per_second=0.001, burst=10, max_waiting=2)
    turns = Turns(Bandwidth(config), 10)
    queue = Queue(turns)
    queue.go.set()
    await queue.join("first", size=100)
    waiting = [queue.join(str(number)) for number in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(LimitExceeded, match="waiting"):
        await queue.join("too many")
    gone = waiting.pop()
    await ended(gone)
    turns.close()
    with pytest.raises(HostClosed):
        await waiting[0]
    with pytest.raises(HostClosed):
        await queue.join("late")
