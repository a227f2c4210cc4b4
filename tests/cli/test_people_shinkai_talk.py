"""The commands that ask a node, against nodes of the test's own loop."""

from __future__ import annotations

import asyncio
import contextlib
import io
import subprocess
import sys
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from p2pstack.cli.control_actions import NodeActions
from p2pstack.cli.control_server import ControlServer
from p2pstack.cli.output import Output
from p2pstack.cli.people_shinkai_talk import _show_message, _show_result
from p2pstack.shinkai.node import ShinkaiNode
from p2pstack.shinkai.storage.config import RetryConfig
from tests.cli.commands import Commands, start
from tests.project.sources import ROOT
from tests.shinkai.node.pairs import ALICE, BOB, CAROL, QUICK, directory, running

HOUR = replace(QUICK, retry=RetryConfig(backoff_base=3_600.0))
"""What fails is tried again after the test."""


@contextlib.asynccontextmanager
async def two(folder: Path) -> AsyncIterator[tuple[ShinkaiNode, ShinkaiNode]]:
    """alice, who can be asked, and bob."""
    known = directory()
    async with (
        running(ALICE, known, config=HOUR) as alice,
        running(BOB, known) as bob,
        ControlServer(folder, NodeActions(alice).all()),
    ):
        yield alice, bob


async def test_send_for_people(tmp_path: Path, commands: Commands) -> None:
    async with two(tmp_path) as (_, bob), bob.inbox() as inbox:
        result = await commands.beside("send", BOB, "Hello", "--data", tmp_path)
        message = await anext(inbox)
        assert (result.status, result.err) == (0, "")
        assert result.out == f"Delivered and acknowledged, by libp2p.\n  {message.key}\n"
        queued = await commands.beside("send", CAROL, "Hello", "--data", tmp_path)
        assert (queued.status, queued.err) == (0, "")
        assert queued.out.startswith("Queued, next try in 60 min: libp2p: can't dial ")
        refused = await commands.beside("send", "@@nobody.shinkai", "Hello", "--data", tmp_path)
        assert (refused.status, refused.err) == (1, "")
        assert refused.out == "Refused: nobody is known as @@nobody.shinkai\n"


async def test_send_for_scripts(tmp_path: Path, commands: Commands) -> None:
    async with two(tmp_path):
        [result] = (await commands.beside("send", BOB, "Hello", "--data", tmp_path, "--json")).json
        assert (result["state"], result["via"]) == ("acknowledged", "libp2p")
        assert "end" not in result
        waited = await commands.beside("send", CAROL, "Hello", "--data", tmp_path, "--json", "--wait", "0.05")
        assert waited.status == 1
        assert [line["state"] for line in waited.json] == ["queued", "queued"]


async def test_send_waits_for_the_recipient(tmp_path: Path, commands: Commands) -> None:
    known = directory()
    async with running(ALICE, known) as alice, ControlServer(tmp_path, NodeActions(alice).all()):
        events = alice.events()
        sending = asyncio.create_task(commands.beside("send", CAROL, "Hello", "--data", tmp_path, "--wait", 20))
        await anext(events)  # queued
        async with running(CAROL, known):
            result = await sending
        assert result.status == 0
        assert "\nDelivered.\n" in result.out


async def test_a_text_from_stdin(tmp_path: Path) -> None:
    async with two(tmp_path) as (_, bob), bob.inbox() as inbox:
        with start("send", BOB, "-", "--data", tmp_path) as running_:
            out, err = await asyncio.to_thread(running_.communicate, "two\nlines\n")
        assert (running_.returncode, err) == (0, "")
        assert "Delivered" in out
        assert (await anext(inbox)).text == "two\nlines"


async def test_a_text_that_is_none(tmp_path: Path, commands: Commands) -> None:
    async with two(tmp_path):
        result = await commands.beside("send", BOB, "\udcff", "--data", tmp_path)
        assert (result.status, result.out) == (1, "")
        assert "half a character" in result.err
        long = await commands.beside("send", BOB, "x" * 3_000_000, "--data", tmp_path)
        assert "too long" in long.err


async def test_inbox(tmp_path: Path, commands: Commands) -> None:
    async with two(tmp_path) as (alice, bob):
        await bob.send_text(ALICE, "one\ntwo \x1b[31m")
        await bob.send_text(ALICE, "three")
        shown = await commands.beside("inbox", "--data", tmp_path)
        assert (shown.status, shown.err) == (0, "")
        assert [line for line in shown.out.splitlines() if line.startswith("  ")] == [
            "  one",
            r"  two \x1b[31m",
            "  three",
        ]
        assert shown.out.count(f" {BOB}\n") == 2
        assert (await commands.beside("inbox", "--data", tmp_path)).out == "There is nothing new.\n"
        assert (await commands.beside("inbox", "--data", tmp_path, "--json")).json == []
        assert (await alice.status()).messages.untaken == 0
        await alice.send_text(BOB, "answer")
        history = await commands.beside("inbox", "--history", "--data", tmp_path)
        assert history.out.count("\n") == 7
        assert f" to {BOB}\n  answer\n" in history.out
        [last] = (await commands.beside("inbox", "--history", "--limit", 1, "--data", tmp_path, "--json")).json
        assert (last["text"], last["to"], last["state"]) == ("answer", BOB, "sent")
        none = await commands.beside("inbox", "--history", "--inbox", "inbox::none", "--data", tmp_path)
        assert none.out == "There is nothing.\n"


async def test_inbox_follows_until_it_is_stopped(tmp_path: Path) -> None:
    async with two(tmp_path) as (_, bob):
        with start("inbox", "--follow", "--data", tmp_path) as following:
            assert following.stdout is not None
            await bob.send_text(ALICE, "one")
            assert (await asyncio.to_thread(following.stdout.readline)).endswith(f" {BOB}\n")
            assert await asyncio.to_thread(following.stdout.readline) == "  one\n"
            await bob.send_text(ALICE, "two")
            await asyncio.to_thread(following.stdout.readline)
            assert await asyncio.to_thread(following.stdout.readline) == "  two\n"
            following.terminate()
            await asyncio.to_thread(following.communicate)


def test_history_is_not_followed(commands: Commands) -> None:
    result = commands.run("inbox", "--history", "--follow")
    assert (result.status, result.out) == (1, "")
    assert "exclude each other" in result.err


async def test_queue(tmp_path: Path, commands: Commands) -> None:
    data = ("--data", tmp_path)
    async with two(tmp_path) as (alice, _):
        assert (await commands.beside("queue", *data)).out == "There is nothing.\n"
        assert (await commands.beside("queue", "dead", *data)).out == "There is nothing.\n"
        keys = [(await alice.send_text(CAROL, str(number))).key for number in range(2)]
        shown = await commands.beside("queue", *data)
        for part in ("why not yet", CAROL, "in 60 min", keys[0], keys[1], "refused"):
            assert part in shown.out
        assert "and 1 more: --limit N" in (await commands.beside("queue", "--limit", 1, *data)).out
        [told] = (await commands.beside("queue", "list", "--json", *data)).json
        assert {row["key"] for row in told["rows"]} == set(keys)
        retried = await commands.beside("queue", "retry", keys[0], *data)
        assert retried.out.endswith(f" to {CAROL} are tried now.\n")
        assert (await commands.beside("queue", "drop", keys[1], *data)).out == "It is forgotten.\n"
        gone = await commands.beside("queue", "drop", keys[1], *data)
        assert (gone.status, gone.err) == (1, f"p2pstack: the queue holds no message {keys[1]}\n")


async def test_dead_letters(tmp_path: Path, commands: Commands) -> None:
    config = replace(QUICK, retry=RetryConfig(max_attempts=1))
    async with (
        running(ALICE, directory(), config=config) as alice,
        ControlServer(tmp_path, NodeActions(alice).all()),
    ):
        key = (await alice.send_text(CAROL, "in vain")).key
        shown = await commands.beside("queue", "dead", "--data", tmp_path)
        for part in ("given up for", "attempts", key, "refused"):
            assert part in shown.out
        [told] = (await commands.beside("queue", "dead", "--json", "--data", tmp_path)).json
        assert told["rows"][0]["reason"] == "attempts"


@pytest.mark.parametrize("argv", [["retry"], ["drop"], ["list", "key"], ["dead", "key"]])
def test_keys_go_with_some_actions(commands: Commands, argv: list[str]) -> None:
    result = commands.run("queue", *argv)
    assert (result.status, result.out) == (1, "")
    assert "take the key of a message" in result.err


async def test_peers(tmp_path: Path, commands: Commands) -> None:
    async with two(tmp_path) as (alice, bob):
        assert (await commands.beside("peers", "--data", tmp_path)).out.endswith("Nobody is connected.\n")
        await alice.send_text(BOB, "Hello")
        shown = await commands.beside("peers", "--data", tmp_path)
        assert shown.out.startswith(f"{ALICE}, profile head\n")
        for part in ("acknowledged 1", f"shinkai-node-{BOB}", f"/ip4/127.0.0.1/tcp/{bob.listen_address.port}"):
            assert part in shown.out
        [told] = (await commands.beside("peers", "--json", "--data", tmp_path)).json
        assert (told["name"], len(told["peers"]), "end" in told) == (ALICE, 1, False)


async def test_peers_of_a_node_without_libp2p(tmp_path: Path, commands: Commands) -> None:
    async with (
        running(ALICE, directory(), config=replace(QUICK, libp2p=False)) as alice,
        ControlServer(tmp_path, NodeActions(alice).all()),
    ):
        shown = await commands.beside("peers", "--data", tmp_path)
        assert "not running: it is switched off" in shown.out


@pytest.mark.parametrize("argv", [["send", BOB, "text"], ["inbox"], ["queue"], ["peers"]])
def test_without_a_node_it_says_so(tmp_path: Path, commands: Commands, argv: list[str]) -> None:
    result = commands.run(*argv, "--data", tmp_path)
    expected = f"p2pstack: no node runs in {tmp_path}: `p2pstack node --data {tmp_path}` starts one\n"
    assert (result.status, result.out, result.err) == (1, "", expected)


def shown(function: object, values: dict[str, object]) -> str:
    stream = io.StringIO()
    function(values, Output(stream=stream))  # type: ignore[operator]
    return stream.getvalue()


def test_a_message_that_was_sent_by_a_way_without_acknowledgements() -> None:
    text = shown(_show_result, {"state": "sent", "via": "libp2p", "key": "k"})
    assert text == "Sent, by libp2p; no acknowledgement comes by this way.\n  k\n"


@pytest.mark.req("SHK-120")
@pytest.mark.parametrize(
    ("found", "words"), [("dht", ", found by the DHT"), ("relay", ", through a relay"), ("connected", ""), ("", "")]
)
def test_how_a_node_was_found_is_told_where_it_is_news(found: str, words: str) -> None:
    text = shown(_show_result, {"state": "acknowledged", "via": "libp2p", "found": found})
    assert text == f"Delivered and acknowledged, by libp2p{words}.\n"


def test_a_message_that_only_a_profile_can_read() -> None:
    text = shown(_show_message, {"at": 0.0, "from": ALICE, "to": BOB, "text": None})
    assert text.splitlines()[1:] == ["  (encrypted for a profile)"]
    assert shown(_show_message, {"at": 0.0, "from": ALICE, "to": BOB, "text": ""}).splitlines()[1:] == ["  "]


def test_the_commands_load_nothing_of_shinkai(tmp_path: Path) -> None:
    program = (
        f"import sys\nfrom p2pstack.cli import main\nmain(['peers', '--data', {str(tmp_path)!r}])\n"
        "print(sorted(name for name in sys.modules if name.startswith('p2pstack.shinkai')))"
    )
    result = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert result.stdout == "[]\n"
