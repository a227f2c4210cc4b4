from __future__ import annotations

import json
from pathlib import Path

import pytest

from p2pstack import Host
from p2pstack.cli.people_trace import Total
from p2pstack.cli.tracefile import TraceFile
from tests.cli.commands import Commands

PEER = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"


def frame(time: float, direction: str, kind: str, flags: str, stream: int, length: int) -> dict[str, object]:
    return {
        "time": time, "connection": 1, "name": "frame",
        "direction": direction, "type": kind, "flags": flags, "stream": stream, "length": length,
    }  # fmt: skip


EVENTS: list[dict[str, object]] = [
    {"time": 0.0, "connection": 1, "name": "opened", "peer": PEER, "initiator": True},
    frame(0.25, "out", "data", "SYN", 1, 32),
    frame(0.5, "in", "data", "ACK", 1, 1500),
    frame(0.5, "in", "ping", "SYN", 0, 7),
    frame(0.5, "in", "window-update", "FIN", 1, 4096),
    {"time": 0.0, "connection": 2, "name": "odd", "text": "a\x1b[2J"},
    {"time": 1.0, "connection": 1, "name": "closed", "reason": "gone"},
]


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    path = tmp_path / "trace"
    path.write_text("".join(json.dumps(event) + "\n" for event in EVENTS))
    return path


def test_the_timeline(commands: Commands, trace: Path) -> None:
    result = commands.run("trace", trace)
    assert (result.status, result.err) == (0, "")
    lines = result.out.splitlines()
    assert lines[:7] == [
        f"    0.000000  #1   == opened  peer={PEER}  initiator=True",
        "    0.250000  #1   -> data          SYN     stream 1            32",
        "    0.500000  #1   <- data          ACK     stream 1          1500",
        "    0.500000  #1   <- ping          SYN     stream 0             7",
        "    0.500000  #1   <- window-update FIN     stream 1          4096",
        "    0.000000  #2   == odd  text=a\\x1b[2J",
        "    1.000000  #1   == closed  reason=gone",
    ]
    assert lines[9].split() == ["#1", "1.000", "3", "1", "1.5", "kB", "32", "B", "1", PEER, "gone"]


def test_one_connection_or_one_stream_of_it(commands: Commands, trace: Path) -> None:
    assert "#1" not in commands.run("trace", trace, "--connection", "2").out
    chosen = commands.run("trace", trace, "--stream", "0").out
    assert "ping" in chosen
    assert "window-update" not in chosen
    assert "opened" in chosen


def test_for_scripts_the_sums(commands: Commands, trace: Path) -> None:
    first, second = commands.run("trace", trace, "--json").json
    assert first == {
        "connection": "1", "peer": PEER, "seconds": 1.0, "frames_in": 3, "frames_out": 1,
        "bytes_in": 1500, "bytes_out": 32, "streams": 1, "end": "gone",
    }  # fmt: skip
    assert second["connection"] == "2"


def test_strange_events_are_counted_as_far_as_they_can_be() -> None:
    total = Total()
    for event in ({"time": 1, "name": "frame"}, {"time": 2, "name": "frame", "type": "data", "length": "many"}):
        total.count(event)
    assert (total.seconds, total.frames_out, total.bytes_out, total.streams) == (2.0, 2, 0, 0)


def test_a_file_that_is_no_trace(commands: Commands, tmp_path: Path) -> None:
    path = tmp_path / "trace"
    path.write_text("hello\n")
    result = commands.run("trace", path)
    assert (result.status, result.err) == (1, f"p2pstack: {path}, line 1, is no event of a trace\n")


async def test_the_trace_of_a_real_host(commands: Commands, tmp_path: Path) -> None:
    path = tmp_path / "trace"
    with TraceFile(path) as trace:
        async with Host(listen=["/ip4/127.0.0.1/tcp/0"], trace=trace.sink) as server, Host() as client:
            connection = await client.connect(server.full_addresses[0])
            await client.identify.wait(connection)
            await client.ping(server.peer_id)
            peer = str(client.peer_id)
    [total] = commands.run("trace", path, "--json").json
    assert total["peer"] == peer
    assert total["frames_in"] > 2
    assert total["bytes_out"] > 32
    assert total["streams"] >= 2
    assert "-> data" in commands.run("trace", path).out
