"""What the demos behind NATs are made of: the net, commands of ours that run in it, and the timeline that they tell."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

from p2pstack.cli.arguments import CommandError
from p2pstack.cli.output import Output, printable
from p2pstack.testing.nat import Host, Nat, Topology

__all__ = ["Moment", "Net", "Process", "Seen", "Timeline", "punches", "running", "show_net"]

RELAY_MS, ROUTER_MS = 30.0, 20.0
"""How far the relay and each router are from the middle of the public net: the way through the relay is the longer."""

PATIENCE = 20.0
"""Seconds after which what has not happened is a fault."""

STOP_SECONDS = 5.0

MAX_EVENTS = 1_024
"""Events of a process that nobody has asked for yet; then the oldest are forgotten."""

KEPT = ("HOME", "LANG", "PATH", "TMPDIR")
"""Variables of the environment that the processes get, beside those of Python: others could tell them who they are."""


@dataclass(frozen=True, slots=True)
class Net:
    """Where the three are."""

    relay: Host
    alice: Host
    bob: Host


def show_net(topology: Topology, alice: Nat, bob: Nat, what: str, output: Output) -> Net:
    """Build the net, and show it."""
    net = Net(topology.host(Nat.PUBLIC, RELAY_MS), topology.host(alice), topology.host(bob))
    nats = {"alice": (net.alice, alice), "bob": (net.bob, bob)}
    behind = {
        name: {"address": host.address, "router": host.public_address, "nat": nat.value, "delay_ms": ROUTER_MS}
        for name, (host, nat) in nats.items()
    }
    output.result({"step": "net", "relay": {"address": net.relay.address, "delay_ms": RELAY_MS}, **behind})
    output.heading(f"Two {what}, each behind a router of its own, and a relay on the public net")
    output.fields(
        [
            ("relay", f"{net.relay.address}, {RELAY_MS:g} ms away"),
            *(
                (name, f"{host.address}, behind the {nat.value} router {host.public_address}, {ROUTER_MS:g} ms away")
                for name, (host, nat) in nats.items()
            ),
        ]
    )
    return net


@dataclass(frozen=True, slots=True)
class Seen:
    """A line that a process has printed, and when, by ``perf_counter``."""

    at: float
    values: dict[str, Any]


class Process:
    """A command of ours on a host of the net; see :func:`running`."""

    def __init__(self, title: str, process: asyncio.subprocess.Process) -> None:
        self.title = title
        self._process = process
        self._seen: deque[Seen] = deque(maxlen=MAX_EVENTS)
        self._news = asyncio.Event()
        self._ended = False
        self._words = ""

    async def read(self) -> None:
        """Take what the process prints, to its end. What is no JSON comes from stderr."""
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            try:
                self._seen.append(Seen(perf_counter(), json.loads(line)))
            except ValueError:
                self._words = line.decode(errors="replace").strip()
            self._news.set()
        self._ended = True
        self._news.set()

    async def event(self, *names: str, where: Callable[[dict[str, Any]], bool] = lambda _: True) -> Seen:
        """Return the first event of one of these names, each once, as soon as there is one.

        Raises:
            CommandError: it does not come, or the process has ended.
        """
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    for seen in self._seen:
                        if seen.values.get("event") in names and where(seen.values):
                            self._seen.remove(seen)
                            return seen
                    if self._ended:
                        raise CommandError(f"{self.title} has ended: {printable(self._words)}")
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as error:
            raise CommandError(f"{self.title} has told of no {' or '.join(names)} within {PATIENCE:g} s") from error

    async def stop(self) -> None:
        """Have the process end, and force it if it does not. Idempotent."""
        with contextlib.suppress(ProcessLookupError):
            self._process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._process.wait()
        except TimeoutError:
            self._process.kill()
            await self._process.wait()


@contextlib.asynccontextmanager
async def running(host: Host, title: str, *words: object) -> AsyncIterator[Process]:
    """Run ``python -m p2pstack`` with these words on a host; it is ended with the block."""
    environment = {name: value for name, value in os.environ.items() if name in KEPT or name.startswith("PYTHON")}
    process = await asyncio.create_subprocess_exec(
        *(*host.prefix, sys.executable, "-m", "p2pstack", *map(str, words)),
        stdin=asyncio.subprocess.PIPE,  # `peer listen` ends with it, even if we are killed
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=environment,
        start_new_session=True,  # Ctrl-C is for us: we end them
    )
    it = Process(title, process)
    reading = asyncio.create_task(it.read())
    try:
        yield it
    finally:
        await it.stop()
        reading.cancel()
        await asyncio.wait([reading])


def punches(attempts: int) -> str:
    """Return how many holes it took, in words."""
    return "after 1 punch" if attempts == 1 else f"after {attempts} punches"


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that has happened: when (by ``perf_counter``), its name, to whom, in words, and for scripts."""

    at: float
    step: str
    who: str
    text: str
    values: dict[str, Any] = field(default_factory=dict)
    style: str = ""


class Timeline:
    """Prints moments with the seconds since the start."""

    def __init__(self, output: Output, started: float) -> None:
        self._output = output
        self._started = started

    def begin(self) -> None:
        """Print what stands above it."""
        self._output.line()
        self._output.heading("What happens, in seconds since the start")

    def tell(self, *moments: Moment) -> None:
        """Print moments, in the order in which they were."""
        for each in sorted(moments, key=lambda moment: moment.at):
            at = each.at - self._started
            self._output.result({"step": each.step, "at": round(at, 3), "who": each.who, **each.values})
            self._output.line(f"  {at:6.2f}  {each.who:<5}  {each.text}", each.style)
