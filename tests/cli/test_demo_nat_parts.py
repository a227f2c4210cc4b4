"""What the demos behind NATs are made of; processes run on this machine as it is here."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from p2pstack.cli import demo_nat_parts
from p2pstack.cli.arguments import CommandError
from p2pstack.cli.demo_nat_parts import Moment, Process, Timeline, punches, running
from p2pstack.cli.output import Output
from tests.project.sources import ROOT

HERE: Any = SimpleNamespace(prefix=[])
STUBBORN = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('[]', flush=True); signal.pause()"


@pytest.fixture(autouse=True)
def path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))


async def test_events_come_once_each_and_wait_until_they_are_asked_for() -> None:
    async with running(HERE, "bob", "peer", "listen") as bob:
        address = (await bob.event("listening")).values["addr"]
        async with running(HERE, "alice", "peer", "dial", address) as alice:
            assert (await alice.event("ping", "error")).values["event"] == "ping"
        peers = {(await bob.event(name)).values["peer"] for name in ("disconnected", "connected")}
        assert len(peers) == 1
        await bob.stop()
        with pytest.raises(CommandError, match=r"^bob has ended: $"):
            await bob.event("connected")
        assert (await bob.event("summary", where=lambda values: values["received"] == 0)).at > 0


async def test_what_a_process_says_at_its_end_is_told() -> None:
    async with running(HERE, "alice", "id", "/no/such/file") as alice:
        with pytest.raises(CommandError, match="alice has ended: p2pstack: /no/such/file"):
            await alice.event("started")


async def test_what_does_not_come_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_nat_parts, "PATIENCE", 0.05)
    async with running(HERE, "bob", "peer", "listen") as bob:
        with pytest.raises(CommandError, match=r"bob has told of no a or b within 0.05 s"):
            await bob.event("a", "b")


async def test_a_process_that_does_not_stop_is_killed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_nat_parts, "STOP_SECONDS", 0.05)
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", STUBBORN, stdout=asyncio.subprocess.PIPE)
    assert process.stdout is not None
    await process.stdout.readline()
    it = Process("stubborn", process)
    await it.stop()
    assert process.returncode == -9
    await it.stop()


async def test_the_environment_tells_processes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NODE_NAME", "@@relay.shinkai")
    async with running(HERE, "relay", "relay", "--data", tmp_path, "--listen", "127.0.0.1:0", "--json") as relay:
        with pytest.raises(CommandError, match="it has no name"):
            await relay.event("started")


def test_moments_are_printed_in_their_order() -> None:
    moments = [Moment(12.5, "b", "bob", "reads", {"text": "x"}), Moment(11.0, "a", "alice", "writes")]
    for as_json, wanted in (
        (False, "    1.00  alice  writes\n    2.50  bob    reads\n"),
        (True, '{"step":"a","at":1.0,"who":"alice"}\n{"step":"b","at":2.5,"who":"bob","text":"x"}\n'),
    ):
        stream = io.StringIO()
        Timeline(Output(as_json=as_json, stream=stream), 10.0).tell(*moments)
        assert stream.getvalue() == wanted


def test_punches_in_words() -> None:
    assert [punches(number) for number in (0, 1, 2)] == ["after 0 punches", "after 1 punch", "after 2 punches"]
