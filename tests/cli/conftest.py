"""Fixtures of the command line's tests: commands run in this process, and peers with their stdin and stdout."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from tests.cli.commands import Commands, Console, Stdin


@pytest.fixture
def commands(capsys: pytest.CaptureFixture[str]) -> Commands:
    """Runs commands and gives what they print."""
    return Commands(capsys)


@pytest.fixture
def stdin(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stdin]:
    """A pipe as the process's stdin, whose other end the test holds."""
    reading, writing = os.pipe()
    with os.fdopen(reading, "r") as file:
        monkeypatch.setattr(sys, "stdin", file)
        stdin = Stdin(writing)
        yield stdin
        stdin.close()


@pytest.fixture
def console(monkeypatch: pytest.MonkeyPatch) -> Console:
    """A stdout that tells the test of every line, as it is printed."""
    console = Console()
    monkeypatch.setattr(sys, "stdout", console)
    return console
