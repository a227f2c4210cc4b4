"""Waiting for arrivals."""

from __future__ import annotations

import asyncio

from p2pstack.shinkai.storage.arrivals import Arrivals


async def test_what_arrives_between_look_and_wait_is_not_missed() -> None:
    arrivals = Arrivals()
    seen = arrivals.count
    arrivals.announce()
    await arrivals.wait(seen, 3_600)
    assert arrivals.count == 1


async def test_all_who_wait_are_woken() -> None:
    arrivals = Arrivals()
    waiting = [asyncio.create_task(arrivals.wait(arrivals.count, 3_600)) for _ in range(3)]
    await asyncio.sleep(0)
    arrivals.announce()
    await asyncio.gather(*waiting)
    await arrivals.wait(arrivals.count, 0.0)
    assert arrivals.count == 1
