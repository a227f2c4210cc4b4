from __future__ import annotations

import asyncio

import pytest

from p2pstack.cli import demo_shinkai
from p2pstack.cli.arguments import CommandError
from p2pstack.shinkai.directory.memory import MemoryDirectory
from p2pstack.shinkai.keys import NodeKeys
from p2pstack.shinkai.node import SendResult, SendState, ShinkaiNode
from tests.cli.commands import Commands, process

STEPS = ["nodes", "message", "queued", "delivered", "fallback", "end"]
MOST_SECONDS = 10.0


def test_for_people(commands: Commands) -> None:
    result = commands.run("demo")
    assert (result.status, result.err) == (0, "")
    for text in (demo_shinkai.TO_BOB, demo_shinkai.TO_CAROL, demo_shinkai.OVER_TCP):
        assert result.out.count(text) == 2
    for part in ('{"body":{"encrypted"', "by libp2p", "by tcp", "queued", "next try in", "offline"):
        assert part in result.out
    assert "nothing is left behind" in result.out.splitlines()[-1]


def test_for_scripts(commands: Commands) -> None:
    steps = commands.run("demo", "--json", "--loop", "asyncio").json
    assert [step["step"] for step in steps] == STEPS
    by_name = {step["step"]: step for step in steps}
    assert by_name["nodes"]["offline"] == [demo_shinkai.CAROL]
    assert set(by_name["nodes"]["nodes"]) == {demo_shinkai.ALICE, demo_shinkai.BOB}
    message = by_name["message"]
    assert (message["state"], message["via"], message["by"]) == ("acknowledged", "libp2p", "libp2p")
    assert (message["from"], message["text"]) == (demo_shinkai.ALICE, demo_shinkai.TO_BOB)
    assert demo_shinkai.TO_BOB not in message["wire"]
    queued = by_name["queued"]
    assert (queued["state"], queued["via"]) == ("queued", None)
    assert [way for way, _ in queued["failed"]] == ["libp2p", "tcp"]
    assert by_name["delivered"]["text"] == demo_shinkai.TO_CAROL
    fallback = by_name["fallback"]
    assert (fallback["state"], fallback["via"], fallback["by"]) == ("acknowledged", "tcp", "tcp")
    assert [way for way, _ in fallback["failed"]] == ["libp2p"]
    assert by_name["end"]["seconds"] < MOST_SECONDS


def test_as_a_process() -> None:
    result = process("demo")
    assert (result.status, result.err) == (0, "")
    assert "\x1b" not in result.out


def test_what_goes_otherwise_than_told_is_an_error() -> None:
    queued = SendResult(state=SendState.QUEUED, reason="unreachable", detail="nobody is there")
    with pytest.raises(CommandError, match="to be acknowledged, and was queued: unreachable nobody is there"):
        demo_shinkai._expect(queued, SendState.ACKNOWLEDGED, "libp2p")
    by_tcp = SendResult(state=SendState.ACKNOWLEDGED, via="tcp")
    with pytest.raises(CommandError, match="was acknowledged by tcp"):
        demo_shinkai._expect(by_tcp, SendState.ACKNOWLEDGED, "libp2p")


async def test_a_message_that_does_not_arrive_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo_shinkai, "ARRIVAL", 0.05)
    keys = NodeKeys.unsafe_deterministic(1)
    async with ShinkaiNode("@@a.shinkai", keys=keys, directory=MemoryDirectory(), listen="127.0.0.1:0") as node:
        with pytest.raises(CommandError, match=r"nothing has arrived at @@a.shinkai within 0.05 s"):
            await demo_shinkai._take(node)


async def test_nobody_listens_on_a_free_port() -> None:
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection(demo_shinkai.LOOPBACK, demo_shinkai._free_port())
