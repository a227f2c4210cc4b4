"""docs/discovery.md: its commands are run one after another and print what the page says; its programs are run."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from p2pstack import Host
from p2pstack.cli.program import _parser
from p2pstack.services.gossipsub.service import Gossipsub
from p2pstack.services.kad.config import KademliaConfig
from p2pstack.services.kad.service import Kademlia
from tests.project.sources import ROOT
from tests.services.hosts import LOOPBACK, until

PAGE = (ROOT / "docs" / "discovery.md").read_text(encoding="utf-8")
PORTS = range(4001, 4007)
SECONDS = 30.0
STAY = {("listen",), ("dht", "provide"), ("sub",), ("rendezvous", "serve"), ("rendezvous", "register")}
"""Commands that go on until they are stopped."""


def blocks(language: str) -> list[str]:
    return [block.partition("```")[0] for block in PAGE.split(f"```{language}\n")[1:]]


def steps() -> Iterator[tuple[str, list[str]]]:
    """Each command of the page, and the lines that it prints there."""
    for block in blocks("console"):
        for part in block.removeprefix("$ ").split("\n$ "):
            command, *lines = part.splitlines()
            yield command, lines


def alike(lines: list[str]) -> list[str]:
    """Lines without what differs from run to run: ids, times and the order of peers."""
    text = "\n".join(lines)
    for pattern, instead in ((r"12D3KooW\w+", "ID"), (r"[\d.]+ (?:µs|ms|s)\b", "TIME"), (r"id …\w+", "id …")):
        text = re.sub(pattern, instead, text)
    return sorted(text.splitlines())


def free_ports() -> dict[str, str]:
    """Free ports, by those of the page."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in PORTS]
        return {f"/tcp/{port}": f"/tcp/{each.getsockname()[1]}" for port, each in zip(PORTS, sockets, strict=True)}


def test_the_page_names_what_there_is() -> None:
    commands = [line for block in blocks("sh") for line in block.splitlines()] + [command for command, _ in steps()]
    read = 0
    for command in commands:
        words = shlex.split(command)
        if words[0] == "p2pstack":
            _parser().parse_args(words[1:])
            read += 1
    assert read > 15
    operations = {words[2] for words in map(str.split, commands) if words[:2] == ["p2pstack", "dht"]}
    assert operations == {"find-peer", "closest", "put", "get", "provide", "find-providers"}


class Terminal:
    """Runs the page's commands in a folder, as a shell does."""

    def __init__(self, folder: Path, stack: contextlib.ExitStack) -> None:
        self._folder = folder
        self._stack = stack
        self._ports = free_ports()
        shim = folder / "bin" / "p2pstack"
        shim.parent.mkdir()
        shim.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m p2pstack "$@"\n')
        shim.chmod(0o755)
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        self.environ = {**os.environ, "PYTHONPATH": path, "PATH": f"{shim.parent}:{os.environ['PATH']}"}

    def run(self, written: str, lines: int) -> list[str]:
        """Run a command; of one that stays the first ``lines`` are returned."""
        command = written
        for port, free in self._ports.items():
            command = command.replace(port, free)
        name, _, value = command.partition("=")
        words = command.split()
        if name.isupper():
            self.environ[name] = "".join(self._output(f'printf %s "{value}"'))
            return []
        if tuple(words[1:2]) in STAY or tuple(words[1:3]) in STAY:
            return self._back(self._start(command, lines))
        return self._back(self._output(command))

    def _output(self, command: str) -> list[str]:
        done = subprocess.run(
            ["sh", "-c", command], cwd=self._folder, env=self.environ, capture_output=True, text=True, timeout=SECONDS,
            check=False,
        )  # fmt: skip
        assert done.stderr == "", done.stderr
        return done.stdout.splitlines()

    def _start(self, command: str, lines: int) -> list[str]:
        process = self._stack.enter_context(
            subprocess.Popen(
                ["sh", "-c", f"exec {command}"], cwd=self._folder, env=self.environ, stdout=subprocess.PIPE, text=True
            )
        )
        self._stack.callback(process.terminate)
        guard = threading.Timer(SECONDS, process.kill)
        guard.start()
        assert process.stdout is not None
        printed = [process.stdout.readline().rstrip("\n") for _ in range(lines)]
        guard.cancel()
        return printed

    def _back(self, lines: list[str]) -> list[str]:
        text = "\n".join(lines)
        for port, free in self._ports.items():
            text = text.replace(free, port)
        return text.splitlines()


@pytest.mark.skipif(os.name != "posix", reason="the page's commands are a shell's")
@pytest.mark.slow
def test_the_commands_of_the_page_print_what_it_says(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        terminal = Terminal(tmp_path, stack)
        for command, expected in steps():
            if command.startswith("ENTRANCE="):
                command = "ENTRANCE=/ip4/127.0.0.1/tcp/4001/p2p/$(p2pstack id entrance.key)"  # noqa: PLW2901
            printed = terminal.run(command, len(expected))
            if expected:
                assert alike(printed) == alike(expected), command


# -- its programs


def program(name: str) -> Any:
    """The function of that name on the page."""
    [block] = [each for each in blocks("python") if f"async def {name}(" in each]
    names: dict[str, Any] = {}
    exec(compile(block, name, "exec"), names)
    return names[name]


async def test_serve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    async with Host(listen=[LOOPBACK]) as host, Kademlia(host, KademliaConfig.private("/example/kad/1.0.0")):
        await program("serve")(LOOPBACK, [str(host.full_addresses[0])])
    assert capsys.readouterr().out == f"reached 1 failed {{}} known 1\n['{host.peer_id}']\n"
    assert (tmp_path / "dht.sqlite").is_file()


async def test_join(capsys: pytest.CaptureFixture[str]) -> None:
    async with Host(listen=[LOOPBACK]) as host, Kademlia(host, KademliaConfig.private("/ipfs/kad/1.0.0")):
        await program("join")(str(host.full_addresses[0]))
    assert capsys.readouterr().out == "reached 1 serving False\n"


async def test_follow(capsys: pytest.CaptureFixture[str]) -> None:
    async with (
        Host(listen=[LOOPBACK]) as host,
        Gossipsub(host) as pubsub,
        Kademlia(host, KademliaConfig.private("/example/kad/1.0.0")),
    ):
        following = asyncio.create_task(program("follow")(str(host.full_addresses[0]), "news"))
        await until(lambda: pubsub.peers("news"))
        await pubsub.publish("news", b"hello")
        await until(lambda: "b'hello'" in capsys.readouterr().out)
        following.cancel()
        await asyncio.wait([following])


async def test_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    async with Host(listen=[LOOPBACK]) as host:
        await program("run")([str(host.full_addresses[0])])
        assert capsys.readouterr().out == f"['{host.peer_id}']\n"
