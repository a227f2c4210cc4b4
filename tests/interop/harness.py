"""Peers as processes behind one command line, whichever language they are written in.

``Peers`` starts them: ``async with peers.listen("go") as node`` gives a running listener with its ``address``, and
``await peers.dial("rust", node.address, "ping")`` runs a dialer to its end and gives its result event. Every wait has a
deadline. What a peer printed, on both streams, is kept and shown when something fails. Only processes that were
started here are ever stopped: stdin is closed first, which asks a listener to leave, then come SIGTERM and SIGKILL.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.interop.addresses import peer_of

__all__ = ["KINDS", "Event", "Peer", "PeerFailed", "Peers", "all_ended", "command_of"]

Event = dict[str, Any]

KINDS = ("go", "rust", "p2pstack")
START_SECONDS = 20.0
EVENT_SECONDS = 10.0
DIAL_SECONDS = 25.0
STOP_SECONDS = 5.0
LINE_LIMIT = 1 << 20
SHOWN_LINES = 40

ROOT = Path(__file__).resolve().parents[2]

RESULT_EVENTS = {"identify": "identified", "hold": "holding", "dcutr": "direct"}
"""Event that ends a ``dial --do``, where it is not called like the verb."""


class PeerFailed(AssertionError):
    """A peer did not do what was expected of it; the text ends with what it printed."""


def command_of(kind: str, programs: Mapping[str, Path]) -> list[str]:
    """The command that starts a peer, without its verb; ``programs`` holds those that had to be built."""
    if kind == "p2pstack":
        return [sys.executable, "-m", "p2pstack", "peer"]
    if kind not in programs:
        raise LookupError(f"the {kind} peer was not built for this test: it has to be among the test's parameters")
    return [str(programs[kind])]


class Peer:
    """One running process, and all that it printed. Made by :meth:`start`, stopped by :meth:`stop`."""

    def __init__(self, title: str, process: asyncio.subprocess.Process) -> None:
        self.title = title
        self.events: list[Event] = []
        """Every event so far, oldest first."""
        self.errors: list[str] = []
        """Every line of stderr so far, and those of stdout that are no events."""
        self.address = ""
        """Of a listener: its full address, with the peer id."""
        self._process = process
        self._news = asyncio.Event()
        self._readers = [asyncio.create_task(self._read_events()), asyncio.create_task(self._read_errors())]
        self._readers[0].add_done_callback(lambda _: self._news.set())

    @classmethod
    async def start(cls, command: Sequence[str], title: str) -> Peer:
        """Start ``command`` in the repository's root, with the repository on the PYTHONPATH."""
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            *command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=ROOT, limit=LINE_LIMIT,
            env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip
        return cls(title, process)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def peer_id(self) -> str:
        """Of a listener: its peer id, from its address."""
        return peer_of(self.address)

    @property
    def running(self) -> bool:
        """Whether the process has not ended yet."""
        return self._process.returncode is None

    async def event(
        self,
        name: str,
        *,
        seconds: float = EVENT_SECONDS,
        where: Callable[[Event], bool] = lambda _: True,
        **fields: Any,
    ) -> Event:
        """The first event of that name, past or to come, with these fields and for which ``where`` holds.

        Raises:
            PeerFailed: none came within ``seconds``, or the process ended without one.
        """

        def matches(event: Event) -> bool:
            return event["event"] == name and fields.items() <= event.items() and where(event)

        await self.until(lambda: any(map(matches, self.events)), f"{name} event {fields or ''}", seconds=seconds)
        return next(filter(matches, self.events))

    async def until(self, condition: Callable[[], bool], what: str, *, seconds: float = EVENT_SECONDS) -> None:
        """Wait until ``condition()``, which is asked again after every event.

        Raises:
            PeerFailed: it does not hold within ``seconds``, or the process ended before; says ``what`` is missing.
        """
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    if self._readers[0].done():
                        raise PeerFailed(f"{self.title} ended with no {what}\n{self.transcript()}")
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            raise PeerFailed(f"{self.title}: no {what} within {seconds:g} s\n{self.transcript()}") from None

    def send(self, *words: object) -> None:
        """Write a command on the stdin of a listener (peers/README.md)."""
        assert self._process.stdin is not None
        self._process.stdin.write(" ".join(map(str, words)).encode() + b"\n")

    def count(self, name: str) -> int:
        """How many events of that name have come."""
        return sum(event["event"] == name for event in self.events)

    async def finish(self, *, seconds: float = DIAL_SECONDS) -> int:
        """Wait for the end of the process and of all that it prints; returns the exit status.

        Raises:
            PeerFailed: it did not end within ``seconds``. It still runs.
        """
        try:
            async with asyncio.timeout(seconds):
                status = await self._process.wait()
                await asyncio.wait(self._readers)
        except TimeoutError:
            raise PeerFailed(f"{self.title} did not end within {seconds:g} s\n{self.transcript()}") from None
        return status

    def terminate(self) -> None:
        """Send SIGTERM, if the process still runs."""
        if self.running:
            self._process.send_signal(signal.SIGTERM)

    async def stop(self) -> int:
        """Close stdin and wait for the end, which is forced if it does not come; returns the exit status."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        for force in (self.terminate, self.kill):
            with contextlib.suppress(PeerFailed):
                return await self.finish(seconds=STOP_SECONDS)
            force()
        return await self.finish(seconds=STOP_SECONDS)

    def kill(self) -> None:
        """Send SIGKILL, if the process still runs."""
        if self.running:
            self._process.kill()

    def transcript(self) -> str:
        """What the process printed last, fit for a failure message."""
        state = "running" if self.running else f"ended with status {self._process.returncode}"
        events = [json.dumps(event) for event in self.events]
        return "\n".join([f"--- {self.title} ({state})", *_shown(events), *_shown(self.errors, "stderr: ")])

    async def _read_events(self) -> None:
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            try:
                event = json.loads(line)
            except ValueError:
                event = None
            if isinstance(event, dict) and "event" in event:
                self.events.append(event)
            else:
                self.errors.append(f"(stdout) {line.decode(errors='replace').rstrip()}")
            self._news.set()

    async def _read_errors(self) -> None:
        assert self._process.stderr is not None
        async for line in self._process.stderr:
            self.errors.append(line.decode(errors="replace").rstrip())


async def all_ended(node: Peer) -> None:
    """Wait until a listener has reported the end of every connection that it reported."""
    await node.until(lambda: node.count("connected") == node.count("disconnected"), "end of all connections")


def _shown(lines: Sequence[str], prefix: str = "") -> list[str]:
    hidden = len(lines) - SHOWN_LINES
    head = [f"{prefix}({hidden} lines more before)"] if hidden > 0 else []
    return head + [prefix + line[:600] for line in lines[-SHOWN_LINES:]]


class Peers:
    """Starts peers for one test, and remembers them all for its report."""

    def __init__(self, programs: Mapping[str, Path], prefix: Sequence[str] = ()) -> None:
        self._programs = programs
        self._prefix = prefix
        self.started: list[Peer] = []

    def behind(self, prefix: Sequence[str]) -> Peers:
        """The same peers, started by ``prefix`` (``ip netns exec NAME``), which has to become the peer's process."""
        peers = Peers(self._programs, prefix)
        peers.started = self.started
        return peers

    def command(self, kind: str) -> list[str]:
        """The command that starts a peer, without its verb."""
        return [*self._prefix, *command_of(kind, self._programs)]

    @contextlib.asynccontextmanager
    async def run(self, kind: str, verb: str, *options: object) -> AsyncIterator[Peer]:
        """Start a peer with any verb; it is stopped at the end of the block."""
        words = [verb, *map(str, options)]
        peer = await Peer.start([*self.command(kind), *words], f"{kind} {' '.join(words)}")
        self.started.append(peer)
        try:
            yield peer
        finally:
            if verb != "listen":
                peer.terminate()  # only a listener looks at its stdin
            await peer.stop()

    @contextlib.asynccontextmanager
    async def listen(self, kind: str, *options: object) -> AsyncIterator[Peer]:
        """A listening peer; once the block has ended well, it has to leave with status 0 when its stdin closes."""
        async with self.run(kind, "listen", *options) as peer:
            peer.address = (await peer.event("listening", seconds=START_SECONDS))["addr"]
            yield peer
            if not peer.running:
                raise PeerFailed(f"{peer.title} ended early\n{peer.transcript()}")
            status = await peer.stop()
            if status != 0:
                raise PeerFailed(f"{peer.title} ended with status {status}\n{peer.transcript()}")

    async def dial(self, kind: str, address: str, do: str, *options: object, seconds: float = DIAL_SECONDS) -> Event:
        """Run ``dial ADDRESS --do DO`` to its end, which has to be a good one; returns the result event."""
        async with self.run(kind, "dial", address, "--do", do, *options) as peer:
            status = await peer.finish(seconds=seconds)
        wanted = RESULT_EVENTS.get(do, do)
        results = [event for event in peer.events if event["event"] == wanted]
        if status != 0 or peer.count("error") or len(results) != 1:
            raise PeerFailed(f"{peer.title} failed\n{peer.transcript()}")
        return results[0]

    async def dial_in_vain(
        self, kind: str, address: str, do: str, *options: object, seconds: float = DIAL_SECONDS
    ) -> str:
        """Run ``dial ADDRESS --do DO``, which has to fail the agreed way; returns the text of its error event."""
        async with self.run(kind, "dial", address, "--do", do, *options) as peer:
            status = await peer.finish(seconds=seconds)
        if status != 1 or peer.count("error") != 1 or peer.events[-1]["event"] != "error":
            raise PeerFailed(f"{peer.title} should have failed with one error event, at the end\n{peer.transcript()}")
        return str(peer.events[-1]["error"])

    def transcript(self) -> str:
        """What all peers of the test printed last."""
        return "\n".join(peer.transcript() for peer in self.started)
