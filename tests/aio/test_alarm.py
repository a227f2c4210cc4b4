from __future__ import annotations

import asyncio
from time import monotonic

from p2pstack.aio.alarm import NEVER, Alarm
from tests.aio.shell import until


async def test_it_rings_once_at_the_time_it_was_set_to() -> None:
    rings: list[float] = []
    alarm = Alarm(asyncio.get_running_loop(), lambda: rings.append(monotonic()))
    when = monotonic() + 0.02
    alarm.at_latest(when)
    assert alarm.when == when
    await until(lambda: rings)
    assert rings[0] >= when - 0.002
    assert alarm.when == NEVER
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(0.03, done.set)
    await done.wait()
    assert len(rings) == 1


async def test_an_earlier_deadline_moves_it_and_a_later_one_does_not() -> None:
    rings: list[float] = []
    alarm = Alarm(asyncio.get_running_loop(), lambda: rings.append(monotonic()))
    now = monotonic()
    alarm.at_latest(now + 600)
    alarm.at_latest(now + 0.01)
    alarm.at_latest(now + 300)
    assert alarm.when == now + 0.01
    await until(lambda: rings)
    assert len(rings) == 1
    assert monotonic() - now < 5


async def test_a_deadline_in_the_past_rings_in_the_next_turns_not_at_once() -> None:
    rings: list[int] = []
    alarm = Alarm(asyncio.get_running_loop(), lambda: rings.append(1))
    alarm.at_latest(monotonic() - 1)
    assert rings == []
    await until(lambda: rings)


async def test_never_sets_no_timer() -> None:
    alarm = Alarm(asyncio.get_running_loop(), lambda: None)
    alarm.at_latest(NEVER)
    assert alarm._handle is None


async def test_a_cancelled_alarm_does_not_ring_and_can_be_set_anew() -> None:
    rings: list[int] = []
    alarm = Alarm(asyncio.get_running_loop(), lambda: rings.append(1))
    alarm.at_latest(monotonic() + 0.001)
    alarm.cancel()
    assert alarm.when == NEVER
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(0.01, passed.set)
    await passed.wait()
    assert rings == []
    alarm.at_latest(monotonic())
    await until(lambda: rings)


async def test_whoever_is_called_may_set_it_anew() -> None:
    rings: list[int] = []

    def ring() -> None:
        rings.append(1)
        if len(rings) < 3:
            alarm.at_latest(monotonic())

    alarm = Alarm(asyncio.get_running_loop(), ring)
    alarm.at_latest(monotonic())
    await until(lambda: len(rings) == 3)
    assert alarm.when == NEVER
