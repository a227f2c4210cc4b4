"""The demo behind NATs, on nets of this machine: that takes root, as tests/nat does."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from p2pstack.cli import demo_nat
from p2pstack.cli.arguments import CommandError
from p2pstack.cli.demo_nat_parts import Seen
from p2pstack.testing.nat import leftovers, missing
from tests.cli.commands import Commands, start
from tests.cli.shinkai import ENVIRONMENT
from tests.nat.conftest import require
from tests.project.sources import ROOT

pytestmark = pytest.mark.deadline(60)

STEPS = [
    "net", "relay_up", "reserved", "reserved", "relayed_message_sent", "circuit_opened", "relayed_message_read",
    "relayed_message", "hole_punched", "hole_punched", "direct_message_sent", "direct_message_read", "direct_message",
    "circuit_closed", "relay_stopped", "message_without_relay_sent", "message_without_relay_read",
    "message_without_relay", "end",
]  # fmt: skip
MOST_SECONDS = 30.0
"""On a machine with other things to do; 5 without."""

DIRECT_MS = 80
"""To bob and back, through both routers; by the relay it is 200."""


@pytest.fixture
def root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Skips the test where no net can be built. The demo's processes find the package wherever the tests run."""
    require(missing)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])))


@pytest.mark.usefixtures("root")
@pytest.mark.req("SHK-78", "SHK-100")
def test_for_scripts(commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ENVIRONMENT:
        monkeypatch.setenv(name, "nonsense")  # what the operator of a node may have set is not for the demo's nodes
    result = commands.run("demo", "--nat", "--json")
    assert (result.status, result.err) == (0, "")
    steps = result.json
    assert [step["step"] for step in steps] == STEPS
    assert [step["nat"] for step in (steps[0]["alice"], steps[0]["bob"])] == ["port-preserving"] * 2
    by_name = {step["step"]: step for step in steps}
    for name, text in (
        ("relayed_message", demo_nat.FIRST),
        ("direct_message", demo_nat.SECOND),
        ("message_without_relay", demo_nat.THIRD),
    ):
        assert (by_name[name]["text"], by_name[f"{name}_read"]["text"]) == (text, text)
        assert by_name[name]["seconds"] * 1000 >= DIRECT_MS
    holes = {step["who"]: step for step in steps if step["step"] == "hole_punched"}
    assert holes["alice"]["address"] == "/ip4/5.10.0.102/tcp/9552"
    assert holes["bob"]["address"] == "/ip4/5.10.0.101/tcp/9552"
    assert by_name["circuit_closed"]["bytes"] > len(demo_nat.FIRST)
    assert by_name["end"]["seconds"] < MOST_SECONDS
    times = [step["at"] for step in steps if "at" in step]
    assert times[0] > 0
    assert by_name["relay_stopped"]["at"] <= by_name["message_without_relay_sent"]["at"]
    assert leftovers(os.getpid()) == []


@pytest.mark.usefixtures("root")
def test_for_people(commands: Commands) -> None:
    result = commands.run("demo", "--nat", "--loop", "asyncio")
    assert (result.status, result.err) == (0, "")
    for text in (demo_nat.FIRST, demo_nat.SECOND, demo_nat.THIRD):
        assert result.out.count(text) == 2
    assert "bob    192.168.2.2, behind the port-preserving router 5.10.0.102, 20 ms away" in result.out
    assert "alice  is connected directly with /ip4/5.10.0.102/tcp/9552, after " in result.out
    assert "the net is removed" in result.out.splitlines()[-1]


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("step", ["relay_up", "relayed_message"])
def test_it_can_be_stopped_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, step: str
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with start("demo", "--nat", "--json", cwd=tmp_path) as running:
        assert running.stdout is not None
        while json.loads(running.stdout.readline())["step"] != step:
            pass
        assert len(leftovers(running.pid)) == 6
        running.send_signal(number)
        _, err = running.communicate(timeout=30)
        assert (running.returncode, err) == (130, "")
        assert leftovers(running.pid) == []
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("argv", [(), ("--libp2p",), ("--libp2p", "--symmetric")])
def test_what_is_missing_is_said(commands: Commands, monkeypatch: pytest.MonkeyPatch, argv: tuple[str, ...]) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    result = commands.run("demo", "--nat", *argv)
    assert (result.status, result.out) == (1, "")
    assert result.err == "p2pstack: `demo --nat` can't be shown: network namespaces need root\n"


class Told:
    """A node that tells of one event."""

    title = "bob"

    def __init__(self, **values: Any) -> None:
        self._values = values

    async def event(self, *names: str) -> Seen:
        assert self._values["event"] in names
        return Seen(1.0, self._values)


async def test_a_hole_that_is_not_punched_is_an_error() -> None:
    node: Any = Told(event="hole_punch_failed", reasons=["refused", "late"])
    with pytest.raises(CommandError, match="bob got no direct connection: refused; late"):
        await demo_nat._punched(node)
