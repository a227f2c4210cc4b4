"""``p2pstack peer dial`` against hosts of the test's own loop, and as processes, ours with ours."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from p2pstack import ConnectionEnded, ConnectionOpened, Host, HostConfig, LimitsConfig, Stream
from p2pstack.cli.arguments import CommandError
from p2pstack.cli.peer_dial import _share, dial
from p2pstack.cli.tracefile import read_trace
from p2pstack.errors import DialError, P2PError, PeerIdMismatch
from p2pstack.services.echo import ECHO, serve_echo
from p2pstack.services.perf import serve_perf
from tests.cli.commands import Commands, Console, options_of
from tests.interop.addresses import with_peer
from tests.interop.harness import Peers, all_ended

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
SEED = "00" * 32
ID_OF_THE_SEED = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[tuple[Host, str]]:
    """A host with all that is dialled here, and its address."""
    config = HostConfig(limits=LimitsConfig(connections_per_peer=100))
    host = Host(listen=[LOOPBACK], config=config)
    serve_echo(host)
    serve_perf(host)
    async with host:
        yield host, str(host.full_addresses[0])


async def test_ping(console: Console) -> None:
    async with serving() as (_, address):
        await dial(options_of("peer", "dial", address, "--count", 7, "--interval", 0.001))
    [event] = console.events
    assert event["event"] == "ping"
    assert len(event["rtts_us"]) == 7
    assert all(0 < rtt < 5e6 for rtt in event["rtts_us"])


async def test_identify(console: Console) -> None:
    async with serving() as (host, address):
        await dial(options_of("peer", "dial", address, "--do", "identify"))
    [event] = console.events
    assert (event["event"], event["peer"]) == ("identified", str(host.peer_id))
    assert set(event["protocols"]) == set(host.protocols)
    assert event["listen_addrs"] == [address.partition("/p2p/")[0]]


@pytest.mark.parametrize("size", [0, 1, 65_536, 300_000, 1 << 20, (1 << 20) + 1, 3_000_000])
async def test_echo_of_every_size(console: Console, size: int) -> None:
    async with serving() as (_, address):
        await dial(options_of("peer", "dial", address, "--do", "echo", "--size", size, "--streams", 2))
    [event] = console.events
    assert (event["event"], event["streams"], event["bytes"]) == ("echo", 2, 2 * size)
    assert event["seconds"] > 0


@pytest.mark.parametrize(("workers", "most"), [([], 20), (["--workers", "3"], 3), (["--workers", "50"], 20)])
async def test_echo_at_once(console: Console, workers: list[str], most: int) -> None:
    running: Counter[str] = Counter()

    async def watched(stream: Stream) -> None:
        running["now"] += 1
        running["most"] = max(running["most"], running["now"])
        data = await stream.read_to_end(100)
        running["now"] -= 1
        stream.write(data)

    async with serving() as (host, address):
        host.handle(ECHO, watched)
        argv = ["--do", "echo", "--size", "10", "--streams", "20", "--concurrent", *workers]
        await dial(options_of("peer", "dial", address, *argv))
    assert console.events[0]["bytes"] == 200
    assert running["most"] <= most


@pytest.mark.parametrize("concurrent", [[], ["--concurrent"]])
async def test_an_echo_that_differs_is_an_error(console: Console, concurrent: list[str]) -> None:
    async def liar(stream: Stream) -> None:
        data = await stream.read_to_end(100)
        stream.write(b"x" + data[1:])

    async with serving() as (host, address):
        host.handle(ECHO, liar)
        argv = ["--do", "echo", "--size", "10", "--streams", "3", *concurrent]
        with pytest.raises((CommandError, ExceptionGroup)) as caught:
            await dial(options_of("peer", "dial", address, *argv))
    error = caught.value
    while isinstance(error, ExceptionGroup):
        error = error.exceptions[0]
    assert str(error) == "echo returned 10 bytes that differ from the 10 sent"
    assert console.events == []


@pytest.mark.parametrize("streams", [1, 3])
async def test_perf(console: Console, streams: int) -> None:
    async with serving() as (_, address):
        argv = ["--do", "perf", "--up", 1_000_001, "--down", 2_000_003, "--streams", streams]
        await dial(options_of("peer", "dial", address, *argv))
    [event] = console.events
    assert (event["event"], event["streams"]) == ("perf", streams)
    assert (event["up_bytes"], event["down_bytes"]) == (1_000_001, 2_000_003)
    assert event["up_seconds"] > 0
    assert event["down_seconds"] > 0


async def test_perf_of_nothing_takes_no_time(console: Console) -> None:
    async with serving() as (_, address):
        await dial(options_of("peer", "dial", address, "--do", "perf"))
    assert (console.events[0]["up_seconds"], console.events[0]["down_seconds"]) == (0, 0)


def test_shares_add_up() -> None:
    for total in (0, 1, 7, 100, 101):
        shares = [_share(total, number, 7) for number in range(7)]
        assert sum(shares) == total
        assert max(shares) - min(shares) <= 1


async def test_connect_again_and_again(console: Console) -> None:
    async with serving() as (host, address):
        async with host.events(ConnectionOpened, ConnectionEnded) as events:
            await dial(options_of("peer", "dial", address, "--do", "connect", "--count", 5))
            kinds = [type(await anext(events)).__name__ for _ in range(10)]
        assert host.connections() == []
    assert Counter(kinds) == {"ConnectionOpened": 5, "ConnectionEnded": 5}
    [event] = console.events
    assert (event["event"], event["count"]) == ("connect", 5)


async def test_hold_keeps_an_identity_for_each_connection(console: Console) -> None:
    async with serving() as (host, address), host.events(ConnectionOpened) as events:
        task = asyncio.create_task(dial(options_of("peer", "dial", address, "--do", "hold", "--count", 4)))
        event = await console.event("holding")
        assert event["count"] == 4
        for _ in range(4):
            await anext(events)
        assert len({connection.peer_id for connection in host.connections()}) == 4
        os.kill(os.getpid(), signal.SIGTERM)
        await task
        for connection in host.connections():
            await connection.wait_closed()
        assert host.connections() == []


async def test_hold_ends_after_its_time(console: Console) -> None:
    async with serving() as (_, address):
        await dial(options_of("peer", "dial", address, "--do", "hold", "--wait", 0.01))
    assert [event["event"] for event in console.events] == ["holding"]


async def test_hold_of_nobody_leaves_nothing_behind(console: Console) -> None:
    async with serving() as (_, address):
        with pytest.raises(DialError):
            await dial(options_of("peer", "dial", with_peer(address, ID_OF_THE_SEED), "--do", "hold"))
    assert console.events == []


async def test_a_dialer_with_a_seed_and_a_trace(console: Console, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    async with serving() as (host, address), host.events(ConnectionOpened) as events:
        await dial(options_of("peer", "dial", address, "--seed-hex", SEED, "--trace", trace))
        opened = await anext(events)
    assert isinstance(opened, ConnectionOpened)
    assert str(opened.connection.peer_id) == ID_OF_THE_SEED
    assert {event["name"] for event in read_trace(trace)} == {"opened", "protocol", "frame", "closed"}


async def test_another_peer_than_the_expected_one(console: Console) -> None:
    async with serving() as (_, address):
        with pytest.raises(DialError) as caught:
            await dial(options_of("peer", "dial", with_peer(address, ID_OF_THE_SEED)))
    [(_, cause)] = caught.value.attempts
    assert isinstance(cause, PeerIdMismatch)


async def test_a_protocol_that_is_not_served(console: Console) -> None:
    async with Host(listen=[LOOPBACK]) as host:
        for verb in ("echo", "perf"):
            with pytest.raises((P2PError, ExceptionGroup)):
                await dial(options_of("peer", "dial", host.full_addresses[0], "--do", verb, "--up", 1))
    assert console.events == []


async def test_one_error_event_of_many_failing_streams(commands: Commands) -> None:
    async with Host(listen=[LOOPBACK]) as host:
        argv = ["--do", "echo", "--streams", "5", "--concurrent"]
        result = await commands.beside("peer", "dial", host.full_addresses[0], *argv)
    assert (result.status, result.err) == (1, "")
    [event] = result.json
    assert event["event"] == "error"
    assert ECHO in event["error"]


async def test_ours_with_ours() -> None:
    """Every verb, as processes."""
    peers = Peers({})
    async with peers.listen("p2pstack") as node:
        assert len((await peers.dial("p2pstack", node.address, "ping", "--count", 3))["rtts_us"]) == 3
        assert (await peers.dial("p2pstack", node.address, "identify"))["peer"] == node.peer_id
        options = ("--size", 5000, "--streams", 50, "--concurrent", "--workers", 10)
        assert (await peers.dial("p2pstack", node.address, "echo", *options))["bytes"] == 250_000
        found = await peers.dial("p2pstack", node.address, "perf", "--up", "5M", "--down", "5M", "--streams", 2)
        assert (found["up_bytes"], found["down_bytes"]) == (5_000_000, 5_000_000)
        assert (await peers.dial("p2pstack", node.address, "connect", "--count", 5))["count"] == 5
        assert (await peers.dial("p2pstack", node.address, "hold", "--count", 3, "--wait", 0))["count"] == 3
        assert "expected peer" in await peers.dial_in_vain("p2pstack", with_peer(node.address, ID_OF_THE_SEED), "ping")
        await all_ended(node)
    assert json.dumps(node.events[-1]) == json.dumps({"event": "summary", "peer": node.peer_id, "received": 0})


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
async def test_thousands_of_streams_at_once_when_both_allow_them(loop: str) -> None:
    if loop == "uvloop":
        pytest.importorskip("uvloop")
    peers = Peers({})
    flags = ("--loop", loop, "--spin", 50, "--streams-limit", 20_000)
    async with peers.listen("p2pstack", "--quiet", *flags) as node:
        options = ("--size", 1, "--streams", 3000, "--concurrent", *flags)
        assert (await peers.dial("p2pstack", node.address, "echo", *options))["bytes"] == 3000
