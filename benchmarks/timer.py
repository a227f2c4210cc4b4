"""A small timer for code that takes microseconds: calibrated loops, several repeats, the best and the median.

The best repeat is the cost of the code, the median what a machine with other work makes of it.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Timing", "calibrate", "measure"]


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds a unit: of the best repeat and of the median one."""

    best: float
    median: float


def calibrate(call: Callable[[], object], seconds: float, clock: Callable[[], float] = time.perf_counter) -> int:
    """How many calls take about `seconds`: powers of two are tried until one takes at least half of it."""
    count = 1
    while True:
        start = clock()
        for _ in range(count):
            call()
        taken = clock() - start
        if taken * 2 >= seconds:
            return max(1, round(count * seconds / taken))
        count *= 2


def measure(
    call: Callable[[], object],
    *,
    units: int = 1,
    seconds: float = 0.02,
    repeats: int = 9,
    clock: Callable[[], float] = time.perf_counter,
) -> Timing:
    """Time `call`, which does `units` units of work; each repeat takes about `seconds`.

    The garbage collector stays out of it, as in `timeit`.
    """
    count = calibrate(call, seconds, clock)
    times = []
    enabled = gc.isenabled()
    gc.disable()
    try:
        for _ in range(repeats):
            start = clock()
            for _call in range(count):
                call()
            times.append((clock() - start) / count / units)
    finally:
        if enabled:
            gc.enable()
    return Timing(min(times), statistics.median(times))
