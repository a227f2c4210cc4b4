"""The actions by their requests, against nodes of the test's own loop."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from p2pstack.cli import control_actions
from p2pstack.cli.arguments import CommandError
from p2pstack.cli.control_actions import NodeActions, result_values
from p2pstack.cli.control_client import ControlClient, connect
from p2pstack.cli.control_server import ControlServer
from p2pstack.shinkai.directory.memory import MemoryDirectory
from p2pstack.shinkai.keys import NodeKeys
from p2pstack.shinkai.node import Attempt, SendResult, SendState, ShinkaiNode
from p2pstack.shinkai.storage.config import RetryConfig
from tests.shinkai.node.pairs import ALICE, BOB, CAROL, QUICK, directory, running, until


@contextlib.asynccontextmanager
async def controlled(folder: Path, node: ShinkaiNode) -> AsyncIterator[ControlClient]:
    """A client of a node's socket; for one request."""
    async with ControlServer(folder, NodeActions(node).all()), connect(folder) as client:
        yield client


async def ask(folder: Path, node: ShinkaiNode, **request: Any) -> list[dict[str, Any]]:
    """All replies to a request that needs no answer."""
    async with controlled(folder, node) as client:
        await client.ask(**request)
        replies = [await client.reply()]
        while "end" not in replies[-1]:
            replies.append(await client.reply())
        return replies


async def complaint(folder: Path, node: ShinkaiNode, **request: Any) -> str:
    with pytest.raises(CommandError) as caught:
        await ask(folder, node, **request)
    return str(caught.value)


@contextlib.asynccontextmanager
async def two(known: MemoryDirectory | None = None) -> AsyncIterator[tuple[ShinkaiNode, ShinkaiNode]]:
    known = known or directory()
    async with running(ALICE, known) as alice, running(BOB, known) as bob:
        yield alice, bob


async def test_send(tmp_path: Path) -> None:
    async with two() as (alice, bob):
        [reply] = await ask(tmp_path, alice, do="send", to="bob", text="Hello", wait=5)
        assert (reply["state"], reply["via"], reply["attempts"]) == ("acknowledged", "libp2p", [])
        async with bob.inbox() as inbox:
            message = await anext(inbox)
        assert (message.text, message.key) == ("Hello", reply["key"])


async def test_send_to_whom_nobody_knows(tmp_path: Path) -> None:
    async with running(ALICE, directory()) as alice:
        [reply] = await ask(tmp_path, alice, do="send", to="@@nobody.shinkai", text="Hello", wait=5)
        assert (reply["state"], reply["reason"]) == ("refused", "unknown-identity")
        assert "Shinkai name" in await complaint(tmp_path, alice, do="send", to="no name!", text="")
        assert await complaint(tmp_path, alice, do="send", to=5, text="") == "to is no text"
        for wrong in ("1", -1, True, float("inf")):
            assert "no number of seconds" in await complaint(tmp_path, alice, do="send", to="bob", text="", wait=wrong)


async def test_send_waits_until_a_queued_message_is_delivered(tmp_path: Path) -> None:
    known = directory()
    async with running(ALICE, known) as alice, controlled(tmp_path, alice) as client:
        await client.ask(do="send", to=CAROL, text="Hello", wait=20)
        first = await client.reply()
        assert (first["state"], first["reason"]) == ("queued", "unreachable")
        assert [attempt["way"] for attempt in first["attempts"]] == ["libp2p", "tcp"]
        async with running(CAROL, known):
            assert await client.reply() == {"end": True, "state": "delivered", "key": first["key"]}


async def test_send_waits_no_longer_than_asked_for(tmp_path: Path) -> None:
    async with running(ALICE, directory()) as alice:
        first, last = await ask(tmp_path, alice, do="send", to=BOB, text="Hello", wait=0.05)
        assert (first["state"], last["state"], last["key"]) == ("queued", "queued", first["key"])
        [alone] = await ask(tmp_path, alice, do="send", to=BOB, text="Hello")
        assert alone["state"] == "queued"


async def test_send_tells_when_a_message_is_given_up(tmp_path: Path) -> None:
    config = replace(QUICK, retry=RetryConfig(max_attempts=2, backoff_base=0.05, backoff_max=0.05))
    async with running(ALICE, directory(), config=config) as alice:
        first, last = await ask(tmp_path, alice, do="send", to=BOB, text="Hello", wait=20)
        assert (first["state"], last["state"], last["reason"]) == ("queued", "refused", "dead-attempts")


async def test_a_client_that_leaves_changes_nothing_for_its_message(tmp_path: Path) -> None:
    async with running(ALICE, directory()) as alice, ControlServer(tmp_path, NodeActions(alice).all()) as server:
        async with connect(tmp_path) as client:
            await client.ask(do="send", to=BOB, text="Hello", wait=1000)
            await client.reply()
        await until(lambda: not server._tasks)
        assert (await alice.queue.stats()).rows == 1


async def take(client: ControlClient, count: int) -> list[str]:
    texts = []
    for _ in range(count):
        message = (await client.reply())["message"]
        texts.append(message["text"])
        await client.ask(taken=message["key"])
    return texts


async def test_inbox_gives_each_message_once(tmp_path: Path) -> None:
    async with two() as (alice, bob):
        for number in range(3):
            await alice.send_text("@@bob.shinkai/main", str(number))
        async with controlled(tmp_path, bob) as client:
            await client.ask(do="inbox")
            message = (await client.reply())["message"]
            assert message["from"] == ALICE
            assert message["to"] == f"{BOB}/main"
            assert (message["via"], message["schema"], message["redelivered"]) == ("libp2p", "TextContent", False)
            assert message["inbox"] == "inbox::@@alice.shinkai::@@bob.shinkai/main::false"
            await client.ask(taken=message["key"])
            assert await take(client, 2) == ["1", "2"]
            assert await client.reply() == {"end": True, "messages": 3}
        assert await ask(tmp_path, bob, do="inbox") == [{"end": True, "messages": 0}]


@pytest.mark.parametrize("follow", [False, True])
async def test_a_message_that_was_not_printed_comes_again(tmp_path: Path, follow: bool) -> None:
    async with two() as (alice, bob), ControlServer(tmp_path, NodeActions(bob).all()) as server:
        await alice.send_text(BOB, "Hello")
        async with connect(tmp_path) as client:
            await client.ask(do="inbox", follow=follow)
            assert (await client.reply())["message"]["text"] == "Hello"
        await until(lambda: not server._tasks)
        async with connect(tmp_path) as client:
            await client.ask(do="inbox", follow=follow)
            assert (await client.reply())["message"]["redelivered"] is True
            await client.ask(taken="another")
            assert (await client.reply())["end"] is True
        async with connect(tmp_path) as client:
            await client.ask(do="inbox", follow=follow)
            assert await take(client, 1) == ["Hello"]


async def test_inbox_follows(tmp_path: Path) -> None:
    async with two() as (alice, bob), controlled(tmp_path, bob) as client:
        await alice.send_text(BOB, "before")
        await client.ask(do="inbox", follow=True)
        assert await take(client, 1) == ["before"]
        await alice.send_text(BOB, "meanwhile")
        assert await take(client, 1) == ["meanwhile"]


async def test_one_inbox_alone(tmp_path: Path) -> None:
    name = "inbox::@@alice.shinkai::@@bob.shinkai/main::false"
    async with two() as (alice, bob):
        await alice.send_text(BOB, "to the node")
        await alice.send_text(f"{BOB}/main", "to the profile")
        async with controlled(tmp_path, bob) as client:
            await client.ask(do="inbox", inbox=name.upper())
            assert await take(client, 1) == ["to the profile"]
            assert (await client.reply())["messages"] == 1
        rows = await ask(tmp_path, bob, do="inbox", history=True, inbox=name)
        assert [row["message"]["text"] for row in rows[:-1]] == ["to the profile"]


async def test_history_takes_nothing(tmp_path: Path) -> None:
    async with two() as (alice, bob):
        for number in range(3):
            await alice.send_text(BOB, str(number))
        *rows, end = await ask(tmp_path, bob, do="inbox", history=True, limit=2)
        assert end == {"end": True, "messages": 2}
        assert [(row["message"]["text"], row["message"]["state"]) for row in rows] == [("1", "fresh"), ("2", "fresh")]
        *sent, _ = await ask(tmp_path, alice, do="inbox", history=True)
        assert [(row["message"]["text"], row["message"]["state"]) for row in sent] == [
            (str(number), "sent") for number in range(3)
        ]
        assert (await bob.status()).messages.untaken == 3
        for wrong in ("1", 0, True):
            assert "no number of at least 1" in await complaint(tmp_path, bob, do="inbox", history=True, limit=wrong)


async def test_what_only_a_profile_can_read_has_no_text(tmp_path: Path) -> None:
    profile = NodeKeys.unsafe_deterministic(9)
    async with two() as (alice, bob):
        await alice.send(
            alice.builder(f"{BOB}/main").text("secret").encrypt_content_for(profile.encryption.public).build()
        )
        [row, _] = await ask(tmp_path, bob, do="inbox", history=True)
        assert (row["message"]["text"], row["message"]["schema"]) == (None, None)
        assert row["message"]["to"] == f"{BOB}/main"


async def test_queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(QUICK, retry=RetryConfig(max_attempts=1))
    async with running(ALICE, directory()) as alice, running(CAROL, directory(), config=config) as carol:
        keys = [(await alice.send_text(BOB, str(number))).key for number in range(2)]
        [listed] = await ask(tmp_path, alice, do="queue", action="list")
        assert {row["key"] for row in listed["rows"]} == set(keys)
        assert {row["to"] for row in listed["rows"]} == {BOB}
        assert all("refused" in row["error"] and row["attempts"] >= 1 for row in listed["rows"])
        assert listed["total"] == 2
        [retried] = await ask(tmp_path, alice, do="queue", action="retry", key=keys[0])
        assert (retried["to"], retried["retried"] <= 2) == (BOB, True)
        assert await ask(tmp_path, alice, do="queue", action="drop", key=keys[0]) == [{"end": True, "dropped": keys[0]}]
        monkeypatch.setattr(control_actions, "MAX_LISTED", 1)
        await alice.send_text(BOB, "another")
        [listed] = await ask(tmp_path, alice, do="queue", action="list", limit=1000)
        assert (len(listed["rows"]), listed["total"]) == (1, 2)

        dead = (await carol.send_text(BOB, "in vain")).key
        [listed] = await ask(tmp_path, carol, do="queue", action="dead")
        assert [(row["key"], row["reason"], row["attempts"]) for row in listed["rows"]] == [(dead, "attempts", 1)]
        assert await ask(tmp_path, carol, do="queue", action="retry", key=dead) == [
            {"end": True, "retried": 1, "to": BOB}
        ]


async def test_a_message_that_is_not_in_the_queue(tmp_path: Path) -> None:
    async with running(ALICE, directory()) as alice:
        for action in ("retry", "drop"):
            text = await complaint(tmp_path, alice, do="queue", action=action, key="none")
            assert text == "the queue holds no message none"
        assert "list, dead, retry or drop" in await complaint(tmp_path, alice, do="queue", action="clear")


async def test_peers(tmp_path: Path) -> None:
    async with two() as (alice, bob):
        await alice.send_text(BOB, "Hello")
        [told] = await ask(tmp_path, alice, do="peers")
        assert (told["name"], told["profile"], told["libp2p"]) == (ALICE, "head", True)
        assert told["listening"] == str(alice.listen_address)
        assert told["sent"] == {"acknowledged": 1}
        [peer] = told["peers"]
        manager = bob.libp2p_manager
        assert manager is not None
        assert (peer["peer_id"], peer["agent"]) == (str(manager.peer_id), f"shinkai-node-{BOB}")
        assert (peer["profile"], peer["addresses"]) == ("head", [f"/ip4/127.0.0.1/tcp/{bob.listen_address.port}"])


def test_a_result_as_json() -> None:
    result = SendResult(
        state=SendState.QUEUED, key="k", next_attempt=4.0, attempts=(Attempt("tcp", "no"),), reason="r", detail="d"
    )
    assert result_values(result) == {
        "state": "queued",
        "key": "k",
        "via": None,
        "next_attempt": 4.0,
        "attempts": [{"way": "tcp", "error": "no"}],
        "reason": "r",
        "detail": "d",
        "found": "",
    }


async def test_the_node_ends_while_a_client_follows(tmp_path: Path) -> None:
    async with running(ALICE, directory()) as alice:
        async with ControlServer(tmp_path, NodeActions(alice).all()):
            following = connect(tmp_path)
            client = await following.__aenter__()
            await client.ask(do="inbox", follow=True)
            reply = asyncio.create_task(client.reply(None))
            await asyncio.sleep(0)
        with pytest.raises(CommandError, match="ended meanwhile"):
            await reply
        await following.__aexit__(None, None, None)
