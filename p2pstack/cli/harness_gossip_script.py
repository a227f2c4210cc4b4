"""The script of a gossipsub-interop scenario, read for one node: what it has to do, one thing after another.

A scenario has one script for all nodes; what only another node has to do is left out here.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from p2pstack.cli.arguments import CommandError
from p2pstack.cli.harness_gossip_params import number, whole

__all__ = [
    "Connect",
    "Init",
    "Instruction",
    "Publish",
    "SetValidationDelay",
    "Subscribe",
    "WaitUntil",
    "read_script",
]

MAX_DEPTH = 100
"""Conditions inside each other."""

PARTIAL = ("addPartialMessage", "publishPartial")

MAX_NUMBER = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class Init:
    """Start gossipsub with go's parameters."""

    params: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Connect:
    """Dial these nodes."""

    nodes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WaitUntil:
    """Wait until so many seconds have passed since the start."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Subscribe:
    """Join a topic."""

    topic: str


@dataclass(frozen=True, slots=True)
class Publish:
    """Publish a message of ``size`` bytes, which begins with its number."""

    topic: str
    number: int
    size: int


@dataclass(frozen=True, slots=True)
class SetValidationDelay:
    """Accept each message of a topic after so many seconds only."""

    topic: str
    seconds: float


Instruction: TypeAlias = Init | Connect | WaitUntil | Subscribe | Publish | SetValidationDelay

_Fields = Mapping[str, object]


def read_script(path: Path, node: int) -> list[Instruction]:
    """Read what ``node`` has to do from a params file.

    Raises:
        CommandError: it is no script, or asks for what is not implemented.
        OSError: the file can't be read.
    """
    try:
        params = json.loads(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise CommandError(f"{path} is no JSON: {error}") from error
    script = params.get("script") if isinstance(params, dict) else None
    if not isinstance(script, list):
        raise CommandError(f"{path} has no script")
    found = []
    for position, each in enumerate(script, 1):
        try:
            instruction = _read(each, node)
        except CommandError as error:
            raise CommandError(f"{path}, instruction {position}: {error}") from error
        if instruction is not None:
            found.append(instruction)
    return found


def _read(instruction: object, node: int) -> Instruction | None:
    """Read one instruction; None where it is for another node."""
    for _ in range(MAX_DEPTH):
        if not isinstance(instruction, dict):
            raise CommandError("it is no object")
        kind = instruction.get("type")
        if kind != "ifNodeIDEquals":
            break
        if whole(instruction.get("nodeID"), "nodeID") != node:
            return None
        instruction = instruction.get("instruction")
    else:
        raise CommandError("too many conditions inside each other")
    if kind in PARTIAL or instruction.get("partial"):
        raise CommandError(f"{kind}: partial messages are not implemented")
    if not isinstance(kind, str) or kind not in _READERS:
        raise CommandError(f"its type {kind!r} is not known")
    return _READERS[kind](instruction)


def _init(fields: _Fields) -> Instruction:
    params = fields.get("gossipSubParams") or {}
    if not isinstance(params, dict):
        raise CommandError("gossipSubParams is no object")
    return Init(params)


def _connect(fields: _Fields) -> Instruction:
    nodes = fields.get("connectTo")
    if not isinstance(nodes, list):
        raise CommandError("connectTo is no list")
    return Connect(tuple(whole(each, "connectTo") for each in nodes))


def _wait(fields: _Fields) -> Instruction:
    return WaitUntil(number(fields.get("elapsedSeconds"), "elapsedSeconds"))


def _subscribe(fields: _Fields) -> Instruction:
    return Subscribe(_topic(fields))


def _publish(fields: _Fields) -> Instruction:
    size = whole(fields.get("messageSizeBytes"), "messageSizeBytes")
    message = whole(fields.get("messageID"), "messageID")
    if size < 8 or message > MAX_NUMBER:
        raise CommandError("a message has at least 8 bytes, and its id at most 64 bits")
    return Publish(_topic(fields), message, size)


def _delay(fields: _Fields) -> Instruction:
    return SetValidationDelay(_topic(fields), number(fields.get("delaySeconds"), "delaySeconds"))


def _topic(fields: _Fields) -> str:
    topic = fields.get("topicID")
    if not isinstance(topic, str):
        raise CommandError("topicID is no text")
    return topic


_READERS: dict[str, Callable[[_Fields], Instruction]] = {
    "initGossipSub": _init,
    "connect": _connect,
    "waitUntil": _wait,
    "subscribeToTopic": _subscribe,
    "publish": _publish,
    "setTopicValidationDelay": _delay,
}
