"""Runs every `async def` test of a folder on asyncio's loop and on uvloop, where that is installed.

A conftest.py imports both names from here.
"""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Iterator

import pytest

__all__ = ["loop_name", "pytest_generate_tests"]

LOOPS = ("asyncio", "uvloop") if importlib.util.find_spec("uvloop") is not None else ("asyncio",)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    property_test = getattr(metafunc.function, "hypothesis", None)
    function = metafunc.function if property_test is None else property_test.inner_test
    if inspect.iscoroutinefunction(function) and "loop_name" in metafunc.fixturenames:
        metafunc.parametrize("loop_name", LOOPS, indirect=True)


@pytest.fixture(autouse=True)
def loop_name(request: pytest.FixtureRequest) -> Iterator[str]:
    """Set the option by which the hook that runs `async def` tests chooses their loop."""
    option = request.config.option
    saved = option.loop
    option.loop = getattr(request, "param", saved)
    yield option.loop
    option.loop = saved
