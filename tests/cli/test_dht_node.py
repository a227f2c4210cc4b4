"""A DHT's server in a terminal, and two people who find each other by it."""

from __future__ import annotations

import asyncio
import contextlib
from argparse import Namespace
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from p2pstack.cli.arguments import CommandError
from p2pstack.cli.dht_node import check_server, enter, serving
from p2pstack.cli.output import Output
from p2pstack.cli.people_pubsub import _follow, _publish_all
from p2pstack.identity.keys import PrivateKey
from p2pstack.kad.protocols import PROTOCOL as DEFAULT
from p2pstack.services.kad.service import Kademlia
from p2pstack.services.standard import Host
from p2pstack.storage.errors import StorageError
from tests.cli.commands import Commands, Console, options_of
from tests.host.hosts import closed_address
from tests.services.hosts import LOOPBACK, until
from tests.services.kad.nodes import PROTOCOL, node

ABSENT = f"{closed_address()}/p2p/{PrivateKey.from_seed(bytes(32)).peer_id}"


def server_options(*words: object) -> Namespace:
    return options_of("listen", "--dht", "--dht-protocol", PROTOCOL, *words)


@contextlib.asynccontextmanager
async def server(*words: object) -> AsyncIterator[tuple[Host, Kademlia]]:
    """What ``listen --dht`` runs."""
    options = server_options(*words)
    async with Host(listen=[LOOPBACK]) as host, serving(host, options, Output(as_json=options.json)) as dht:
        yield host, dht


def way(host: Host) -> tuple[object, ...]:
    return ("--bootstrap", host.full_addresses[0], "--dht-protocol", PROTOCOL)


# -- a server


async def test_a_server_enters_by_whom_it_knows(console: Console) -> None:
    async with (
        server() as (first, _),
        server("--bootstrap", first.full_addresses[0], "--bootstrap", ABSENT) as (_, dht),
    ):
        assert dht.serving
        assert "peers known: 1" in await console.line("The DHT is entered")
        assert "refused" in await console.line(f"  not by {ABSENT}: ")
        assert first.peer_id in dht.routing_table


async def test_a_server_for_scripts_that_reaches_nobody(console: Console) -> None:
    async with server("--bootstrap", ABSENT, "--json"):
        joined = await console.event("dht-joined")
    assert (joined["ok"], joined["peers"], list(joined["failed"])) == (False, 0, [ABSENT])


async def test_a_server_that_reaches_nobody_goes_on(console: Console) -> None:
    async with server("--bootstrap", ABSENT) as (_, dht):
        await console.line("Nobody of the DHT was reached; it is tried again")
        assert dht.serving


async def test_the_first_server_has_nobody_to_enter_by(console: Console) -> None:
    async with server() as (host, _), node() as (_, dht):
        assert (await dht.bootstrap(list(host.full_addresses))).reached == (host.peer_id,)
    assert console.lines == []


async def test_the_default_is_that_of_the_other_commands() -> None:
    async with Host() as host, serving(host, options_of("listen", "--dht"), Output()) as dht:
        assert dht.config.protocol == DEFAULT == options_of("dht", "get", "x", "--bootstrap", "y").protocol


async def test_what_is_stored_survives_a_restart(commands: Commands, tmp_path: Path) -> None:
    key, file = PrivateKey.generate(), tmp_path / "dht.db"
    (tmp_path / "key").write_bytes(key.to_protobuf())
    content = b"\x12\x20" + bytes(32)
    async with server("--dht-store", file) as (host, _):
        put = await commands.beside("dht", "put", "name", "value", "--key", tmp_path / "key", *way(host))
        assert put.status == 0, put.err
        async with node(listen=True) as (provider, dht):
            await dht.bootstrap(list(host.full_addresses))
            await dht.provide(content)
    async with server("--dht-store", file) as (host, _):
        got = await commands.beside("dht", "get", f"{key.peer_id}/name", *way(host))
        assert got.out.splitlines()[0] == "value"
        [told] = (await commands.beside("dht", "find-providers", f"0x{content.hex()}", *way(host), "--json")).json
        assert [each["peer_id"] for each in told["peers"]] == [str(provider.peer_id)]
    async with server() as (host, _):
        assert (await commands.beside("dht", "get", f"{key.peer_id}/name", *way(host))).status == 1


async def test_a_file_that_is_no_store(tmp_path: Path) -> None:
    file = tmp_path / "text"
    file.write_text("something else " * 100)
    with pytest.raises(StorageError):
        async with server("--dht-store", file):
            pass
    assert file.read_text().startswith("something else")


@pytest.mark.parametrize("name", ["--bootstrap", "--dht-protocol", "--dht-store"])
def test_what_needs_a_dht(name: str) -> None:
    with pytest.raises(CommandError, match=f"{name} is for --dht"):
        check_server(options_of("listen", name, "/x"))
    check_server(options_of("listen", "--dht", name, "/x"))


# -- a client


async def test_one_of_several_is_enough() -> None:
    async with server() as (host, _), node(listen=False) as (_, dht):
        joined = await enter(dht, [ABSENT, str(host.full_addresses[0])], 5.0)
        assert joined.reached == (host.peer_id,)
        with pytest.raises(CommandError, match=rf"could not be entered: {ABSENT}: .*refused"):
            await enter(dht, [ABSENT], 5.0)


@contextlib.asynccontextmanager
async def following(*words: object) -> AsyncIterator[asyncio.Task[None]]:
    """``p2pstack sub``, ended as Ctrl-C does."""
    task = asyncio.create_task(_follow(options_of("sub", *words, "--json"), Output(as_json=True)))
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.wait([task])


async def publish(*words: object) -> None:
    await _publish_all(options_of("pub", *words, "--json"), Output(as_json=True))


async def test_two_who_know_one_address_are_in_one_topic(console: Console) -> None:
    async with server() as (first, dht), following("news", "--listen", LOOPBACK, *way(first)):
        await console.event("dht-joined")
        await until(lambda: dht.counters["served.ADD_PROVIDER"] == 1)
        await publish("news", "hello", *way(first))
        message = await console.event("message")
        assert (message["text"], message["topic"]) == ("hello", "news")
        published = await console.event("published")
        assert published["peers"] == 1
        # Who publishes only is announced nowhere: it will be gone when others would dial it.
        assert dht.counters["served.ADD_PROVIDER"] == 1
        async with following("news", "--listen", LOOPBACK, *way(first)):
            joined = [await console.event("joined", number) for number in (1, 2)]
            assert len({each["peer_id"] for each in joined}) == 2, "each has found the other"


async def test_nobody_is_in_the_topic(console: Console) -> None:
    async with server() as (first, _):
        with pytest.raises(CommandError, match=r"nobody of the topic 'news' was found in the DHT .*after 0\.1 s"):
            await publish("news", "hello", "--wait", 0.1, *way(first))


async def test_a_dht_that_nobody_leads_to(console: Console) -> None:
    with pytest.raises(CommandError, match="the DHT could not be entered"):
        await publish("news", "hello", "--bootstrap", ABSENT)
    async with following("news", "--bootstrap", ABSENT) as task:
        with pytest.raises(CommandError, match="the DHT could not be entered"):
            await task


async def test_who_comes_can_be_told_how(console: Console) -> None:
    async with server() as (first, _):
        options = options_of("sub", "news", "--listen", LOOPBACK, *way(first))
        task = asyncio.create_task(_follow(options, Output()))
        line = await console.line("  try ")
        address = first.full_addresses[0]
        assert line.endswith(f"p2pstack pub news hello --bootstrap {address} --dht-protocol {PROTOCOL}")
        await console.line(f"  entered the DHT by {first.peer_id}")
        task.cancel()
        await asyncio.wait([task])


def test_whom_to_publish_to_has_to_be_named(commands: Commands) -> None:
    result = commands.run("pub", "news", "hello")
    assert result.status == 1
    assert "--peer ADDR" in result.err
    assert "--bootstrap ADDR" in result.err
