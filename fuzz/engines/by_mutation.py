"""Seeded mutations of the corpus: no feedback, no dependency, and the same inputs for the same seed."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from fuzz import corpus
from fuzz.report import Result, attempt, shrink
from fuzz.targets import TARGETS

__all__ = ["MAX_SIZE", "fuzz", "inputs"]

MAX_SIZE = 4_096
"""Bytes of the longest input."""

_EXTREMES = (0x00, 0x01, 0x7F, 0x80, 0xFE, 0xFF)


def inputs(seeds: list[bytes], seed: int) -> Iterator[bytes]:
    """Yield the seeds themselves, then mutations of them for ever."""
    yield from seeds
    rng = random.Random(seed)
    while True:
        if rng.random() < 0.1:
            yield rng.randbytes(rng.randrange(64))
            continue
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.choice((1, 1, 2, 3, 5, 8))):
            _mutate(data, seeds, rng)
        yield bytes(data[:MAX_SIZE])


def _mutate(data: bytearray, seeds: list[bytes], rng: random.Random) -> None:
    """Change ``data`` at one place."""
    place = rng.randrange(len(data) + 1)
    span = slice(place, place + rng.choice((1, 1, 2, 4, 12, 40)))
    match rng.randrange(8):
        case 0:
            data[place : place + 1] = bytes((rng.randrange(256),))
        case 1:
            data[place : place + 1] = bytes((rng.choice(_EXTREMES),))
        case 2:
            for index in range(*slice(place, place + 1).indices(len(data))):
                data[index] ^= 1 << rng.randrange(8)
        case 3:
            del data[span]
        case 4:
            data[place:place] = data[span] * rng.choice((1, 1, 2, 30))
        case 5:
            data[place:place] = rng.choice(corpus.TOKENS)
        case 6:
            other = rng.choice(seeds)
            start = rng.randrange(len(other) + 1)
            data[place:] = other[start:]
        case _:
            data[place:place] = rng.randbytes(rng.choice((1, 2, 4, 16)))


def fuzz(target: str, seconds: float, seed: int) -> Result:
    """Run mutations until the time is over or one fails."""
    run = TARGETS[target]
    start = time.perf_counter()
    executions, elapsed = 0, 0.0
    for data in inputs(corpus.load(target), seed):
        executions += 1
        failure = attempt(run, data)
        elapsed = time.perf_counter() - start
        if failure is not None:
            return Result(target, "random", executions, elapsed, shrink(run, failure))
        if elapsed >= seconds:
            break
    return Result(target, "random", executions, elapsed)
