"""Nodes of scenarios in the test's own loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from datetime import datetime
from time import monotonic
from typing import Any

import pytest

from p2pstack import Host
from p2pstack.cli import harness_gossip_node
from p2pstack.cli.arguments import CommandError
from p2pstack.cli.harness_gossip_node import AddressBook, Names, Node, log, node_key
from p2pstack.cli.harness_gossip_script import Connect, Init, Publish, SetValidationDelay, Subscribe, WaitUntil
from p2pstack.errors import DialError
from p2pstack.host.config import DialConfig, HostConfig
from p2pstack.services.gossipsub.service import Gossipsub
from tests.cli.commands import Console
from tests.services.hosts import until

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
PATIENT = HostConfig(dial=DialConfig(backoff_base=0.0, backoff_factor=0.0))


@contextlib.asynccontextmanager
async def nodes(number: int) -> AsyncIterator[list[Node]]:
    """Nodes 0 to ``number`` - 1, which know where the others are."""
    async with contextlib.AsyncExitStack() as stack:
        hosts = [
            await stack.enter_async_context(Host(node_key(node), listen=[LOOPBACK], config=PATIENT))
            for node in range(number)
        ]
        book = AddressBook({node: str(host.addresses[0]) for node, host in enumerate(hosts)})
        yield [await stack.enter_async_context(Node(host, book, monotonic())) for host in hosts]


def pubsub_of(node: Node) -> Gossipsub:
    return node._running


async def in_the_topic(members: list[Node]) -> None:
    """Wait until each node knows all the others in the topic, and all are in its mesh."""
    for node in members:
        await until(lambda node=node: len(pubsub_of(node).mesh("t")) == len(members) - 1)


def test_keys_follow_from_numbers() -> None:
    # Known answers, made with the key that has the number as its first bytes, little-endian.
    assert str(node_key(0).peer_id) == "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"
    assert node_key(258).peer_id == node_key(0x0102).peer_id
    assert str(node_key(1).peer_id) == "12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X"


def test_lines_for_the_checks(console: Console) -> None:
    log("Some Text", id="1")
    [line] = console.lines
    assert '"msg":"Some Text"' in line, "the checks look for it without spaces"
    [values] = console.events
    assert datetime.fromisoformat(values["time"]).tzinfo is not None
    assert (values["level"], values["id"]) == ("INFO", "1")


async def test_a_message_is_reported_by_all_but_its_publisher(console: Console) -> None:
    async with nodes(2) as (first, second):
        await second.run([Init({}), Subscribe("t")])
        await first.run([Init({}), Subscribe("t"), Connect((1,))])
        await in_the_topic([first, second])
        await first.run([Publish("t", (1 << 64) - 1, 8), Publish("t", 0, 1_000)])
        received = await console.logged("Received Message", 2)
        assert (received["id"], received["topic"]) == ("0", "t")
    assert [event["id"] for event in console.events] == [str((1 << 64) - 1), "0"]


async def test_duplicates_are_reported_too(console: Console) -> None:
    async with nodes(3) as members:
        for node in members:
            await node.run([Init({}), Subscribe("t")])
        await members[0].run([Connect((1, 2))])
        await members[1].run([Connect((2,))])
        await in_the_topic(members)
        # Short enough that nobody says that he has it already: the other two send it to each other.
        await members[0].run([Publish("t", 5, 100)])
        await console.logged("Received Message", 4)
        await until(lambda: sum(pubsub_of(node).counters["duplicate"] for node in members) == 2)
    assert [event["id"] for event in console.events] == ["5"] * 4


async def test_publishing_without_being_subscribed(console: Console) -> None:
    async with nodes(2) as (first, second):
        await second.run([Init({}), Subscribe("t")])
        await first.run([Init({}), Connect((1,))])
        await until(lambda: pubsub_of(first).peers("t"))
        await first.run([Publish("t", 3, 8)])
        assert (await console.logged("Received Message"))["id"] == "3"
        await first.run([Publish("other", 4, 8)])


async def test_a_message_waits_for_its_validation(console: Console) -> None:
    async with nodes(2) as (first, second):
        await second.run([Init({}), SetValidationDelay("t", 9.0), SetValidationDelay("t", 0.05), Subscribe("t")])
        await first.run([Init({}), Subscribe("t"), Connect((1,))])
        await in_the_topic([first, second])
        subscription = pubsub_of(second).subscribe("t")
        await first.run([Publish("t", 3, 8)])
        incoming = await anext(subscription)
        assert monotonic() - incoming.received_at >= 0.05


async def test_waiting_counts_from_the_start() -> None:
    async with Host() as host:
        for started, least in ((monotonic() - 100, 0.0), (monotonic() - 9.98, 0.01)):
            begun = monotonic()
            await Node(host, Names(), started).run([WaitUntil(10)])
            assert least <= monotonic() - begun < 5


async def test_a_node_that_comes_later_is_waited_for(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    address = f"/ip4/127.0.0.1/tcp/{port}"
    async with (
        Host(node_key(0), config=PATIENT) as host,
        Host(node_key(1)) as late,
        Node(host, AddressBook({1: address}), monotonic()) as node,
    ):
        task = asyncio.create_task(node.run([Connect((1,))]))
        await until(lambda: len(host._dialer._backoff) > 0)
        await late.listen(address)
        await task
        assert host.connections(late.peer_id)
        monkeypatch.setattr(harness_gossip_node, "CONNECT_SECONDS", 0.0)
        await host.disconnect(late.peer_id)
        await late.close()
        with pytest.raises(DialError, match="refused"):
            await node.run([Connect((1,))])


async def test_order_of_the_script() -> None:
    async with Host() as host, Node(host, AddressBook({}), 0.0) as node:
        with pytest.raises(CommandError, match="has to come first"):
            await node.run([Subscribe("t")])
        await node.run([Init({})])
        with pytest.raises(CommandError, match="once only"):
            await node.run([Init({})])
        with pytest.raises(CommandError, match="no address of node 3"):
            await node.run([Connect((3,))])


async def test_addresses_that_name_a_peer_are_taken_as_they_are() -> None:
    peer = node_key(9).peer_id
    book = AddressBook({1: f"/ip4/192.0.2.1/tcp/1/p2p/{peer}", 2: "/ip4/192.0.2.2/tcp/2"})
    assert str(await book.of(1)) == f"/ip4/192.0.2.1/tcp/1/p2p/{peer}"
    assert str(await book.of(2)) == f"/ip4/192.0.2.2/tcp/2/p2p/{node_key(2).peer_id}"


@pytest.mark.parametrize(("ip", "protocol"), [("192.0.2.7", "ip4"), ("2001:db8::7", "ip6")])
async def test_names_are_resolved(monkeypatch: pytest.MonkeyPatch, ip: str, protocol: str) -> None:
    async def resolve(name: str, port: int, **_: Any) -> list[tuple[Any, ...]]:
        if name != "node7":
            raise socket.gaierror(-2, "Name or service not known")
        return [(2, 1, 6, "", (ip, port)), (2, 2, 17, "", (ip, port))]

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    assert str(await Names().of(7)) == f"/{protocol}/{ip}/tcp/9000/p2p/{node_key(7).peer_id}"
    with pytest.raises(CommandError, match="the address of node8 is not known: Name or service not known"):
        await Names().of(8)
