"""The engines: where the inputs come from. All are bounded in time, and stop at the first failure.

* ``random`` mutates the corpus, by a seed: the same seed makes the same inputs;
* ``hypothesis`` draws inputs, and edits of the corpus, with the strategies of that package;
* ``atheris`` is libFuzzer, guided by the coverage of p2pstack. It is an extra package, imported only when asked for.
"""

from __future__ import annotations

import contextlib
import importlib.util
import os
import random as random_module
import shutil
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from fuzz import registry
from fuzz.mutation import MAX_SIZE, Mutator, shrink_candidates

__all__ = ["Failure", "Outcome", "attempt", "has_atheris", "run_atheris", "run_hypothesis", "run_random", "watchdog"]

PATIENCE = 10.0
"""Seconds after which one input counts as stuck. The slowest take some ten milliseconds."""

_SHRINK_SECONDS = 5.0
_BATCH = 200


class Stuck(BaseException):
    """One input takes too long. No Exception: a target must not take it for an error of the peer."""


@dataclass(frozen=True)
class Failure:
    """An input, and what it made the target raise."""

    data: bytes
    error: BaseException

    @property
    def place(self) -> tuple[type, str, int | None]:
        """What identifies a failure: the error's type, and the line that raised it."""
        frames = traceback.extract_tb(self.error.__traceback__)
        return type(self.error), frames[-1].filename, frames[-1].lineno

    def text(self) -> str:
        """The traceback."""
        return "".join(traceback.format_exception(self.error))


@dataclass(frozen=True)
class Outcome:
    """What an engine has done: inputs that were run, in how many seconds, and the failure that ended it."""

    executions: int
    seconds: float
    failure: Failure | None


@contextlib.contextmanager
def watchdog(seconds: float = PATIENCE) -> Iterator[Callable[[], None]]:
    """Raise Stuck where the code is once ``seconds`` pass between two calls of the function that is yielded.

    Does nothing outside of the main thread, or where the system has no such timer.
    """
    if not hasattr(signal, "setitimer") or threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return

    def bark(number: int, frame: FrameType | None) -> NoReturn:
        raise Stuck(f"one input takes more than {seconds:g} s")

    before = signal.signal(signal.SIGALRM, bark)
    try:
        yield lambda: _set_timer(seconds)
    finally:
        _set_timer(0)
        signal.signal(signal.SIGALRM, before)


def _set_timer(seconds: float) -> None:
    signal.setitimer(signal.ITIMER_REAL, seconds)


def attempt(run: registry.Run, data: bytes) -> Failure | None:
    """Run one input; return its failure, if there is one."""
    try:
        run(data)
    except (Exception, Stuck) as error:
        return Failure(data, error)
    return None


def run_random(run: registry.Run, corpus: Sequence[bytes], seconds: float, seed: int) -> Outcome:
    """Run the corpus, then mutations of it, for ``seconds``."""
    mutator = Mutator(corpus, random_module.Random(seed))
    start = time.perf_counter()
    executions = 0
    with watchdog() as reset:
        while (elapsed := time.perf_counter() - start) < seconds or executions < len(corpus):
            data = corpus[executions] if executions < len(corpus) else mutator.make()
            executions += 1
            reset()
            if (failure := attempt(run, data)) is not None:
                return Outcome(executions, elapsed, _shrink(run, failure, reset))
    return Outcome(executions, elapsed, None)


def run_hypothesis(run: registry.Run, corpus: Sequence[bytes], seconds: float, seed: int) -> Outcome:
    """Run examples of hypothesis for ``seconds``: bytes out of nothing, and entries of the corpus with edits."""
    import hypothesis
    from hypothesis import strategies as st

    edit = st.tuples(st.integers(0, MAX_SIZE), st.integers(0, 8), st.binary(max_size=64))
    edited = st.builds(_edit, st.sampled_from(list(corpus) or [b""]), st.lists(edit, max_size=8))
    start = time.perf_counter()
    end = start + seconds
    executions = 0
    failure: Failure | None = None
    with watchdog() as reset:

        def test(data: bytes) -> None:
            nonlocal executions, failure
            if failure is None and time.perf_counter() < end:
                executions += 1
                reset()
                failure = attempt(run, data)

        settings = hypothesis.settings(
            max_examples=_BATCH,
            deadline=None,
            database=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=list(hypothesis.HealthCheck),
        )
        while failure is None and time.perf_counter() < end:
            hypothesis.seed(seed)(settings(hypothesis.given(st.binary(max_size=512) | edited)(test)))()
            seed += 1
        elapsed = time.perf_counter() - start
        if failure is not None:
            failure = _shrink(run, failure, reset)
    return Outcome(executions, elapsed, failure)


def _edit(data: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    """Replace pieces of ``data``: (place, size, new bytes) each."""
    for place, size, piece in edits:
        start = place % (len(data) + 1)
        data = data[:start] + piece + data[start + size :]
    return data[:MAX_SIZE]


def _shrink(run: registry.Run, failure: Failure, reset: Callable[[], None]) -> Failure:
    """Look for a simpler input that fails at the same place, for a few seconds."""
    end = time.perf_counter() + _SHRINK_SECONDS
    improved = not isinstance(failure.error, Stuck)
    while improved:
        improved = False
        for data in shrink_candidates(failure.data):
            if time.perf_counter() > end:
                return failure
            reset()
            simpler = attempt(run, data)
            if simpler is not None and simpler.place == failure.place:
                failure = simpler
                improved = True
                break
    return failure


def has_atheris() -> bool:
    """Whether the atheris package is installed."""
    return importlib.util.find_spec("atheris") is not None


def run_atheris(name: str, seconds: float, seed: int, report: Callable[[Outcome], int]) -> NoReturn:
    """Let libFuzzer run the target ``name`` for ``seconds``, whole ones; it does not return.

    libFuzzer ends the process itself. So ``report`` is called from here, at a failure or at the end, and what it
    returns is the exit status.
    """
    import atheris

    with atheris.instrument_imports(include=["p2pstack"]):
        run = registry.load(name)
    start = time.perf_counter()
    executions = 0
    new = Path(tempfile.mkdtemp(prefix="p2pstack-fuzz-"))

    def finish(failure: Failure | None) -> NoReturn:
        shutil.rmtree(new, ignore_errors=True)
        status = report(Outcome(executions, time.perf_counter() - start, failure))
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)

    def test(data: bytes) -> Any:
        nonlocal executions
        executions += 1
        if (failure := attempt(run, data)) is not None:
            finish(failure)
        if time.perf_counter() - start >= seconds:
            finish(None)

    options = [f"-max_len={MAX_SIZE}", f"-seed={seed % 2**32 or 1}", f"-timeout={PATIENCE:.0f}", "-verbosity=0"]
    atheris.Setup(["fuzz", *options, str(new), str(registry.CORPUS / name)], test)
    atheris.Fuzz()
    finish(None)
