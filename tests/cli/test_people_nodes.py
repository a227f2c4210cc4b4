from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import AsyncIterator

import pytest

from p2pstack import Host
from p2pstack.cli.arguments import CommandError
from p2pstack.cli.output import Output
from p2pstack.cli.people_nodes import _listen, _serve
from p2pstack.host.host import BaseHost
from tests.cli.commands import Commands, Console, options_of
from tests.services.hosts import LOOPBACK
from tests.services.kad.nodes import PROTOCOL, node


@contextlib.asynccontextmanager
async def listening(*argv: str) -> AsyncIterator[None]:
    """``p2pstack listen`` in the test's own loop, ended as Ctrl-C does."""
    options = options_of("listen", *argv)
    task = asyncio.create_task(_serve(options, Output(as_json=options.json)))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_node_shows_who_comes_and_goes(console: Console) -> None:
    async with listening("--echo"), Host() as host:
        who = await console.line("This node is ")
        address = (await console.line("  listens on  ")).split()[-1]
        assert address.startswith("/ip4/127.0.0.1/tcp/")
        assert address.endswith(who.split()[-1])
        await console.line("  Ctrl-C")
        assert "  serves      /echo/1.0.0" in console.lines
        connection = await host.connect(address)
        assert "/ip4/127.0.0.1/tcp/" in await console.line(f"+ {host.peer_id} from ")
        await console.line(f"  {host.peer_id} is p2pstack/")
        await connection.close()
        await console.line(f"- {host.peer_id}: the peer closed")


async def test_a_node_for_scripts(console: Console) -> None:
    async with listening("--json", "--perf", LOOPBACK, LOOPBACK), Host() as host:
        first = await console.event("listening")
        assert len(first["addresses"]) == 2
        connection = await host.connect(first["addresses"][1])
        info = await host.identify.wait(connection)
        assert "/perf/1.0.0" in info.protocols
        assert "/echo/1.0.0" not in info.protocols
        connected = await console.event("connected")
        assert (connected["peer_id"], connected["direction"]) == (str(host.peer_id), "inbound")
        assert (await console.event("identified"))["agent"].startswith("p2pstack/")
        await connection.close()
        assert "the peer closed" in (await console.event("disconnected"))["reason"]


async def test_a_node_is_a_server_of_a_dht(console: Console) -> None:
    async with listening("--dht", "--dht-protocol", PROTOCOL, "--json", LOOPBACK), node() as (host, dht):
        first = await console.event("listening")
        joined = await dht.bootstrap(first["addresses"])
        assert [str(peer) for peer in joined.reached] == [first["peer_id"]]
        assert PROTOCOL in (await host.identify.wait(host.connections()[0])).protocols


def test_a_server_of_a_dht_is_meant_for_others() -> None:
    assert options_of("listen", "--dht").dht_protocol is None
    with pytest.raises(CommandError, match="--dht-store is for --dht"):
        _listen(options_of("listen", "--dht-store", "x"), Output())


async def test_sigterm_ends_a_node_in_good_order(console: Console) -> None:
    task = asyncio.create_task(_serve(options_of("listen"), Output()))
    await console.line("  Ctrl-C")
    async with Host() as host:
        connection = await host.connect(next(line for line in console.lines if "listens on" in line).split()[-1])
        await console.line("+ ")
        os.kill(os.getpid(), signal.SIGTERM)
        await task
        await connection.wait_closed()
        assert "session" in str(connection.close_reason)


def test_an_address_that_can_not_be_listened_on(commands: Commands) -> None:
    result = commands.run("listen", "/ip4/127.0.0.1/udp/1")
    assert (result.status, result.out) == (1, "")
    assert "no plain TCP address" in result.err


async def test_dial_shows_whom_it_reached(commands: Commands) -> None:
    async with Host(listen=[LOOPBACK]) as host:
        shown = await commands.beside("dial", host.full_addresses[0])
        assert (shown.status, shown.err) == (0, "")
        assert shown.out.startswith(f"Connected to {host.peer_id}\n")
        for part in ("Noise XX", "p2pstack/", "/ipfs/ping/1.0.0", "ready after", "ping"):
            assert part in shown.out
        # without the peer id whoever answers is taken, and named
        [told] = (await commands.beside("dial", host.addresses[0], "--json")).json
        assert told["peer_id"] == told["identify"]["peer_id"] == str(host.peer_id)
        assert 0 < told["ping_seconds"] < 10
        assert 0 < told["connect_seconds"] < 10


async def test_dial_of_a_peer_that_speaks_nothing(commands: Commands) -> None:
    async with BaseHost(listen=[LOOPBACK]) as silent:
        shown = await commands.beside("dial", silent.full_addresses[0])
        assert shown.status == 0
        assert "no answer" in shown.out
        assert "does not tell who it is" in shown.out
        [told] = (await commands.beside("dial", silent.full_addresses[0], "--json")).json
        assert (told["ping_seconds"], told["identify"]) == (None, None)


async def test_identify_shows_all_that_is_told(commands: Commands) -> None:
    async with Host(listen=[LOOPBACK]) as host:
        shown = await commands.beside("identify", host.full_addresses[0])
        assert shown.out.splitlines()[0] == str(host.peer_id)
        assert str(host.addresses[0]) in shown.out
        [told] = (await commands.beside("identify", host.full_addresses[0], "--json")).json
        assert told["addresses"] == [str(host.addresses[0])]
        assert told["signed_record"] is True


async def test_identify_of_a_peer_that_does_not_tell_is_an_error(commands: Commands) -> None:
    async with BaseHost(listen=[LOOPBACK]) as silent:
        result = await commands.beside("identify", silent.full_addresses[0])
    assert (result.status, result.out) == (1, "")
    assert "/ipfs/id/1.0.0" in result.err


async def test_a_peer_that_is_not_the_expected_one(commands: Commands) -> None:
    async with Host(listen=[LOOPBACK]) as host, Host() as somebody:
        for command in ("dial", "identify", "ping", "perf"):
            result = await commands.beside(command, f"{host.addresses[0]}/p2p/{somebody.peer_id}")
            assert (result.status, result.out, result.err.count("\n")) == (1, "", 1)
            assert f"expected peer {somebody.peer_id}, but {host.peer_id} answered" in result.err


def test_a_dial_that_nobody_answers_has_its_timeout(commands: Commands) -> None:
    result = commands.run("dial", "/ip4/127.0.0.1/tcp/1", "--timeout", "0.2")
    assert (result.status, result.out) == (1, "")
    assert "/ip4/127.0.0.1/tcp/1" in result.err
