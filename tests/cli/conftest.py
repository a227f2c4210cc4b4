"""Fixtures of the command line's tests: commands run in this process, and peers with their stdin and stdout."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Iterator
from types import SimpleNamespace

import pytest

from p2pstack.cli import harness_gossip_node, output, peer_host
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
    """A stdout of commands that tells the test of every line, as it is printed."""
    console = Console()
    # pytest sets sys.stdout itself, and again between this fixture and the test: so only our modules see another one.
    streams = SimpleNamespace(stdout=console)
    monkeypatch.setattr(output, "sys", streams)
    monkeypatch.setattr(peer_host, "sys", streams)
    monkeypatch.setattr(harness_gossip_node, "sys", SimpleNamespace(stdout=console, stderr=io.StringIO()))
    return console
