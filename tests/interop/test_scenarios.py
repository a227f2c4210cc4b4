"""scenarios.py: what the scripts are like, and that the checks see what is wrong. One node runs here, in vain."""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.interop import scenarios
from tests.interop.harness import PeerFailed
from tests.interop.scenarios import Log, Pace, Received, Scenario, faults, play, read_logs, simple_fanout, subnet_blob

PEERS = ["12D3KooWzero", "12D3KooWone", "12D3KooWtwo"]
TIME = "2026-01-02T03:04:05.678901+00:00"

each_shape = pytest.mark.parametrize("shape", [subnet_blob, simple_fanout])


def instructions(scenario: Scenario, kind: str) -> list[tuple[int | None, dict[str, Any]]]:
    """All instructions of a kind, with the node that they are for."""
    found = []
    for each in scenario.script:
        node, inner = (each["nodeID"], each["instruction"]) if each["type"] == "ifNodeIDEquals" else (None, each)
        if inner["type"] == kind:
            found.append((node, inner))
    return found


@each_shape
@pytest.mark.parametrize("nodes", [2, 10])
def test_everybody_can_be_reached_within_each_topic(shape: Callable[..., Scenario], nodes: int) -> None:
    scenario = shape(nodes, random.Random(3))
    dials = [
        frozenset((node, other)) for node, each in instructions(scenario, "connect") for other in each["connectTo"]
    ]
    assert len(dials) == len(set(dials)), "two are connected once"
    assert set(dials) == scenario.edges
    assert all(sum(node in edge for edge in dials) >= min(6, nodes - 1) for node in range(nodes))
    for members in scenario.subscribers.values():
        reached = {min(members)}
        for _ in members:
            reached |= {node for edge in scenario.edges if edge & reached for node in edge & members}
        assert reached == members


@each_shape
def test_the_script_does_one_thing_after_another(shape: Callable[..., Scenario]) -> None:
    scenario = shape(10, random.Random(3), Pace(first=5, between=0.25, last=1))
    started = instructions(scenario, "initGossipSub")
    assert [node for node, _ in started] == list(range(10))
    delays = [each["gossipSubParams"]["HeartbeatInitialDelay"] for _, each in started]
    assert {round(late - early) for early, late in pairwise(delays)} == {100_000}, "nanoseconds"
    waits = [each["elapsedSeconds"] for _, each in instructions(scenario, "waitUntil")]
    assert waits == [5, *(5 + 0.25 * number for number in range(1, 17)), 10]
    assert scenario.seconds == 10
    published = instructions(scenario, "publish")
    assert [(node, each["topicID"]) for node, each in published] == [
        (message.publisher, message.topic) for message in scenario.messages
    ]
    assert [each["messageID"] for _, each in published] == list(range(16))
    assert {each["messageSizeBytes"] for _, each in published} == {98_304 if shape is subnet_blob else 1024}
    kinds = [each.get("instruction", each)["type"] for each in scenario.script]
    order = ["initGossipSub", *["setTopicValidationDelay"] * (shape is subnet_blob), "connect", "subscribeToTopic"]
    assert list(dict.fromkeys(kinds)) == [*order, "waitUntil", "publish"]


def test_in_a_fanout_some_publish_where_they_are_not_subscribed() -> None:
    scenario = simple_fanout(10, random.Random(3))
    assert scenario.subscribers == {"topic-a": {0, 2, 4, 6, 8}, "topic-b": {1, 3, 5, 7, 9}}
    assert {message.publisher in scenario.subscribers[message.topic] for message in scenario.messages} == {True, False}
    assert {len(scenario.receivers(message)) for message in scenario.messages} == {4, 5}


def good_run() -> tuple[Scenario, dict[int, Log]]:
    """Three nodes, and what they print when all is well: each message comes from its publisher, to some twice."""
    scenario = subnet_blob(3, random.Random(1))
    logs = {node: Log("go", peer) for node, peer in enumerate(PEERS)}
    for message in scenario.messages:
        for node in scenario.receivers(message):
            logs[node].received += [Received(message.number, message.topic, PEERS[message.publisher])] * (1 + node % 2)
    return scenario, logs


def test_a_good_run_has_no_faults() -> None:
    assert faults(*good_run()) == []


def test_a_message_that_does_not_reach_one_node() -> None:
    scenario, logs = good_run()
    for number in (3, 4):
        node = min(scenario.receivers(scenario.messages[number]))
        logs[node].received = [each for each in logs[node].received if each.number != number]
    [found] = faults(scenario, logs)
    assert "number=4" in found, "the first four may be lost"
    assert len(faults(scenario, logs, skip=0)) == 2


def test_messages_that_reach_nobody() -> None:
    scenario, logs = good_run()
    assert len(faults(scenario, {node: replace(log, received=[]) for node, log in logs.items()})) == 12


def test_a_node_that_printed_nothing() -> None:
    scenario, logs = good_run()
    del logs[1]
    assert "node 1 printed nothing" in faults(scenario, logs)


def test_two_nodes_with_one_name() -> None:
    scenario, logs = good_run()
    logs[2].peer_id = logs[0].peer_id
    assert "two nodes are the same peer" in faults(scenario, logs)


@pytest.mark.parametrize(
    ("received", "words"),
    [
        (Received(16, "a-subnet", PEERS[1]), "not for it"),
        (Received(5, "topic-a", PEERS[1]), "not for it"),
        (Received(5, "a-subnet", PEERS[0]), "no neighbour"),
        (Received(5, "a-subnet", "12D3KooWfour"), "no neighbour"),
    ],
    ids=["unknown", "other-topic", "of-itself", "of-a-stranger"],
)
def test_a_message_that_should_not_be_there(received: Received, words: str) -> None:
    scenario, logs = good_run()
    logs[0].received.append(received)
    [found] = faults(scenario, logs)
    assert words in found


def test_in_a_fanout_nobody_gets_what_is_for_the_others() -> None:
    scenario = simple_fanout(3, random.Random(1))
    logs = {node: Log("go", peer) for node, peer in enumerate(PEERS)}
    message = next(each for each in scenario.messages if each.topic == "topic-a")
    logs[1].received.append(Received(message.number, "topic-a", PEERS[0]))
    assert "not for it" in faults(scenario, logs)[0]


FIRST = {"time": TIME, "msg": "PeerID", "id": PEERS[0], "node_id": 0}
SECOND = {"time": TIME, "msg": "Received Message", "id": "18446744073709551615", "from": PEERS[1], "topic": "t"}


def written(folder: Path, lines: list[str], node: int = 0, name: str = "go.stdout") -> Path:
    place = folder / "hosts" / f"node{node}"
    place.mkdir(parents=True, exist_ok=True)
    (place / name).write_text("".join(f"{line}\n" for line in lines))
    return folder


def compact(values: dict[str, Any]) -> str:
    return json.dumps(values, separators=(",", ":"))


def test_logs_are_read(tmp_path: Path) -> None:
    written(tmp_path, [compact(FIRST), compact(SECOND)])
    written(tmp_path, [compact(FIRST | {"node_id": 1, "id": PEERS[1]})], 1, "p2pstack.1000.stdout")
    written(tmp_path, ["anything"], 1, "p2pstack.1000.stderr")
    assert read_logs(tmp_path) == {
        0: Log("go", PEERS[0], [Received((1 << 64) - 1, "t", PEERS[1])]),
        1: Log("p2pstack.1000", PEERS[1], []),
    }


@pytest.mark.parametrize(
    "lines",
    [
        [compact(SECOND)],
        [compact(FIRST | {"node_id": 1})],
        [compact(FIRST | {"node_id": "0"})],
        [compact(FIRST | {"id": "Qm"})],
        [compact(FIRST), json.dumps(SECOND)],
        [compact(FIRST), "[]"],
        [compact(FIRST), compact(FIRST)],
        [compact(FIRST), compact(SECOND | {"id": 5})],
        [compact(FIRST), compact(SECOND | {"id": "05"})],
        [compact(FIRST), compact(SECOND | {"id": "-1"})],
        [compact(FIRST), compact(SECOND | {"id": str(1 << 64)})],
        [compact(FIRST), compact(SECOND | {"time": "2026-01-02T03:04:05"})],
    ],
    ids=["no-name", "other-node", "node-as-text", "no-peer", "spaces", "no-object", "named-twice", "number", "octal",
         "negative", "too-long", "no-zone"],
)  # fmt: skip
def test_logs_against_the_contract(tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(AssertionError):
        read_logs(written(tmp_path, lines))


@pytest.mark.parametrize("line", ["message 5 delivered", compact(SECOND | {"time": "yesterday"})])
def test_lines_that_cannot_be_read(tmp_path: Path, line: str) -> None:
    with pytest.raises(ValueError, match=r"Expecting value|Invalid isoformat"):
        read_logs(written(tmp_path, [compact(FIRST), line]))


def test_two_logs_of_one_node(tmp_path: Path) -> None:
    written(tmp_path, [compact(FIRST)])
    with pytest.raises(AssertionError, match="another log"):
        read_logs(written(tmp_path, [compact(FIRST)], name="other.stdout"))


on_linux = pytest.mark.skipif(sys.platform != "linux", reason="nodes are told apart by their loopback address")


@on_linux
@pytest.mark.parametrize(
    ("program", "seconds", "words"),
    [
        ("import sys; sys.exit('no luck')", 20.0, "ended with status 1\nno luck"),
        ("import threading; threading.Event().wait()", 0.5, "was still running"),
    ],
    ids=["ends-badly", "does-not-end"],
)
async def test_a_node_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, seconds: float, words: str
) -> None:
    monkeypatch.setattr(scenarios, "GRACE_SECONDS", seconds)
    scenario = replace(subnet_blob(1, random.Random(1)), seconds=0.0)
    with pytest.raises(PeerFailed, match=words):
        await play(scenario, {0: ("mine", [sys.executable, "-c", program])}, tmp_path)


@on_linux
async def test_what_a_node_is_told(tmp_path: Path) -> None:
    program = "import sys; print(*sys.argv[1:], sep='\\n')"
    scenario = subnet_blob(2, random.Random(1))
    commands = {node: ("mine", [sys.executable, "-c", program]) for node in range(2)}
    await play(scenario, commands, tmp_path)
    words = (tmp_path / "hosts" / "node1" / "mine.stdout").read_text().splitlines()
    options = dict(zip(words[::2], words[1::2], strict=True))
    assert set(options) == {"--params", "--node-id", "--listen", "--peers-file"}
    assert options["--node-id"] == "1"
    assert options["--params"] == str(tmp_path / "params.json")
    assert json.loads((tmp_path / "params.json").read_text()) == {"script": scenario.script}
    assert options["--peers-file"] == str(tmp_path / "peers.json")
    addresses = json.loads((tmp_path / "peers.json").read_text())
    assert list(addresses) == ["0", "1"]
    assert addresses["1"] == options["--listen"]
    assert addresses["1"].startswith("/ip4/127.")
