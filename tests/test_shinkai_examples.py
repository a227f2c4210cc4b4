"""The programs examples/shinkai_*.py, and the commands of docs/shinkai.md, as somebody would start them."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from p2pstack.cli.program import _parser
from p2pstack.shinkai.keys import secret_to_hex
from p2pstack.shinkai.node import SendState
from tests.cli.shinkai import ENVIRONMENT, People
from tests.project.sources import ROOT
from tests.shinkai.node.pairs import ALICE, BOB, directory, running, take

EXAMPLES = sorted((ROOT / "examples").glob("shinkai_*.py"))
PAGE = (ROOT / "docs" / "shinkai.md").read_text(encoding="utf-8")
SECONDS = 30.0
ENVIRON = {
    **{name: value for name, value in os.environ.items() if name not in ENVIRONMENT},
    "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")])),
    "PYTHONUNBUFFERED": "1",
}


def blocks(language: str) -> list[str]:
    return [block.partition("```")[0] for block in PAGE.split(f"```{language}\n")[1:]]


@pytest.mark.parametrize("path", EXAMPLES, ids=[path.name for path in EXAMPLES])
def test_the_page_shows_the_very_program(path: Path) -> None:
    assert path.read_text(encoding="utf-8") in blocks("python")
    assert f"(../examples/{path.name})" in PAGE


def test_there_are_examples() -> None:
    assert {"shinkai_pair.py", "shinkai_echo.py"} == {path.name for path in EXAMPLES}


def test_pair() -> None:
    command = [sys.executable, "-W", "error", str(ROOT / "examples" / "shinkai_pair.py")]
    result = subprocess.run(command, env=ENVIRON, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "acknowledged by libp2p\n@@bob.shinkai writes: You said: Hello Bob\n"


@contextlib.asynccontextmanager
async def example(name: str, *arguments: object, environ: dict[str, str]) -> AsyncIterator[asyncio.subprocess.Process]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "examples" / name), *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
        env={**ENVIRON, **environ},
    )
    try:
        yield process
    finally:
        process.terminate()
        await process.communicate()


async def line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(SECONDS):
        return (await process.stdout.readline()).decode()


async def test_echo(tmp_path: Path) -> None:
    people, known = People(tmp_path), directory()
    keys = people.keys(BOB)
    environ = {
        "IDENTITY_SECRET_KEY": secret_to_hex(keys.signature),
        "ENCRYPTION_SECRET_KEY": keys.encryption.to_hex(),
    }
    async with running(ALICE, known) as alice:
        people.list(ALICE, str(alice.listen_address))
        arguments = (BOB, "127.0.0.1:0", people.directory, tmp_path / "echo")
        async with example("shinkai_echo.py", *arguments, environ=environ) as program:
            address = (await line(program)).removeprefix("listening on ").strip()
            result = await alice.send(alice.builder(BOB).text("Hello").build(), peer=address)
            assert result.state is SendState.ACKNOWLEDGED
            assert [message.text for message in await take(alice, 1)] == ["You said: Hello"]
            assert await line(program) == f"{ALICE} wrote, and was answered: acknowledged\n"


def commands() -> list[str]:
    return [each for block in blocks("sh") for each in block.splitlines()]


def test_the_page_names_what_there_is() -> None:
    """Every command of the page is one, and every argument of `p2pstack node` is on it, as is every variable."""
    for command in commands():
        for part in command.split(" | "):
            words = shlex.split(part.partition(" > ")[0])
            assert words[0] == "p2pstack"
            _parser().parse_args(words[1:])
    usage = PAGE.partition("    p2pstack node [")[2].partition("\n\n")[0]
    # "[--name NAME] [-h]" -> the arguments but for the help
    shown = subprocess.run(
        [sys.executable, "-m", "p2pstack", "node", "--help"], env=ENVIRON, capture_output=True, text=True, check=True
    )
    arguments = set(re.findall(r"--[a-z0-9-]+", shown.stdout)) - {"--help"}
    assert arguments == set(re.findall(r"--[a-z0-9-]+", "[" + usage))
    assert [name for name in ENVIRONMENT if f"`{name}`" not in PAGE] == []


def free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@pytest.mark.skipif(os.name != "posix", reason="the page's commands are a shell's")
def test_the_commands_of_the_page_work_one_after_another(tmp_path: Path) -> None:
    ports = free_ports(2)
    run = [sys.executable, "-m", "p2pstack"]
    outputs: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        for written in commands():
            command = written.replace("9552", str(ports[0])).replace("9562", str(ports[1]))
            if command.startswith("p2pstack node"):
                node = stack.enter_context(
                    subprocess.Popen(
                        [*run, *shlex.split(command)[1:], "--json"], cwd=tmp_path, env=ENVIRON, stdout=subprocess.PIPE
                    )
                )
                stack.callback(node.terminate)
                assert node.stdout is not None
                assert b'"started"' in node.stdout.readline()
                continue
            text = command.replace("p2pstack ", shlex.join(run) + " ")
            done = subprocess.run(
                ["sh", "-c", text],
                cwd=tmp_path,
                env=ENVIRON,
                capture_output=True,
                text=True,
                timeout=SECONDS,
                check=False,
            )
            assert (done.returncode, done.stderr) == (0, ""), command
            outputs[command.split(" ")[1]] = done.stdout
    assert outputs["send"].startswith("Delivered and acknowledged, by libp2p.")
    assert "  Hello Bob\n" in outputs["inbox"]
    assert "shinkai-node-@@bob.shinkai" in outputs["peers"]
    assert outputs["queue"] == "There is nothing.\n"
    assert outputs["identity"].startswith("@@alice.shinkai\n")
