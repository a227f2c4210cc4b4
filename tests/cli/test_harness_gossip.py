"""``p2pstack gossipsub-interop``, up to a small scenario of several nodes in the test's own loop."""

from __future__ import annotations

import asyncio
import json
import socket
from collections import Counter
from contextlib import ExitStack
from pathlib import Path
from time import monotonic

import pytest

from p2pstack.cli import harness_gossip, program
from p2pstack.cli.arguments import CommandError
from p2pstack.cli.harness_gossip import _addresses, _node_of, play
from p2pstack.cli.harness_gossip_node import node_key
from tests.cli.commands import Commands, Console, options_of, process

NODES = 6
BLOB = 98_304


def free_ports(number: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on."""
    with ExitStack() as stack:
        servers = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(number)]
        return [int(server.getsockname()[1]) for server in servers]


def only_for(node: int, **instruction: object) -> dict[str, object]:
    return {"type": "ifNodeIDEquals", "nodeID": node, "instruction": instruction}


def write(path: Path, values: object) -> Path:
    path.write_text(json.dumps(values))
    return path


def scenario(tmp_path: Path) -> Path:
    """As the official one with blobs: staggered heartbeats, slow validation, a ring with chords."""
    script: list[dict[str, object]] = [
        only_for(
            node,
            type="initGossipSub",
            gossipSubParams={"HeartbeatInitialDelay": 1e8 + node * 1e5, "HeartbeatInterval": 3e8, "D": None},
        )
        for node in range(NODES)
    ]
    script.append({"type": "setTopicValidationDelay", "topicID": "blobs", "delaySeconds": 0.005})
    for node in range(NODES):
        script.append(only_for(node, type="connect", connectTo=[(node + 1) % NODES, (node + 2) % NODES]))
    script.append({"type": "subscribeToTopic", "topicID": "blobs", "partial": False})
    script.append({"type": "waitUntil", "elapsedSeconds": 2})
    for number in range(4):
        publish = {"messageID": number, "messageSizeBytes": BLOB, "topicID": "blobs"}
        script.append(only_for(number, type="publish", **publish))
    script.append({"type": "waitUntil", "elapsedSeconds": 4})
    return write(tmp_path / "params.json", {"script": script})


async def test_a_scenario_reaches_all(console: Console, tmp_path: Path) -> None:
    ports = free_ports(NODES)
    listen = [f"/ip4/127.0.0.1/tcp/{port}" for port in ports]
    peers = write(tmp_path / "peers.json", {str(node): address for node, address in enumerate(listen)})
    params = scenario(tmp_path)
    started = monotonic()
    async with asyncio.TaskGroup() as group:
        for node in range(NODES):
            argv = ("--params", params, "--node-id", node, "--listen", listen[node], "--peers-file", peers)
            group.create_task(play(options_of("gossipsub-interop", *argv), started))
    assert 4 <= monotonic() - started < 20
    starts = {event["node_id"]: event["id"] for event in console.events if event["msg"] == "PeerID"}
    assert starts == {node: str(node_key(node).peer_id) for node in range(NODES)}
    received = Counter(event["id"] for event in console.events if event["msg"] == "Received Message")
    assert set(received) == {"0", "1", "2", "3"}
    assert all(number >= NODES - 1 for number in received.values())


def test_as_a_process_it_ends_with_its_script(tmp_path: Path) -> None:
    params = write(tmp_path / "params.json", {"script": [{"type": "waitUntil", "elapsedSeconds": 0}]})
    listen = "/ip4/127.0.0.1/tcp/0"
    result = process("gossipsub-interop", "--params", params, "--node-id", 7, "--listen", listen)
    assert (result.status, result.err) == (0, "")
    [line] = result.json
    assert (line["msg"], line["node_id"], line["id"]) == ("PeerID", 7, str(node_key(7).peer_id))


def test_partial_messages_are_refused_before_anything_begins(commands: Commands, tmp_path: Path) -> None:
    script = [{"type": "subscribeToTopic", "topicID": "a", "partial": True}]
    params = write(tmp_path / "params.json", {"script": script})
    result = commands.run("gossipsub-interop", "--params", params, "--node-id", 0)
    assert (result.status, result.out) == (1, "")
    assert result.err.endswith("instruction 1: subscribeToTopic: partial messages are not implemented\n")


def test_it_is_a_program_of_its_own_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setattr(program.sys, "argv", ["p2pstack-gossipsub-interop", "--params", str(tmp_path / "none.json")])
    monkeypatch.setattr(harness_gossip.socket, "gethostname", lambda: "node3")
    assert program.gossipsub_interop() == 1
    assert "none.json: No such file" in capsys.readouterr().err


def test_the_name_of_the_host_tells_the_node() -> None:
    assert _node_of("node0") == 0
    assert _node_of("node12.shadow") == 12
    for name in ("", "nodes", "mynode3"):
        with pytest.raises(CommandError, match="--node-id"):
            _node_of(name)


@pytest.mark.parametrize("node", ["-1", "x", "²", str(1 << 31)])
def test_numbers_of_nodes(commands: Commands, node: str) -> None:
    assert "no number of a node" in commands.run("gossipsub-interop", "--params", "x", f"--node-id={node}").err


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{", "is no JSON"),
        ("[]", "has no addresses by node"),
        ('{"0": 1}', "has no addresses by node"),
        ('{"a": "/ip4/127.0.0.1/tcp/1"}', "'a' is no number of a node"),
    ],
)
def test_files_of_addresses(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "peers.json"
    path.write_text(text)
    with pytest.raises(CommandError, match=complaint):
        _addresses(path)
