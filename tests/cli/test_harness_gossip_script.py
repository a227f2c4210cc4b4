from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from p2pstack.cli.arguments import CommandError
from p2pstack.cli.harness_gossip_script import (
    Connect,
    Init,
    Instruction,
    Publish,
    SetValidationDelay,
    Subscribe,
    WaitUntil,
    read_script,
)


def only_for(node: int, instruction: object) -> dict[str, object]:
    return {"type": "ifNodeIDEquals", "nodeID": node, "instruction": instruction}


def read(tmp_path: Path, *script: object, node: int = 1) -> list[Instruction]:
    path = tmp_path / "params.json"
    path.write_text(json.dumps({"script": script, "anything": "else"}))
    return read_script(path, node)


def test_every_instruction(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        {"type": "initGossipSub", "gossipSubParams": {"D": 8}},
        {"type": "connect", "connectTo": [0, 2.0]},
        {"type": "waitUntil", "elapsedSeconds": 120},
        {"type": "subscribeToTopic", "topicID": "a", "partial": False},
        {"type": "publish", "messageID": 7.0, "messageSizeBytes": 1024, "topicID": "a"},
        {"type": "setTopicValidationDelay", "topicID": "a", "delaySeconds": 0.005},
    )
    assert found == [
        Init({"D": 8}),
        Connect((0, 2)),
        WaitUntil(120),
        Subscribe("a"),
        Publish("a", 7, 1024),
        SetValidationDelay("a", 0.005),
    ]


def test_conditions_choose_what_a_node_has_to_do(tmp_path: Path) -> None:
    wait = {"type": "waitUntil", "elapsedSeconds": 1}
    partial = {"type": "publishPartial", "topicID": "a", "groupID": 1}
    script = [only_for(1, wait), only_for(2, wait), only_for(1, only_for(1, wait)), only_for(1, only_for(2, partial))]
    assert read(tmp_path, *script, node=1) == [WaitUntil(1)] * 2
    assert read(tmp_path, *script, node=2) == [WaitUntil(1)]
    assert read(tmp_path, *script, node=3) == []


def nested(depth: int) -> dict[str, Any]:
    instruction: dict[str, Any] = {"type": "waitUntil", "elapsedSeconds": 1}
    for _ in range(depth):
        instruction = only_for(1, instruction)
    return instruction


@pytest.mark.parametrize(
    ("instruction", "complaint"),
    [
        (7, "it is no object"),
        ({}, "its type None is not known"),
        ({"type": ["publish"]}, "is not known"),
        ({"type": "fly"}, "its type 'fly' is not known"),
        ({"type": "addPartialMessage", "topicID": "a", "groupID": 1, "parts": 3}, "partial messages are not impl"),
        ({"type": "publishPartial", "topicID": "a", "groupID": 1}, "partial messages are not implemented"),
        ({"type": "subscribeToTopic", "topicID": "a", "partial": True}, "partial messages are not implemented"),
        ({"type": "subscribeToTopic"}, "topicID is no text"),
        ({"type": "connect", "connectTo": 3}, "connectTo is no list"),
        ({"type": "connect", "connectTo": ["3"]}, "connectTo is no number"),
        ({"type": "waitUntil"}, "elapsedSeconds is no number"),
        ({"type": "publish", "messageID": 1, "messageSizeBytes": 7, "topicID": "a"}, "at least 8 bytes"),
        ({"type": "publish", "messageID": 1 << 64, "messageSizeBytes": 8, "topicID": "a"}, "64 bits"),
        ({"type": "initGossipSub", "gossipSubParams": [1]}, "gossipSubParams is no object"),
        (only_for(1, None), "it is no object"),
        ({"type": "ifNodeIDEquals"}, "nodeID is no number"),
        (nested(101), "too many conditions"),
    ],
)
def test_what_can_not_be_followed_is_said_with_its_place(tmp_path: Path, instruction: object, complaint: str) -> None:
    with pytest.raises(CommandError, match=complaint) as caught:
        read(tmp_path, {"type": "waitUntil", "elapsedSeconds": 1}, instruction)
    assert "params.json, instruction 2: " in str(caught.value)


def test_many_conditions(tmp_path: Path) -> None:
    assert read(tmp_path, nested(50)) == [WaitUntil(1)]


@pytest.mark.parametrize(
    ("text", "complaint"),
    [("{", "is no JSON"), ("[]", "has no script"), ('{"script":{}}', "has no script"), ("[" * 200_000, "is no JSON")],
)
def test_files_that_hold_no_script(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "params.json"
    path.write_text(text)
    with pytest.raises(CommandError, match=complaint):
        read_script(path, 0)
