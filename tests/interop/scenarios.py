"""The scenarios of libp2p's gossipsub-interop, to the measure of one machine: scripts, their run, and what is checked.

A scenario is one script for all nodes. Each runs as a process of its own on a loopback address of its own, and prints
what it receives; the lines lie in ``FOLDER/hosts/nodeN/KIND.stdout``, as the official checks expect them. Here they are
held to more than there: a line has to be as the contract says, and each message to reach all whom it is for.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import socket
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.interop.harness import ROOT, PeerFailed

__all__ = [
    "Log",
    "Pace",
    "Planned",
    "Received",
    "Scenario",
    "command_of_ours",
    "faults",
    "play",
    "read_logs",
    "simple_fanout",
    "subnet_blob",
]

Instruction = dict[str, Any]

PORT = 9000
CONNECTIONS = 6
"""A node has at least so many; officially 20 of 31."""
MESSAGES = 16
BLOBS = 48
WARM_UP = 4
"""Messages of the beginning that need not reach everybody, as officially."""
GRACE_SECONDS = 12.0
"""What a run may take longer than its script, which begins with the start of the slowest node."""
SHOWN_BYTES = 1500


@dataclass(frozen=True, slots=True)
class Pace:
    """When what happens, in seconds; officially 120, 12 and 30.

    Each node counts from its own start, and an interpreter that starts beside nine others takes a second or two more
    than a Go program: the first message waits for the last node, the end for the last message.
    """

    first: float = 8.0
    between: float = 0.4
    last: float = 4.0


@dataclass(frozen=True, slots=True)
class Planned:
    """A message of a scenario."""

    number: int
    topic: str
    publisher: int


@dataclass(frozen=True, slots=True)
class Scenario:
    """A script, and what has to come of it."""

    nodes: int
    subscribers: Mapping[str, frozenset[int]]
    """By topic."""
    messages: Sequence[Planned]
    edges: frozenset[frozenset[int]]
    """Who is connected to whom."""
    script: Sequence[Instruction]
    seconds: float

    def receivers(self, message: Planned) -> frozenset[int]:
        """Whom a message has to reach."""
        return self.subscribers[message.topic] - {message.publisher}


def subnet_blob(nodes: int, chance: random.Random, pace: Pace | None = None) -> Scenario:
    """``subnet-blob-msg``: one topic, slow to validate, in which anybody publishes 96 KiB now and then."""
    topic = "a-subnet"
    delay = {"type": "setTopicValidationDelay", "topicID": topic, "delaySeconds": 0.005}
    subscribe = [{"type": "subscribeToTopic", "topicID": topic, "partial": False}]
    subscribers = {topic: frozenset(range(nodes))}
    return _scenario(nodes, chance, pace or Pace(), subscribers, [delay], subscribe, 2048 * BLOBS)


def simple_fanout(nodes: int, chance: random.Random, pace: Pace | None = None) -> Scenario:
    """``simple-fanout``: half of the nodes are in each topic, and anybody publishes 1 KiB in any of them."""
    topics = ["topic-a", "topic-b"]
    subscribe = [
        _only(node, {"type": "subscribeToTopic", "topicID": topics[node % 2], "partial": False})
        for node in range(nodes)
    ]
    subscribers = {topic: frozenset(range(parity, nodes, 2)) for parity, topic in enumerate(topics)}
    return _scenario(nodes, chance, pace or Pace(), subscribers, [], subscribe, 1024)


def _scenario(
    nodes: int,
    chance: random.Random,
    pace: Pace,
    subscribers: Mapping[str, frozenset[int]],
    before: list[Instruction],
    subscribe: list[Instruction],
    size: int,
) -> Scenario:
    dials = _dials(nodes, chance)
    script = [_only(node, _init(node)) for node in range(nodes)] + before
    script += [_only(node, {"type": "connect", "connectTo": others}) for node, others in dials.items() if others]
    script += [*subscribe, _wait(pace.first)]
    messages, now = [], pace.first
    for number in range(MESSAGES):
        message = Planned(number, chance.choice(list(subscribers)), chance.randrange(nodes))
        messages.append(message)
        publish = {"type": "publish", "messageID": number, "messageSizeBytes": size, "topicID": message.topic}
        now += pace.between
        script += [_only(message.publisher, publish), _wait(now)]
    now += pace.last
    script.append(_wait(now))
    edges = frozenset(frozenset((node, other)) for node, others in dials.items() for other in others)
    return Scenario(nodes, subscribers, messages, edges, script, now)


def _only(node: int, instruction: Instruction) -> Instruction:
    return {"type": "ifNodeIDEquals", "nodeID": node, "instruction": instruction}


def _init(node: int) -> Instruction:
    """The heartbeats are a little apart; what is null keeps its default."""
    delay = 1e8 + 1e5 * (node + 1)
    return {"type": "initGossipSub", "gossipSubParams": {"D": None, "Dlazy": None, "HeartbeatInitialDelay": delay}}


def _wait(seconds: float) -> Instruction:
    return {"type": "waitUntil", "elapsedSeconds": seconds}


def _dials(nodes: int, chance: random.Random) -> dict[int, list[int]]:
    """Whom each node dials, so that all have enough connections and no two have two."""
    wanted = min(CONNECTIONS, nodes - 1)
    neighbours: list[set[int]] = [set() for _ in range(nodes)]
    dials: dict[int, list[int]] = {}
    for node, known in enumerate(neighbours):
        strangers = [other for other in range(nodes) if other != node and other not in known]
        dials[node] = chance.sample(strangers, max(0, wanted - len(known)))
        for other in dials[node]:
            known.add(other)
            neighbours[other].add(node)
    return dials


async def play(scenario: Scenario, commands: Mapping[int, tuple[str, Sequence[str]]], folder: Path) -> None:
    """Run a scenario to its end; ``commands`` holds the kind of each node, and how its program is started.

    Raises:
        PeerFailed: a node did not end in time, or not well; the text has what it wrote on stderr last.
    """
    addresses = _prepare(scenario, folder)
    files = ["--params", str(folder / "params.json"), "--peers-file", str(folder / "peers.json")]
    processes: dict[int, asyncio.subprocess.Process] = {}
    seconds = scenario.seconds + GRACE_SECONDS
    try:
        async with asyncio.timeout(seconds):
            for node, (kind, command) in commands.items():
                words = [*command, *files, "--node-id", str(node), "--listen", addresses[node]]
                processes[node] = await _start(words, folder / "hosts" / f"node{node}", kind)
            await asyncio.gather(*(process.wait() for process in processes.values()))
    except TimeoutError:
        pass  # whoever is still running is named below
    finally:
        statuses = {node: process.returncode for node, process in processes.items()}
        for process in processes.values():
            if process.returncode is None:
                process.kill()
                await process.wait()
    wrong = [_last_words(folder, node, status) for node, status in statuses.items() if status != 0]
    if wrong or len(statuses) < scenario.nodes:
        raise PeerFailed(f"not all of {scenario.nodes} nodes ended well within {seconds:g} s\n" + "\n".join(wrong))


def _prepare(scenario: Scenario, folder: Path) -> list[str]:
    """Write what the nodes read, and make room for what they print; returns their addresses."""
    addresses = _addresses(scenario.nodes)
    (folder / "params.json").write_text(json.dumps({"script": scenario.script}))
    (folder / "peers.json").write_text(json.dumps({str(node): address for node, address in enumerate(addresses)}))
    for node in range(scenario.nodes):
        (folder / "hosts" / f"node{node}").mkdir(parents=True)
    return addresses


async def _start(command: Sequence[str], place: Path, kind: str) -> asyncio.subprocess.Process:
    """Start a node whose output goes to files in ``place``."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    with (place / f"{kind}.stdout").open("wb") as out, (place / f"{kind}.stderr").open("wb") as errors:
        return await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=errors, cwd=ROOT,
            env={**os.environ, "PYTHONPATH": path},
        )  # fmt: skip


def command_of_ours() -> list[str]:
    """How our node is started."""
    return [sys.executable, "-m", "p2pstack", "gossipsub-interop"]


def _last_words(folder: Path, node: int, status: int | None) -> str:
    [path] = (folder / "hosts" / f"node{node}").glob("*.stderr")
    state = "was still running" if status is None else f"ended with status {status}"
    return f"--- node {node} ({path.stem}) {state}\n{path.read_text(errors='replace')[-SHOWN_BYTES:]}"


def _addresses(count: int) -> list[str]:
    """Addresses on which nobody listens: an own network of the loopback for each run, so that two can't meet."""
    for _ in range(20):
        network = f"127.{random.randrange(1, 255)}.{random.randrange(256)}"
        hosts = [f"{network}.{number}" for number in range(1, count + 1)]
        with ExitStack() as sockets:
            try:
                for host in hosts:
                    sockets.enter_context(socket.create_server((host, PORT)))
            except OSError:
                continue
        return [f"/ip4/{host}/tcp/{PORT}" for host in hosts]
    raise AssertionError("no network of the loopback is free")


@dataclass(frozen=True, slots=True)
class Received:
    """A message that came to a node, perhaps not for the first time."""

    number: int
    topic: str
    sender: str


@dataclass(slots=True)
class Log:
    """What one node has printed."""

    kind: str
    peer_id: str
    received: list[Received] = field(default_factory=list)


def read_logs(folder: Path) -> dict[int, Log]:
    """What all nodes have printed, by their numbers.

    Raises:
        AssertionError: a line is not as the contract has it.
    """
    logs: dict[int, Log] = {}
    for path in sorted(folder.glob("hosts/*/*.stdout")):
        node = int(path.parent.name.removeprefix("node"))
        assert node not in logs, f"{path}: there is another log of this node"
        first, *rest = [_values(line) for line in path.read_text(encoding="utf-8").splitlines()]
        assert first["msg"] == "PeerID", f"{path} begins with {first}"
        assert first["node_id"] == node
        assert first["id"].startswith("12D3KooW")
        logs[node] = Log(path.stem, first["id"], [_received(each) for each in rest])
    return logs


def _values(line: str) -> dict[str, Any]:
    values = json.loads(line)
    assert isinstance(values, dict), line
    # Some checks look for texts in lines.
    assert json.dumps(values, separators=(",", ":"), ensure_ascii=False) == line, f"not compact: {line}"
    assert datetime.fromisoformat(values["time"]).tzinfo is not None, f"a time of nowhere: {line}"
    return values


def _received(values: dict[str, Any]) -> Received:
    assert values["msg"] == "Received Message", values
    number = values["id"]
    assert isinstance(number, str), values
    assert str(int(number)) == number, values
    assert 0 <= int(number) < 1 << 64, values
    return Received(int(number), values["topic"], values["from"])


def faults(scenario: Scenario, logs: Mapping[int, Log], skip: int = WARM_UP) -> list[str]:
    """What is wrong with a run: messages that did not reach all, or came to others; the first ``skip`` need not."""
    found = [f"node {node} printed nothing" for node in range(scenario.nodes) if node not in logs]
    nodes = {log.peer_id: node for node, log in logs.items()}
    if len(nodes) < len(logs):
        found.append("two nodes are the same peer")
    planned = {(message.number, message.topic) for message in scenario.messages}
    for node, log in logs.items():
        for each in log.received:
            if (each.number, each.topic) not in planned or node not in scenario.subscribers[each.topic]:
                found.append(f"node {node} received {each}, which is not for it")
            if frozenset((nodes.get(each.sender, node), node)) not in scenario.edges:
                found.append(f"node {node} received {each}, from no neighbour")
    for message in scenario.messages[skip:]:
        reached = {node for node, log in logs.items() if message.number in {each.number for each in log.received}}
        if missing := sorted(scenario.receivers(message) - reached):
            found.append(f"{message} did not reach the nodes {missing}")
    return found
