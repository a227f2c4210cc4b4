from __future__ import annotations

import asyncio
import os
from time import monotonic

import pytest

from p2pstack.aio.spin import Spinner
from tests.aio.shell import until


async def test_it_keeps_the_loop_awake_until_its_time_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    yields: list[float] = []
    monkeypatch.setattr(os, "sched_yield", lambda: yields.append(monotonic()), raising=False)
    spinner = Spinner(asyncio.get_running_loop(), 0.1)
    start = monotonic()
    spinner.touch(start)
    # A sleeping loop would wake for this timer only: the turns in between are the spinner's.
    done = asyncio.Event()
    asyncio.get_running_loop().call_later(0.4, done.set)
    await done.wait()
    assert len(yields) > 3
    assert yields[-1] - start < 0.4
    assert not spinner._running


async def test_a_touch_while_it_spins_lengthens_the_spin_and_starts_no_second_one() -> None:
    turns: list[int] = []
    loop = asyncio.get_running_loop()
    spinner = Spinner(loop, 0.2)
    spinner._yield = lambda: turns.append(1)
    spinner.touch(monotonic())
    spinner.touch(monotonic())
    await until(lambda: turns)
    await asyncio.sleep(0)
    assert len(turns) == 2, "one turn of the spinner in each turn of the loop"
    spinner.touch(monotonic())
    await until(lambda: not spinner._running)
    spinner.touch(monotonic() - 1)
    await until(lambda: not spinner._running)


async def test_a_system_that_cannot_yield_spins_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_yield", raising=False)
    spinner = Spinner(asyncio.get_running_loop(), 0.1)
    spinner.touch(monotonic())
    assert spinner._running
    await until(lambda: not spinner._running)
