"""``p2pstack pub`` and ``sub`` in the test's own loop, against hosts of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from p2pstack import Host
from p2pstack.cli import people_pubsub
from p2pstack.cli.arguments import CommandError
from p2pstack.cli.output import Output
from p2pstack.cli.people_pubsub import _follow, _publish_all, _show_event
from p2pstack.errors import DialError, LimitExceeded
from p2pstack.identity.keys import PrivateKey
from p2pstack.services.gossipsub.config import PubsubConfig
from p2pstack.services.gossipsub.events import MessagesDropped, PeerJoinedTopic, PeerLeftTopic
from p2pstack.services.gossipsub.service import Gossipsub
from p2pstack.services.gossipsub.subscription import Subscription
from tests.cli.commands import Commands, Console, Stdin, options_of
from tests.services.hosts import until

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
PEER = PrivateKey.from_seed(b"\x01" * 32).peer_id


@contextlib.asynccontextmanager
async def subscribed(config: PubsubConfig | None = None) -> AsyncIterator[tuple[Subscription, str]]:
    """A host that is subscribed to ``news``, and its address."""
    async with (
        Host(listen=[LOOPBACK]) as host,
        Gossipsub(host, config=config) as pubsub,
        pubsub.subscribe("news") as subscription,
    ):
        yield subscription, str(host.full_addresses[0])


async def pub(*argv: object) -> None:
    options = options_of("pub", *argv)
    await _publish_all(options, Output(as_json=options.json))


@contextlib.asynccontextmanager
async def following(*argv: object) -> AsyncIterator[asyncio.Task[None]]:
    """``p2pstack sub``, ended as Ctrl-C does unless it has ended by itself."""
    options = options_of("sub", *argv)
    task = asyncio.create_task(_follow(options, Output(as_json=options.json)))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def data_of(subscription: Subscription, number: int) -> list[bytes]:
    return [(await anext(subscription)).data for _ in range(number)]


# -- pub


async def test_each_word_is_a_message(console: Console) -> None:
    async with subscribed() as (subscription, address):
        await pub("news", "one", "zwölf", "--peer", address)
        assert await data_of(subscription, 2) == [b"one", "zwölf".encode()]
    assert console.lines[0].startswith("+ 12D3KooW")
    assert console.lines[1].startswith("  3 B to 1 peer, id …")
    assert console.lines[-1] == "2 messages published in news"


async def test_for_scripts(console: Console) -> None:
    async with subscribed() as (subscription, address):
        await pub("news", "one", "--peer", address, "--json")
        incoming = await anext(subscription)
    connected, published = console.events
    assert connected["event"] == "connected"
    assert published == {
        "event": "published", "topic": "news", "bytes": 3, "message_id": incoming.id.hex(), "peers": 1, "dropped": 0,
    }  # fmt: skip


async def test_lines_of_stdin_and_all_of_it(stdin: Stdin, console: Console) -> None:
    async with subscribed() as (subscription, address):
        task = asyncio.create_task(pub("news", "--peer", address))
        stdin.write(b"first\nsec")
        assert await data_of(subscription, 1) == [b"first"]
        stdin.write(b"ond\r\n\nlast")
        stdin.close()
        await task
        assert await data_of(subscription, 3) == [b"second", b"", b"last"]
    assert console.lines[-1] == "4 messages published in news"


async def test_all_of_stdin_or_a_file_as_one_message(stdin: Stdin, console: Console, tmp_path: Path) -> None:
    stdin.write(b"a\nb\n")
    stdin.close()
    file = tmp_path / "file"
    file.write_bytes(b"\x00\xff")
    async with subscribed() as (subscription, address):
        await pub("news", "--peer", address, "--file", "-")
        await pub("news", "--peer", address, "--file", file)
        assert await data_of(subscription, 2) == [b"a\nb\n", b"\x00\xff"]


async def test_a_line_that_nobody_would_take(stdin: Stdin, console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people_pubsub, "MAX_LINE", 10)
    stdin.write(b"eleven-char")
    async with subscribed() as (_, address):
        with pytest.raises(CommandError, match="longer than 10 B; --file -"):
            await pub("news", "--peer", address)
        stdin.close()
        with pytest.raises(LimitExceeded):
            await pub("news", "x" * 2_000_000, "--peer", address)


async def test_nobody_in_the_topic_is_said_with_what_helps(console: Console) -> None:
    async with subscribed() as (_, address):
        with pytest.raises(CommandError) as caught:
            await pub("olds", "x", "--peer", address, "--wait", 0.05)
    assert "subscribed to 'olds' after 0.05 s, so nothing was published" in str(caught.value)
    assert "`p2pstack sub olds`" in str(caught.value)


async def test_a_peer_without_gossipsub(console: Console) -> None:
    async with Host(listen=[LOOPBACK]) as host:
        with pytest.raises(CommandError, match="1 peer connected, but none speaks gossipsub"):
            await pub("news", "x", "--peer", host.full_addresses[0], "--wait", 0.05)


async def test_a_connection_that_is_lost(console: Console, stdin: Stdin) -> None:
    async with subscribed() as (_, address):
        task = asyncio.create_task(pub("news", "--peer", address, "--wait", 0.05))
        await console.line("+ ")
    stdin.write(b"too late\n")
    with pytest.raises(CommandError, match="the connection is lost"):
        await task


async def test_anonymous(console: Console) -> None:
    config = people_pubsub.pubsub_config(options_of("sub", "news", "--anonymous"))
    async with subscribed(config) as (subscription, address):
        await pub("news", "x", "--peer", address, "--anonymous")
        incoming = await anext(subscription)
    assert incoming.author is None
    assert incoming.message.signature is None


async def test_a_peer_that_can_not_be_reached(console: Console) -> None:
    with pytest.raises(DialError, match="refused"):
        await pub("news", "x", "--peer", "/ip4/127.0.0.1/tcp/1")
    assert console.lines == []


def test_wrong_arguments(commands: Commands) -> None:
    result = commands.run("pub", "news", "x", "--file", "y", "--peer", "/ip4/127.0.0.1/tcp/1")
    assert (result.status, result.err) == (1, "p2pstack: either messages or --file, not both\n")
    assert "--peer" in commands.run("pub", "news", "x").err


# -- sub


async def test_sub_listens_and_shows_what_comes(console: Console) -> None:
    async with following("news", "sport", "--count", 3) as task:
        await console.line("  Ctrl-C ends it.")
        address = (await console.line("  listens on")).split()[-1]
        assert await console.line("  try ") == f"  try            p2pstack pub news hello --peer {address}"
        async with Host() as host, Gossipsub(host) as pubsub:
            await host.connect(address)
            await pubsub.publish("news", b"hello \x1b[31m")
            await pubsub.publish("sport", b"\xff" * 65)
            await pubsub.publish("news", b"bye")
            await task
    who = str(host.peer_id)[-8:]
    shown = [line for line in console.lines if f"  {who}  " in line]
    assert [line for line in shown if line.startswith("news")] == [f"news  {who}  hello \\x1b[31m", f"news  {who}  bye"]
    assert [line for line in shown if line.startswith("sport")] == [f"sport  {who}  {'ff' * 64}…"]
    assert console.lines[-1] == "3 messages received"


async def test_sub_for_scripts(console: Console) -> None:
    async with subscribed() as (subscription, address), Host() as host, Gossipsub(host) as pubsub:
        await host.connect(address)
        async with following("news", "--json", "--peer", address, "--count", 2) as task:
            first = await console.event("subscribed")
            assert (first["topics"], first["addresses"]) == (["news"], [])
            await console.event("joined")
            # The one in the middle sends it on.
            await until(lambda: len(subscription) == 0)
            await pubsub.publish("news", b"hello")
            await pubsub.publish("news", b"\xff")
            await task
    text, data = (event for event in console.events if event["event"] == "message")
    assert text == {
        "event": "message", "topic": "news", "author": str(host.peer_id), "via": address.rpartition("/")[2], "bytes": 5,
        "text": "hello", "data_b64": b64encode(b"hello").decode(),
    }  # fmt: skip
    assert (data["text"], data["data_b64"]) == (None, "/w==")


async def test_sigterm_ends_it(console: Console) -> None:
    async with subscribed() as (_, address), following("news", "--peer", address) as task:
        await until(lambda: any(line.endswith(" is in news") for line in console.lines))
        os.kill(os.getpid(), signal.SIGTERM)
        await task
    assert console.lines[-1] == "0 messages received"


async def test_the_loss_of_all_connections_ends_it(console: Console) -> None:
    async with subscribed() as (_, address):
        lost = asyncio.create_task(
            _follow(options_of("sub", "news", "--json", "--peer", address), Output(as_json=True))
        )
        await console.event("joined")
    with pytest.raises(CommandError, match="the last connection has ended: the peer closed"):
        await lost


async def test_alone_in_the_topic(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people_pubsub, "HINT_SECONDS", 0.01)
    async with following("news"):
        await console.line("  nobody else is subscribed to news yet")
    async with subscribed() as (_, address), following("news", "--peer", address):
        assert (await console.line("+ 12D3KooW")).endswith(address.split("/p2p/")[0])


def test_events_of_topics(console: Console) -> None:
    events = [
        PeerJoinedTopic(peer=PEER, topic="news"),
        PeerJoinedTopic(peer=PEER, topic="other"),
        PeerLeftTopic(peer=PEER, topic="news"),
        MessagesDropped(topic="news", count=2_000, total=3_000),
    ]
    for event in events:
        _show_event(event, ["news"], Output())
    assert console.lines == [
        f"+ {PEER} is in news", f"- {PEER} has left news", "! 2,000 messages of news came too fast, and are lost",
    ]  # fmt: skip
    for event in events:
        _show_event(event, ["news"], Output(as_json=True))
    assert [tuple(json.loads(line).values()) for line in console.lines[3:]] == [
        ("joined", str(PEER), "news"), ("left", str(PEER), "news"), ("dropped", "news", 2_000),
    ]  # fmt: skip
