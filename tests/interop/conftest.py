"""Fixtures of the interoperability tests: peers that are built before the test, and shown after it if it failed."""

from __future__ import annotations

import functools
import os
from collections.abc import Generator
from pathlib import Path

import pytest

from tests.interop.build import BUILT_KINDS, BuildFailed, ToolMissing, binary
from tests.interop.harness import Peers

PEERS = pytest.StashKey[Peers]()


@functools.cache
def _program(kind: str) -> Path | Exception:
    """The peer's program, or why there is none: a build is tried once a session."""
    try:
        return binary(kind)
    except (BuildFailed, ToolMissing) as error:
        return error


def _built(kind: str) -> Path:
    program = _program(kind)
    if isinstance(program, ToolMissing) and not os.environ.get("CI"):
        pytest.skip(str(program))
    if isinstance(program, Exception):
        pytest.fail(str(program), pytrace=False)
    return program


@pytest.fixture
def peers(request: pytest.FixtureRequest) -> Peers:
    """Starts peers; those kinds that are among the test's parameters have been built.

    A test is skipped where a toolchain is missing, unless CI is set: there that is a failure, as a broken build is
    everywhere.
    """
    parameters = getattr(request.node, "callspec", None)
    wanted = {value for value in parameters.params.values() if value in BUILT_KINDS} if parameters else set()
    started = Peers({kind: _built(kind) for kind in sorted(wanted)})
    request.node.stash[PEERS] = started
    return started


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    started = item.stash.get(PEERS, None)
    if report.failed and started is not None and started.started:
        report.sections.append(("peers", started.transcript()))
    return report
