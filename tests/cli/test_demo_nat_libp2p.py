"""The demo of plain hosts behind NATs: takes root, as tests/nat does."""

from __future__ import annotations

import os
from typing import Any

import pytest

from p2pstack.cli import demo_nat_libp2p
from p2pstack.cli.arguments import CommandError
from p2pstack.cli.demo_nat_parts import Seen
from p2pstack.testing.nat import leftovers
from tests.cli.commands import Commands
from tests.cli.test_demo_nat import DIRECT_MS, root

__all__ = ["root"]

pytestmark = pytest.mark.deadline(60)

BEGIN = ["net", "relay_up", "reserved", "relayed_ping", "relayed"]
RELAYED_MS = 200


@pytest.mark.usefixtures("root")
@pytest.mark.req("DCUTR-03")
def test_they_go_direct(commands: Commands) -> None:
    result = commands.run("demo", "--nat", "--libp2p", "--json")
    assert (result.status, result.err) == (0, "")
    steps = result.json
    assert [step["step"] for step in steps[:5]] == BEGIN
    assert {step["step"] for step in steps[5:-2]} == {"hole_punched", "direct"}
    assert [step["step"] for step in steps[-2:]] == ["direct_ping", "end"]
    by_name = {step["step"]: step for step in steps}
    assert by_name["direct"]["remote"].startswith("/ip4/5.10.0.102/tcp/")
    assert by_name["relayed_ping"]["rtt_seconds"] * 1000 >= RELAYED_MS
    assert DIRECT_MS <= by_name["direct_ping"]["rtt_seconds"] * 1000 < RELAYED_MS
    assert leftovers(os.getpid()) == []


@pytest.mark.usefixtures("root")
@pytest.mark.req("DCUTR-06")
def test_behind_a_symmetric_router_they_do_not_and_say_why(commands: Commands) -> None:
    result = commands.run("demo", "--nat", "--libp2p", "--symmetric", "--json")
    assert (result.status, result.err) == (0, "")
    steps = result.json
    assert [step["step"] for step in steps] == [*BEGIN, "stays_relayed", "why", "relayed_ping", "end"]
    by_name = {step["step"]: step for step in steps}
    assert by_name["net"]["bob"]["nat"] == "symmetric"
    assert "no direct connection" in by_name["stays_relayed"]["error"]
    assert by_name["why"]["observed"].startswith("/ip4/5.10.0.102/tcp/")
    assert steps[-2]["rtt_seconds"] * 1000 >= RELAYED_MS


async def test_an_error_ends_it() -> None:
    class Dialer:
        async def event(self, *_: str) -> Seen:
            return Seen(1.0, {"event": "error", "error": "nobody\nthere"})

    dialer: Any = Dialer()
    with pytest.raises(CommandError, match=r"alice can't go on: nobody\\nthere"):
        await demo_nat_libp2p._result(dialer, "ping")
