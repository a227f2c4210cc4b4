"""Fixtures of the tests behind NATs: the topologies that they build, and the peers of the interoperability tests."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator

import pytest

from p2pstack.testing.nat import Topology, leftovers, missing
from tests.interop.conftest import peers, pytest_runtest_makereport

__all__ = ["build", "figures", "peers", "pytest_runtest_makereport", "require"]

FIGURES = pytest.StashKey[list[str]]()

_missing = functools.cache(missing)


@pytest.fixture
def figures(request: pytest.FixtureRequest) -> list[str]:
    """Lines that the tests add are shown after all tests: what was measured, also where nothing failed."""
    return request.config.stash.setdefault(FIGURES, [])


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    lines = terminalreporter.config.stash.get(FIGURES, [])
    if lines:
        terminalreporter.section("hole punching")
        for line in lines:
            terminalreporter.write_line(line)


def require(reason: Callable[[], str | None]) -> None:
    """Skip the test if there is a reason for it; in CI, fail it.

    Raises:
        pytest.skip.Exception, pytest.fail.Exception: there is.
    """
    why = reason()
    if why is not None and os.environ.get("CI"):
        pytest.fail(f"the tests behind NATs may not be skipped in CI: {why}", pytrace=False)
    if why is not None:
        pytest.skip(why)


@pytest.fixture
def build() -> Iterator[Callable[..., Topology]]:
    """Makes topologies, which the test enters, where that can be done. Nothing may be left of them afterwards."""
    require(_missing)
    yield Topology
    assert leftovers(os.getpid()) == []
