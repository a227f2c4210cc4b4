"""Inputs by hypothesis, which also shrinks what fails: any bytes, and pieces of the corpus and of the protocols."""

from __future__ import annotations

import time

from hypothesis import HealthCheck, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st

from fuzz import corpus
from fuzz.engines.by_mutation import MAX_SIZE
from fuzz.report import Failure, Result, attempt
from fuzz.targets import TARGETS

__all__ = ["fuzz"]

_EXAMPLES = 200
"""Examples of a round; rounds go on until the time is over."""


class _Refused(Exception):
    """The target raised on this input."""

    def __init__(self, failure: Failure) -> None:
        super().__init__()
        self.failure = failure


def _strategy(target: str) -> st.SearchStrategy[bytes]:
    seeds = corpus.load(target)
    parts = st.one_of(st.binary(max_size=40), st.sampled_from(corpus.TOKENS), st.sampled_from(seeds))
    joined = st.lists(parts, max_size=8).map(b"".join)
    changed = st.builds(
        lambda data, place, part: data[:place] + part + data[place:], st.sampled_from(seeds), st.integers(0, 300), parts
    )
    return st.one_of(st.binary(max_size=300), joined, changed).map(lambda data: data[:MAX_SIZE])


def fuzz(target: str, seconds: float, seed: int) -> Result:
    """Run rounds of examples until the time is over or one fails."""
    run = TARGETS[target]
    start = time.perf_counter()
    executions = 0

    @settings(max_examples=_EXAMPLES, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(_strategy(target))
    def examples(data: bytes) -> None:
        nonlocal executions
        executions += 1
        failure = attempt(run, data)
        if failure is not None:
            raise _Refused(failure)

    while time.perf_counter() - start < seconds:
        seed += 1
        try:
            seeded(seed)(examples)()
        except _Refused as refused:
            return Result(target, "hypothesis", executions, time.perf_counter() - start, refused.failure)
    return Result(target, "hypothesis", executions, time.perf_counter() - start)
