"""Many lookups in one process, so many at once: what benchmarks of the DHT time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from time import perf_counter

from p2pstack.cli.dht_operations import Outcome, Wish, operate
from p2pstack.services.kad.results import Progress
from p2pstack.services.kad.service import Kademlia

__all__ = ["Series", "look_up", "numbered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """``count`` lookups, ``window`` of them under way at once, after ``warm`` others that nobody counts."""

    count: int
    window: int = 1
    warm: int = 0


def numbered(key: bytes, number: int) -> bytes:
    """Return the key of the lookup of that number, the same in all peers of the command line."""
    return sha256(key + number.to_bytes(4, "big")).digest()


async def look_up(dht: Kademlia, key: bytes, series: Series, timeout: float) -> tuple[Outcome, list[float]]:
    """Carry out a series within ``timeout`` seconds; return it as one outcome, and the seconds of each lookup.

    Its peers are those of the last lookup, its requests those of all; what is found before the clock starts has the
    numbers behind ``count``. It fails with the first reason that any of the counted ones has.
    """
    until = perf_counter() + timeout
    await _all(dht, [numbered(key, series.count + number) for number in range(series.warm)], series.window, until)
    started = perf_counter()
    keys = [numbered(key, number) for number in range(series.count)]
    outcomes = await _all(dht, keys, series.window, until)
    whole = _sum(outcomes)
    whole.seconds = perf_counter() - started
    return whole, [each.seconds for each in outcomes]


async def _all(dht: Kademlia, keys: Sequence[bytes], window: int, until: float) -> list[Outcome]:
    """Look all keys up; return what came out in their order."""
    outcomes = [Outcome() for _ in keys]

    async def work(left: Iterator[tuple[int, bytes]]) -> None:
        for number, key in left:
            wish = Wish(operation="closest", key=key)
            outcomes[number] = await operate(dht, wish, max(until - perf_counter(), 0.001))

    left = iter(enumerate(keys))
    await asyncio.gather(*(work(left) for _ in range(min(window, len(keys)))))
    return outcomes


def _sum(outcomes: Sequence[Outcome]) -> Outcome:
    last = outcomes[-1]
    reason = next((each.reason for each in outcomes if not each.ok), "")
    whole = Outcome(ok=not reason, peers=last.peers, reason=reason)
    progress = [each.progress for each in outcomes if each.progress is not None]
    if progress:
        whole.progress = Progress(
            reason=progress[-1].reason,
            requests=sum(each.requests for each in progress),
            failures=sum(each.failures for each in progress),
        )
    return whole
