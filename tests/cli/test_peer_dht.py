"""``p2pstack peer``: the DHT's server beside ``listen``, and the verb ``dht``."""

from __future__ import annotations

import asyncio
from hashlib import sha256

import pytest

from p2pstack.cli.arguments import CommandError
from p2pstack.cli.peer_dht import dht
from p2pstack.cli.peer_listen import listen
from p2pstack.errors import DialError
from p2pstack.services.standard import Host
from tests.cli.commands import Console, Stdin, options_of
from tests.services.hosts import LOOPBACK, until
from tests.services.kad.nodes import PROTOCOL, network, node

NETWORK = ("--dht-protocol", PROTOCOL)
KEY = "1220" + sha256(b"content").hexdigest()


async def test_a_server_enters_answers_and_sums_up(console: Console, stdin: Stdin) -> None:
    async with node() as (host, other):
        address = host.full_addresses[0]
        words = ("--dht", *NETWORK, "--bootstrap", address, "--quiet")
        task = asyncio.create_task(listen(options_of("peer", "listen", *words)))
        joined = await console.event("dht-joined")
        assert joined["ok"]
        assert joined["peers"] == [str(host.peer_id)]
        await until(lambda: len(other.routing_table))
        await other.put_value(b"/test/x", b"v")
        stdin.close()
        await task
        summary = await console.event("summary")
        assert summary["dht_requests"]["PUT_VALUE"] == 1
        assert summary["dht_table"] == 1
        assert summary["dht_peers"] == [str(host.peer_id)]


async def test_a_manual_server_connects_only(console: Console, stdin: Stdin) -> None:
    async with node() as (host, _):
        async with node() as (gone, _):
            nowhere = gone.full_addresses[0]
        addresses = ("--bootstrap", host.full_addresses[0], "--bootstrap", nowhere)
        options = options_of("peer", "listen", "--dht", "--dht-manual", *NETWORK, "--quiet", *addresses)
        task = asyncio.create_task(listen(options))
        joined = await console.event("dht-joined")
        assert joined["ok"]
        assert "could not be reached" in joined["reason"] or "refused" in joined["reason"]
        stdin.close()
        await task


async def test_who_can_not_enter_says_why(console: Console, stdin: Stdin) -> None:
    async with Host(listen=[LOOPBACK]) as plain:
        options = options_of("peer", "listen", "--dht", "--quiet", "--bootstrap", plain.full_addresses[0])
        task = asyncio.create_task(listen(options))
        joined = await console.event("dht-joined")
        assert not joined["ok"]
        assert "does not answer" in joined["reason"]
        stdin.close()
        await task


async def test_every_operation_prints_its_event(console: Console) -> None:
    async with network(3) as nodes:
        address = nodes[0][0].full_addresses[0]
        target = str(nodes[2][0].peer_id)
        for number, words in enumerate(
            (
                ("find-peer", target),
                ("closest", b"x".hex()),
                ("put", b"/test/x".hex(), b"v".hex()),
                ("get", b"/test/x".hex()),
                ("provide", KEY, "--hold", "0.01"),
                ("find-providers", KEY),
            )
        ):
            await dht(options_of("peer", "dht", address, "--do", *words, *NETWORK))
            events = [each for each in console.events if each["event"] == "dht"]
            assert len(events) == number + 1
            assert (events[-1]["op"], events[-1]["ok"]) == (words[0], True)
        events = [each for each in console.events if each["event"] == "dht"]
        assert [each["id"] for each in events[0]["peers"]] == [target]
        assert len(events[1]["peers"]) == events[1]["requests"] == events[1]["responses"] == 3
        assert events[3]["value_hex"] == b"v".hex()
        assert len(events[5]["peers"]) == 1


async def test_many_lookups_are_one_event(console: Console) -> None:
    async with network(3) as nodes:
        address = nodes[0][0].full_addresses[0]
        many = ("--count", "5", "--window", "2", "--warm", "1")
        await dht(options_of("peer", "dht", address, "--do", "closest", b"x".hex(), *many, *NETWORK))
        event = await console.event("dht")
        assert event["ok"]
        assert event["requests"] == event["responses"] == 5 * 3
        assert len(event["seconds_each"]) == 5
        assert len(event["peers"]) == 3


async def test_what_is_not_found_has_a_reason(console: Console) -> None:
    async with node() as (host, _), Host(listen=[LOOPBACK]) as plain:
        await dht(options_of("peer", "dht", host.full_addresses[0], "--do", "get", b"/test/x".hex(), *NETWORK))
        assert "no value was found" in (await console.event("dht"))["reason"]
        options = options_of("peer", "dht", plain.full_addresses[0], "--do", "closest", "00", *NETWORK)
        await dht(options)
        assert "does not answer" in console.events[-1]["reason"]
    with pytest.raises(DialError):
        await dht(options)


@pytest.mark.parametrize(
    "words", [("put", "00"), ("get", "00", "00"), ("get", "zz"), ("find-peer", "nobody"), ("get", "00", "--count", "2")]
)
async def test_bad_arguments(words: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        await dht(options_of("peer", "dht", "/ip4/127.0.0.1/tcp/9", "--do", *words))
