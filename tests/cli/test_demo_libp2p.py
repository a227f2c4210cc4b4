from __future__ import annotations

import pytest

from p2pstack.cli import demo_libp2p
from tests.cli.commands import Commands, process

STEPS = ["identities", "connect", "imposter", "identify", "ping", "echo", "transfer", "usage", "end"]


def test_for_people(commands: Commands) -> None:
    result = commands.run("demo", "--libp2p", "--size", "5M")
    assert (result.status, result.err) == (0, "")
    for part in (
        "alice dials bob",
        "refused",
        "/echo/1.0.0",
        "median",
        demo_libp2p.GREETING,
        "MB/s",
        "inbound_streams",
    ):
        assert part in result.out
    assert "nothing is left behind" in result.out.splitlines()[-1]


def test_for_scripts(commands: Commands) -> None:
    steps = commands.run("demo", "--libp2p", "--size", "1M", "--json", "--loop", "asyncio").json
    assert [step["step"] for step in steps] == STEPS
    by_name = {step["step"]: step for step in steps}
    assert by_name["identify"]["peer_id"] in by_name["identities"]["bob"]
    assert "expected peer" in by_name["imposter"]["refusal"]
    assert 0 < by_name["ping"]["min_us"] <= by_name["ping"]["median_us"]
    assert by_name["echo"]["answer"] == demo_libp2p.GREETING
    assert by_name["transfer"]["bytes"] == 1_000_000
    assert by_name["usage"]["connections"] == [1, 1024]
    assert by_name["end"]["seconds"] > 0


def test_without_a_transfer(commands: Commands) -> None:
    steps = commands.run("demo", "--libp2p", "--size", "0", "--json").json
    assert [step["step"] for step in steps] == [step for step in STEPS if step != "transfer"]


def test_a_stack_that_takes_anybody_would_be_noticed(monkeypatch: pytest.MonkeyPatch, commands: Commands) -> None:
    monkeypatch.setattr(demo_libp2p, "with_peer", lambda address, _: address)
    result = commands.run("demo", "--libp2p", "--size", "0")
    assert result.status == 1
    assert "accepted that is not the one that was dialled" in result.err


def test_as_a_process() -> None:
    result = process("demo", "--libp2p", "--size", "1M")
    assert (result.status, result.err) == (0, "")
    assert "\x1b" not in result.out
