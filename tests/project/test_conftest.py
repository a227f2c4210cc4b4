"""`async def` tests run, and fail for what they leave behind; interop tests may not be skipped in CI."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.project.sources import ROOT

ASYNC_TESTS = """
import asyncio
import pytest
from hypothesis import given, strategies as st

@pytest.fixture
def number():
    return 7

async def test_passes(number):
    await asyncio.sleep(0)
    assert number == 7

@given(st.integers())
async def test_property_passes(value):
    await asyncio.sleep(0)
    assert value == value

async def test_cancelled_task_passes():
    asyncio.create_task(asyncio.Event().wait()).cancel()

async def test_fails():
    assert 1 == 2

@given(st.integers())
async def test_property_fails(value):
    await asyncio.sleep(0)
    assert value < 50

async def test_leaves_a_task():
    keep.append(asyncio.create_task(asyncio.Event().wait()))

async def test_error_nobody_took():
    asyncio.create_task(raise_error())
    await asyncio.sleep(0)

async def test_error_in_a_callback():
    asyncio.get_running_loop().call_soon(lambda: 1 / 0)
    await asyncio.sleep(0)

@pytest.mark.deadline(0.01)
async def test_takes_too_long():
    await asyncio.Event().wait()

async def test_own_timeout_error():
    raise TimeoutError("mine")

async def raise_error():
    raise ValueError("lost")

keep = []
"""

SKIPPED = """
import pytest

@pytest.mark.interop
@pytest.mark.skipif(True, reason="no toolchain")
def test_interop():
    pass

@pytest.mark.skipif(True, reason="no IPv6")
def test_other():
    pass
"""

MULTICAST = """
import fcntl
import pytest
import tests.conftest

@pytest.mark.multicast
def test_no_other_run_is_at_it():
    with open(tests.conftest.__file__) as file, pytest.raises(BlockingIOError):
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
"""


def run(folder: Path, text: str, *options: str, ci: bool = False) -> dict[str, str]:
    """Run a file of tests with our conftest; test name -> what its report says, with the outcome in front."""
    file = folder / "test_it.py"
    file.write_text(text)
    environ = {name: value for name, value in os.environ.items() if name not in {"CI", "PYTEST_ADDOPTS"}}
    environ |= {"CI": "true"} if ci else {}
    command = [sys.executable, "-m", "pytest", "-v", "-rA", "-p", "tests.conftest", "-p", "no:cacheprovider"]
    command += ["-c", str(ROOT / "pyproject.toml"), "--rootdir", str(folder), str(file), *options]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=environ)
    assert result.stderr == ""
    outcomes = dict(re.findall(r"::(test_\w+) (PASSED|FAILED|ERROR|SKIPPED)", result.stdout))
    texts = re.split(r"\n_+ (test_\w+) _+\n", result.stdout.split("short test summary")[0])
    details = dict(zip(texts[1::2], texts[2::2], strict=True))
    return {name: f"{outcome} {details.get(name, '')}" for name, outcome in outcomes.items()}


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_async_tests(tmp_path: Path, loop: str) -> None:
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    found = run(tmp_path, ASYNC_TESTS, "--loop", loop)
    passed = {name for name, text in found.items() if text.startswith("PASSED")}
    assert passed == {"test_passes", "test_property_passes", "test_cancelled_task_passes"}
    expected = {
        "test_fails": "assert 1 == 2",
        "test_property_fails": "value=50",
        "test_leaves_a_task": "left a task behind",
        "test_error_nobody_took": "never retrieved: ValueError('lost')",
        "test_error_in_a_callback": "ZeroDivisionError",
        "test_takes_too_long": "did not end within 0.01 seconds",
        "test_own_timeout_error": "TimeoutError: mine",
    }
    assert {name for name, text in found.items() if text.startswith("FAILED")} == set(expected)
    assert {name: words for name, words in expected.items() if words not in found[name]} == {}


@pytest.mark.parametrize(("ci", "outcome"), [(True, "FAILED"), (False, "SKIPPED")])
def test_interop_tests_are_not_skipped_in_ci(tmp_path: Path, ci: bool, outcome: str) -> None:
    found = run(tmp_path, SKIPPED, ci=ci)
    assert found["test_interop"].split()[0] in {outcome, "ERROR" if ci else outcome}
    assert found["test_other"].split()[0] == "SKIPPED"


def test_tests_that_multicast_wait_for_each_other(tmp_path: Path) -> None:
    pytest.importorskip("fcntl")
    assert run(tmp_path, MULTICAST)["test_no_other_run_is_at_it"].split() == ["PASSED"]
