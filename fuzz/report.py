"""What a run found, and how it is told."""

from __future__ import annotations

import traceback
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Failure", "Result", "attempt", "shrink"]

_SHRINK_ATTEMPTS = 2_000


@dataclass(frozen=True, slots=True)
class Failure:
    """An input that a target refused, and what it raised."""

    data: bytes
    text: str


@dataclass(frozen=True, slots=True)
class Result:
    """The end of a run over one target: how often it ran in how many seconds, and the failure that ended it."""

    target: str
    engine: str
    executions: int
    seconds: float
    failure: Failure | None = None

    def __str__(self) -> str:
        rate = self.executions / self.seconds if self.seconds else 0.0
        line = f"{self.target:<22} {self.engine:<10} {self.executions:>9} runs {rate:>9.0f}/s"
        if self.failure is None:
            return f"{line}  ok"
        data = self.failure.data.hex()
        again = f'python -m fuzz {self.target} --input "{data}"'
        return f"{line}  FAILED\n{self.failure.text}\ninput in hex: {data}\nrepeat with:  {again}"


def attempt(run: Callable[[bytes], None], data: bytes) -> Failure | None:
    """Run a target once; whatever it raises is a failure."""
    try:
        run(data)
    except Exception:  # that is what fuzzing is for
        return Failure(data, traceback.format_exc())
    return None


def shrink(run: Callable[[bytes], None], failure: Failure) -> Failure:
    """Leave out of the input what is not needed to fail in the same way: with the same last line of the traceback."""
    reason = failure.text.strip().splitlines()[-1]
    attempts = 0
    size = len(failure.data) // 2
    while size:
        start = 0
        while start < len(failure.data) and attempts < _SHRINK_ATTEMPTS:
            attempts += 1
            smaller = attempt(run, failure.data[:start] + failure.data[start + size :])
            if smaller is not None and smaller.text.strip().splitlines()[-1] == reason:
                failure = smaller
            else:
                start += size
        size //= 2
    return failure
