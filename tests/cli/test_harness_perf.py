"""``p2pstack perf-interop``: the arguments of the official runner, and what it reads."""

from __future__ import annotations

import asyncio
import json
import re
import signal
from typing import Any

import pytest

from p2pstack.cli import harness_perf, program
from p2pstack.cli.arguments import CommandError
from p2pstack.cli.harness_perf import SERVER_KEY, _multiaddr, play
from p2pstack.errors import DialError, ProtocolNotSupported
from p2pstack.services.perf import serve_perf
from p2pstack.services.standard import Host
from tests.cli.commands import Commands, options_of, process, start

LOOPBACK = "/ip4/127.0.0.1/tcp/0"


def server(key: Any = None) -> Host:
    host = Host(key, listen=[LOOPBACK])
    serve_perf(host)
    return host


def address_of(host: Host) -> str:
    return "127.0.0.1:" + str(host.addresses[0]).rpartition("/")[2]


def lines(out: str) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in out.splitlines()]
    assert all(list(each) == ["type", "timeSeconds", "uploadBytes", "downloadBytes"] for each in found)
    return found


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("0.0.0.0:4001", "/ip4/0.0.0.0/tcp/4001"),
        ("server.example:1", "/dns/server.example/tcp/1"),
        ("[::1]:4001", "/ip6/::1/tcp/4001"),
    ],
)
def test_addresses(text: str, address: str) -> None:
    assert _multiaddr(text) == address


@pytest.mark.parametrize("text", ["", "4001", ":4001", "host:", "host:x"])
def test_what_is_no_address(text: str) -> None:
    with pytest.raises(CommandError, match="no server's address"):
        _multiaddr(text)


def test_everybody_knows_the_server() -> None:
    assert str(SERVER_KEY.peer_id) == "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        ([], False),
        (["--run-server"], True),
        (["--run-server=true"], True),
        (["--run-server", "--upload-bytes=1"], True),
        (["--run-server=false"], False),
    ],
)
def test_flags_as_the_wrappers_write_them(words: list[str], runs: bool) -> None:
    assert options_of("perf-interop", "--server-address", "a:1", *words).run_server is runs


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "--server-address"),
        (["--server-address", "a:1", "--transport", "quic-v1"], "invalid choice: 'quic-v1'"),
        (["--server-address", "a:1", "--run-server=maybe"], "neither true nor false"),
        (["--server-address", "a"], "no server's address"),
    ],
)
def test_wrong_arguments(commands: Commands, words: list[str], complaint: str) -> None:
    result = commands.run("perf-interop", *words)
    assert (result.status, result.out) == (1, "")
    assert complaint in result.err


@pytest.mark.parametrize("key", [None, SERVER_KEY], ids=["any-server", "the-known-one"])
async def test_amounts_go_over_and_the_last_line_says_so(key: Any, capsys: pytest.CaptureFixture[str]) -> None:
    async with server(key) as host:
        words = ("--transport", "tcp", "--upload-bytes", 3_000_000, "--download-bytes", "1")
        await play(options_of("perf-interop", "--server-address", address_of(host), *words))
    [final] = lines(capsys.readouterr().out)
    assert 0 < final.pop("timeSeconds") < 20
    assert final == {"type": "final", "uploadBytes": 3_000_000, "downloadBytes": 1}


@pytest.mark.parametrize("direction", ["--upload-bytes", "--download-bytes"])
async def test_lines_between_hold_what_has_gone_over_since_the_last(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], direction: str
) -> None:
    monkeypatch.setattr(harness_perf, "INTERVAL", 0.02)
    async with server() as host:
        options = options_of("perf-interop", "--server-address", address_of(host), direction, 2**53 - 1)
        task = asyncio.create_task(play(options))
        out = ""
        while out.count("\n") < 6 or not lines(out)[-1]["uploadBytes"] + lines(out)[-1]["downloadBytes"]:
            await asyncio.sleep(0)
            out += capsys.readouterr().out
        task.cancel()  # as the runner's timeout does
        await asyncio.wait([task])
    found = lines(out)
    assert {each["type"] for each in found} == {"intermediary"}
    assert all(each["timeSeconds"] >= 0.019 for each in found)
    column, other = ("uploadBytes", "downloadBytes")[:: 1 if direction == "--upload-bytes" else -1]
    assert sum(each[column] for each in found) > 1_000_000
    assert sum(each[other] for each in found) == 0


async def test_a_server_that_does_not_serve_it() -> None:
    async with Host(listen=[LOOPBACK]) as host:
        options = options_of("perf-interop", "--server-address", address_of(host), "--upload-bytes", 1)
        with pytest.raises(ProtocolNotSupported):
            await play(options)


async def test_nobody_there() -> None:
    async with server() as host:
        address = address_of(host)
    with pytest.raises(DialError):
        await play(options_of("perf-interop", "--server-address", address))


def test_as_processes() -> None:
    with start("perf-interop", "--run-server", "--server-address", "127.0.0.1:0") as running:
        assert running.stdout is not None
        line = running.stdout.readline()
        found = re.fullmatch(rf"/ip4/127\.0\.0\.1/tcp/(\d+)/p2p/{SERVER_KEY.peer_id}\n", line)
        assert found is not None
        result = process("perf-interop", "--server-address", f"127.0.0.1:{found[1]}", "--download-bytes", 100_000)
        assert (result.status, result.err) == (0, "")
        assert lines(result.out)[-1]["downloadBytes"] == 100_000
        running.send_signal(signal.SIGTERM)
        out, err = running.communicate(timeout=20)
        assert (running.returncode, out, err) == (0, "", "")


def test_it_is_a_program_of_its_own_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(program.sys, "argv", ["p2pstack-perf", "--run-server"])
    assert program.perf_interop() == 1
    assert "--server-address" in capsys.readouterr().err
