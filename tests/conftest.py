"""What every test gets: the hypothesis profiles, `async def` tests, and the rule that CI skips no interop test.

An ``async def test_…`` runs on an event loop of its own, for at most 30 seconds (``@pytest.mark.deadline(seconds)``
changes that). It fails if it leaves a task behind, or if the loop was told of an error that nobody took: a task's
exception that was never retrieved, a callback that raised. ``--loop uvloop`` runs the same tests on uvloop.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import os
import sys
from collections.abc import Callable, Coroutine, Generator
from pathlib import Path
from typing import Any

import hypothesis
import pytest

IN_CI = bool(os.environ.get("CI"))
DEADLINE_SECONDS = 30.0
GRACE_TURNS = 3
"""Turns of the loop in which a task that was cancelled last may still end, and a transport tell its protocol."""

# A busy machine is slow without any fault of the test: neither a deadline an example nor a health check on speed.
_COMMON: dict[str, Any] = {"deadline": None, "suppress_health_check": [hypothesis.HealthCheck.too_slow]}
hypothesis.settings.register_profile("default", max_examples=100, **_COMMON)
hypothesis.settings.register_profile("ci", max_examples=100, derandomize=True, print_blob=True, **_COMMON)
hypothesis.settings.register_profile("thorough", max_examples=2000, **_COMMON)
hypothesis.settings.load_profile("ci" if IN_CI else "default")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--loop", choices=("asyncio", "uvloop"), default="asyncio", help="event loop of `async def` tests")


def pytest_collection_finish() -> None:
    # The modules are loaded and stay: without them the collection after each async test takes a millisecond.
    gc.collect()
    gc.freeze()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    if item.get_closest_marker("multicast") is None or sys.platform == "win32":
        return (yield)
    import fcntl

    # Another run of the tests on this machine would hear this one, and answer. This file is there for both to lock.
    with Path(__file__).open() as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        return (yield)


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    # What a file's tests have left in caches and reports stays, too, and grows to more than the modules.
    if nextitem is None or nextitem.path != item.path:
        gc.collect()
        gc.freeze()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    function = pyfuncitem.obj
    mark = pyfuncitem.get_closest_marker("deadline")
    deadline = float(mark.args[0]) if mark else DEADLINE_SECONDS

    def factory() -> asyncio.AbstractEventLoop:
        # Asked for at each call: a property test is made synchronous once, and may then run on several loops.
        return _new_loop(pyfuncitem.config.getoption("--loop"))

    property_test = getattr(function, "hypothesis", None)
    if property_test is not None and inspect.iscoroutinefunction(property_test.inner_test):
        property_test.inner_test = _synchronous(property_test.inner_test, deadline, factory)
        return None
    if not inspect.iscoroutinefunction(function):
        return None
    names = inspect.signature(function).parameters
    arguments = {name: value for name, value in pyfuncitem.funcargs.items() if name in names}
    _synchronous(function, deadline, factory)(**arguments)
    return True


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    skipped = report.skipped and not hasattr(report, "wasxfail")
    if IN_CI and skipped and item.get_closest_marker("interop"):
        report.outcome = "failed"
        report.longrepr = f"an interop test may not be skipped in CI; it was, because: {report.longrepr}"
    return report


LoopFactory = Callable[[], asyncio.AbstractEventLoop]


def _new_loop(name: str) -> asyncio.AbstractEventLoop:
    if name == "uvloop":
        import uvloop

        return uvloop.new_event_loop()
    return asyncio.new_event_loop()


def _synchronous(
    function: Callable[..., Coroutine[Any, Any, None]], deadline: float, factory: LoopFactory
) -> Callable[..., None]:
    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> None:
        complaints: list[str] = []
        try:
            _run(function(*args, **kwargs), deadline, factory, complaints)
        except BaseException as error:
            for complaint in complaints:
                error.add_note(complaint)
            raise
        if complaints:
            pytest.fail("\n".join(complaints), pytrace=False)

    return call


def _run(test: Coroutine[Any, Any, None], deadline: float, factory: LoopFactory, complaints: list[str]) -> None:
    """Run ``test`` on a new loop and append to ``complaints`` what it left behind."""
    try:
        with asyncio.Runner(loop_factory=factory) as runner:
            runner.get_loop().set_exception_handler(lambda _, context: complaints.append(_describe(context)))
            runner.run(_bounded(test, deadline, complaints))
    finally:
        gc.collect()  # an exception counts as never retrieved when its task or future is destroyed


async def _bounded(test: Coroutine[Any, Any, None], deadline: float, complaints: list[str]) -> None:
    try:
        async with asyncio.timeout(deadline) as limit:
            await test
    except TimeoutError:
        if not limit.expired():
            raise
        complaints.extend(f"unfinished at the deadline: {task!r}" for task in _others())
        pytest.fail(f"the test did not end within {deadline} seconds", pytrace=False)
    for _ in range(GRACE_TURNS):
        await asyncio.sleep(0)
    complaints.extend(f"the test left a task behind: {task!r}" for task in _others())


def _others() -> list[asyncio.Task[Any]]:
    return [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]


def _describe(context: dict[str, Any]) -> str:
    error = context.get("exception")
    where = context.get("task") or context.get("future") or context.get("handle") or context.get("protocol")
    return f"{context['message']}: {error!r} in {where!r}"
