"""``p2pstack peer gossip`` against hosts of the test's own loop."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator

import pytest

from p2pstack import Host
from p2pstack.cli import peer_gossip
from p2pstack.cli.arguments import CommandError
from p2pstack.cli.peer_gossip import gossip
from p2pstack.cli.peer_inbox import HEADER
from p2pstack.errors import DialError
from p2pstack.services.gossipsub.service import Gossipsub
from p2pstack.services.gossipsub.subscription import Subscription
from tests.cli.commands import Console, Stdin, options_of, process, start
from tests.services.hosts import until

LOOPBACK = "/ip4/127.0.0.1/tcp/0"


@contextlib.asynccontextmanager
async def subscribed() -> AsyncIterator[tuple[Gossipsub, Subscription, str]]:
    """A host that is subscribed to T, and its address."""
    async with Host(listen=[LOOPBACK]) as host, Gossipsub(host) as pubsub, pubsub.subscribe("T") as subscription:
        yield pubsub, subscription, str(host.full_addresses[0])


async def test_it_publishes_numbered_messages_of_the_size(console: Console) -> None:
    async with subscribed() as (_, subscription, address):
        argv = (address, "--topic", "T", "--publish", 50, "--size", 100, "--settle", 0)
        await gossip(options_of("peer", "gossip", *argv))
        messages = [(await anext(subscription)).data for _ in range(50)]
    assert [HEADER.unpack_from(data)[0] for data in messages] == list(range(50))
    assert all(len(data) == 100 and data[16:] == bytes(84) for data in messages)
    times = [HEADER.unpack_from(data)[1] for data in messages]
    assert times == sorted(times)
    [event] = console.events
    assert (event["event"], event["sent"], event["received"], event["mesh"]) == ("gossip", 50, 0, 1)
    assert 0 < event["publish_seconds"] <= event["seconds"] < 30
    assert 0 < event["mesh_seconds"] < 10
    assert event["counters"]["outbound_dropped"] == 0


async def test_a_rate_is_kept(console: Console) -> None:
    async with subscribed() as (_, subscription, address):
        argv = (address, "--topic", "T", "--publish", 11, "--size", 16, "--rate", 100, "--settle", 0)
        await gossip(options_of("peer", "gossip", *argv))
        await until(lambda: len(subscription) == 11)
    assert console.events[-1]["publish_seconds"] >= 0.1


async def test_it_ends_with_the_message_that_it_expects(console: Console) -> None:
    async with subscribed() as (pubsub, _, address):
        argv = (address, "--topic", "T", "--expect", 2, "--wait", 25, "--port", 0)
        task = asyncio.create_task(gossip(options_of("peer", "gossip", *argv)))
        assert (await console.event("listening"))["addr"].startswith("/ip4/127.0.0.1/tcp/")
        await pubsub.publish("T", b"one")
        await pubsub.publish("T", b"two")
        await task
    assert [event["event"] for event in console.events] == ["listening", "message", "message", "gossip"]
    assert console.events[-1]["received"] == 2
    assert console.events[-1]["publish_seconds"] == 0
    assert console.events[-1]["seconds"] < 20


async def test_without_expectations_it_stays_as_long_as_it_is_told(console: Console) -> None:
    async with subscribed() as (_, _, address):
        await gossip(options_of("peer", "gossip", address, "--topic", "T", "--wait", 0.01, "--quiet"))
    [event] = console.events
    assert (event["sent"], event["received"]) == (0, 0)
    assert 0.01 <= event["seconds"] < 5


async def test_nobody_in_the_topic_stops_it_not(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peer_gossip, "MESH_SECONDS", 0.01)
    monkeypatch.setattr(peer_gossip, "MESHES_SECONDS", 0.01)
    async with subscribed() as (_, _, address):
        argv = (address, "--topic", "other", "--publish", 1, "--settle", 0)
        await gossip(options_of("peer", "gossip", *argv))
    assert (console.events[-1]["sent"], console.events[-1]["mesh"]) == (1, 0)


async def test_sigterm_ends_it_with_its_result(console: Console) -> None:
    async with subscribed() as (_, subscription, address):
        argv = (address, "--topic", "T", "--publish", 1_000_000, "--size", 16, "--rate", 200, "--expect", 9)
        task = asyncio.create_task(gossip(options_of("peer", "gossip", *argv)))
        await until(lambda: len(subscription) > 3)
        os.kill(os.getpid(), signal.SIGTERM)
        await task
    assert 3 < console.events[-1]["sent"] < 1_000_000


async def test_an_address_where_nobody_is(console: Console) -> None:
    with pytest.raises(DialError, match="refused"):
        await gossip(options_of("peer", "gossip", "/ip4/127.0.0.1/tcp/1", "--topic", "T"))
    assert console.events == []


async def test_messages_have_room_for_their_header() -> None:
    with pytest.raises(CommandError, match="at least 16"):
        await gossip(options_of("peer", "gossip", "ADDR", "--topic", "T", "--publish", 1, "--size", 15))


async def test_ours_with_ours_in_one_process(console: Console, stdin: Stdin) -> None:
    """Two publishers who each expect the other's messages."""
    argv = ("--topic", "T", "--publish", 20, "--expect", 20, "--wait", 25, "--quiet")
    first = asyncio.create_task(gossip(options_of("peer", "gossip", *argv, "--port", 0)))
    address = (await console.event("listening"))["addr"]
    await asyncio.gather(first, gossip(options_of("peer", "gossip", address, *argv)))
    results = [event for event in console.events if event["event"] == "gossip"]
    assert [(event["sent"], event["received"], event["distinct"]) for event in results] == [(20, 20, 20)] * 2


def test_two_processes() -> None:
    with start("peer", "listen", "--topic", "T", "--quiet") as listener:
        assert listener.stdout is not None
        address = listener.stdout.readline().split('"')[7]
        result = process("peer", "gossip", address, "--topic", "T", "--publish", 300, "--size", 1000)
        out, err = listener.communicate(timeout=20)  # closes stdin
    assert (result.status, result.err, err) == (0, "", "")
    assert result.json[-1]["sent"] == 300
    assert '"received":300,' in out
    assert '"distinct":300,' in out
