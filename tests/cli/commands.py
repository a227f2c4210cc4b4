"""Running commands in the test's own process, or as a process of their own."""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest

from p2pstack.cli import main
from p2pstack.cli.program import _parser
from tests.project.sources import ROOT

__all__ = ["Commands", "Console", "Result", "Stdin", "Terminal", "options_of", "process", "start"]

SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Result:
    """What a command did."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> list[dict[str, Any]]:
        """Every line of stdout, each of which has to be JSON."""
        return [json.loads(line) for line in self.out.splitlines()]


class Commands:
    """Runs commands by ``main``."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def run(self, *argv: object) -> Result:
        """Run a command from a test that is no coroutine."""
        self._capsys.readouterr()
        return self._result(main([str(word) for word in argv]))

    async def beside(self, *argv: object) -> Result:
        """Run a command in a thread, beside the hosts of the test's own loop."""
        self._capsys.readouterr()
        return self._result(await asyncio.to_thread(main, [str(word) for word in argv]))

    def _result(self, status: int) -> Result:
        printed = self._capsys.readouterr()
        return Result(status, printed.out, printed.err)


class Stdin:
    """The writing end of a pipe."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def write(self, data: bytes) -> None:
        assert self._descriptor is not None
        os.write(self._descriptor, data)

    def close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class Console(io.StringIO):
    """A stdout whose lines can be waited for."""

    def __init__(self) -> None:
        super().__init__()
        self._news = asyncio.Event()

    def write(self, text: str) -> int:
        self._news.set()
        return super().write(text)

    @property
    def lines(self) -> list[str]:
        return self.getvalue().splitlines()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.lines]

    async def event(self, name: str, number: int = 1) -> dict[str, Any]:
        """The event of that name, the first or a later one, as soon as it is printed."""
        return (await self._until(lambda: [e for e in self.events if e.get("event") == name], number))[number - 1]

    async def logged(self, message: str, number: int = 1) -> dict[str, Any]:
        """The line with that ``msg``, the first or a later one, as soon as it is printed."""
        return (await self._until(lambda: [e for e in self.events if e.get("msg") == message], number))[number - 1]

    async def line(self, beginning: str) -> str:
        """The first line that begins so."""
        return (await self._until(lambda: [line for line in self.lines if line.startswith(beginning)], 1))[0]

    async def _until(self, found: Callable[[], list[Any]], number: int) -> list[Any]:
        while len(matching := found()) < number:
            self._news.clear()
            await self._news.wait()
        return matching


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def options_of(*argv: object) -> argparse.Namespace:
    """The arguments of a command, as it gets them."""
    return _parser().parse_args([str(word) for word in argv])


def start(*argv: object, **settings: Any) -> subprocess.Popen[str]:
    """Start ``python -m p2pstack`` with these words; use it with ``with``."""
    pipe = subprocess.PIPE
    streams: dict[str, Any] = {"stdin": pipe, "stdout": pipe, "stderr": pipe, **settings}
    command = [sys.executable, "-m", "p2pstack", *map(str, argv)]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return subprocess.Popen(command, text=True, env={**os.environ, "PYTHONPATH": path}, **streams)


def process(*argv: object, **settings: Any) -> Result:
    """Run ``python -m p2pstack`` to its end."""
    with start(*argv, **settings) as running:
        try:
            out, err = running.communicate(timeout=SECONDS)
        except BaseException:
            running.kill()
            raise
        return Result(running.returncode, out, err)
