from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from base64 import b64encode
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from time import time_ns

import pytest

from p2pstack import Host, PeerId
from p2pstack.cli import peer_host, peer_listen
from p2pstack.cli.output import OutputGone
from p2pstack.cli.peer_inbox import HEADER
from p2pstack.cli.peer_listen import listen
from p2pstack.cli.pubsub_options import pubsub_config
from p2pstack.host.events import Event
from p2pstack.host.host import BaseHost
from p2pstack.relay.messages import HopKind, HopMessage, Limit
from p2pstack.relay.protocols import HOP, MAX_MESSAGE
from p2pstack.services.echo import echo
from p2pstack.services.gossipsub.service import Gossipsub
from p2pstack.services.perf import measure
from tests.cli.commands import Console, Stdin, options_of, process, start

SEED = "00" * 32
ID_OF_THE_SEED = "12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN"


@contextlib.asynccontextmanager
async def listening(console: Console, stdin: Stdin, *argv: object) -> AsyncIterator[str]:
    """A listening peer in the test's own loop, which leaves when its stdin ends; gives its address."""
    task = asyncio.create_task(listen(options_of("peer", "listen", *argv)))
    yield (await console.event("listening"))["addr"]
    stdin.close()
    await task
    assert console.events[-1]["event"] == "summary"


async def test_a_connection_from_its_begin_to_its_end(console: Console, stdin: Stdin) -> None:
    async with listening(console, stdin, "--seed-hex", SEED) as address, Host() as host:
        assert address.startswith("/ip4/127.0.0.1/tcp/")
        assert address.endswith(f"/p2p/{ID_OF_THE_SEED}")
        connection = await host.connect(address)
        identified = await console.event("identified")
        assert identified["peer"] == str(host.peer_id)
        assert set(identified["protocols"]) == set(host.protocols)
        await connection.close()
        await console.event("disconnected")
    assert [event["event"] for event in console.events] == [
        "listening", "connected", "identified", "disconnected", "summary",
    ]  # fmt: skip
    assert {event.get("peer") for event in console.events[1:4]} == {str(host.peer_id)}
    assert console.events[-1] == {"event": "summary", "peer": ID_OF_THE_SEED, "received": 0}


LOOPBACK, LAN = "/ip4/127.0.0.1/tcp/4001", "/ip4/192.168.1.2/tcp/4001"


@pytest.mark.parametrize(("addresses", "told"), [([LOOPBACK, LAN], LAN), ([LOOPBACK], LOOPBACK)])
async def test_on_all_interfaces_it_tells_an_address_that_others_can_dial(
    console: Console, stdin: Stdin, monkeypatch: pytest.MonkeyPatch, addresses: list[str], told: str
) -> None:
    monkeypatch.setattr(BaseHost, "full_addresses", addresses)
    async with listening(console, stdin, "--listen-ip", "0.0.0.0") as address:
        assert address == told


async def test_it_serves_ping_echo_and_perf(console: Console, stdin: Stdin) -> None:
    async with listening(console, stdin) as address, Host() as host:
        peer = (await host.connect(address)).peer_id
        assert await host.ping(peer) > 0
        assert await echo(host, peer, b"hello" * 100_000) == b"hello" * 100_000
        found = await measure(host, peer, upload=1_000_000, download=1_000_000)
        assert found.download == 1_000_000


async def test_quiet_says_nothing_between_the_first_and_the_last(console: Console, stdin: Stdin) -> None:
    async with listening(console, stdin, "--quiet") as address, Host() as host:
        await host.identify.wait(await host.connect(address))
    assert [event["event"] for event in console.events] == ["listening", "summary"]


@contextlib.asynccontextmanager
async def publishing(*argv: str) -> AsyncIterator[Gossipsub]:
    """A host that publishes, with the policy that these arguments ask for."""
    config = pubsub_config(options_of("peer", "listen", *argv))
    async with Host() as host, Gossipsub(host, config=config) as pubsub:
        yield pubsub


@pytest.mark.parametrize("policy", ["--permissive", "--anonymous"])
async def test_messages_of_all_topics_are_printed_and_counted(console: Console, stdin: Stdin, policy: str) -> None:
    argv = ("--topic", "a", "--topic", "b", policy)
    async with listening(console, stdin, *argv) as address, publishing(policy) as pubsub:
        peer = str(pubsub._host.peer_id)
        await pubsub._host.connect(address)
        await pubsub.publish("a", b"\x00" * 256)
        await pubsub.publish("b", b"\xff" * 257)
        second = await console.event("message", 2)
    first = await console.event("message")
    author = peer if policy == "--permissive" else ""
    assert first == {
        "event": "message", "topic": "a", "from": author, "via": peer, "len": 256,
        "sha256": sha256(b"\x00" * 256).hexdigest(), "data_b64": b64encode(b"\x00" * 256).decode(),
    }  # fmt: skip
    assert second == {
        "event": "message", "topic": "b", "from": author, "via": peer, "len": 257,
        "sha256": sha256(b"\xff" * 257).hexdigest(),
    }  # fmt: skip
    summary = console.events[-1]
    assert (summary["received"], summary["received_bytes"]) == (2, 513)
    assert summary["counters"]["undeliverable"] == 0
    assert "latency_us_p50" not in summary


async def test_quiet_counts_messages_and_prints_none(console: Console, stdin: Stdin) -> None:
    async with listening(console, stdin, "--topic", "T", "--quiet") as address, publishing() as pubsub:
        await pubsub._host.connect(address)
        await pubsub.publish("T", HEADER.pack(5, time_ns()) + b"rest")
        await pubsub.stop()  # once the listener has read it all
    assert [event["event"] for event in console.events] == ["listening", "summary"]
    summary = console.events[-1]
    assert (summary["received"], summary["distinct"], summary["max_seq"]) == (1, 1, 5)
    assert 0 < summary["latency_us_p50"] == summary["latency_us_max"] < 30e6


async def test_it_dials_others_and_says_whom_it_can_not_reach(console: Console, stdin: Stdin) -> None:
    async with Host(listen=["/ip4/127.0.0.1/tcp/0"]) as host:
        there, nowhere = host.full_addresses[0], "/ip4/127.0.0.1/tcp/1"
        async with listening(console, stdin, "--connect", there, "--connect", nowhere):
            assert (await console.event("connected"))["peer"] == str(host.peer_id)
            failed = await console.event("connect-failed")
            assert failed["addr"] == nowhere
            assert "refused" in failed["error"]


async def test_a_peer_that_does_not_tell_who_it_is(console: Console, stdin: Stdin) -> None:
    async with listening(console, stdin) as address, BaseHost() as silent:
        await silent.connect(address)
        failed = await console.event("identify-failed")
        assert failed["peer"] == str(silent.peer_id)
        assert "/ipfs/id/1.0.0" in failed["reason"]


@pytest.mark.skipif(not hasattr(signal, "SIGUSR1"), reason="no SIGUSR1")
async def test_resident_memory_on_request(console: Console, stdin: Stdin) -> None:
    async with listening(console, stdin, "--rss") as address, Host() as host:
        await host.connect(address)
        await console.event("connected")
        os.kill(os.getpid(), signal.SIGUSR1)
        rss = await console.event("rss")
        assert rss["connections"] == 1
        assert rss["rss_kib"] == -1 or rss["rss_kib"] > 1000
        assert rss["tasks"] > 0
    assert "rss_kib" in console.events[-1]
    assert signal.getsignal(signal.SIGUSR1) == signal.SIG_DFL


async def test_where_there_is_no_such_signal_the_summary_has_it(
    console: Console, stdin: Stdin, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delattr(signal, "SIGUSR1", raising=False)
    monkeypatch.setattr(peer_host, "_STATUS", tmp_path / "none")
    async with listening(console, stdin, "--rss"):
        pass
    assert console.events[-1]["rss_kib"] == -1


async def test_sigterm_stops_it_in_good_order(console: Console, stdin: Stdin) -> None:
    task = asyncio.create_task(listen(options_of("peer", "listen")))
    async with Host() as host:
        connection = await host.connect((await console.event("listening"))["addr"])
        await console.event("connected")
        os.kill(os.getpid(), signal.SIGTERM)
        await task
        await connection.wait_closed()
        assert "session" in str(connection.close_reason)
    assert console.events[-1]["event"] == "summary"


async def test_a_stdout_that_nobody_reads_ends_it(
    console: Console, stdin: Stdin, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = asyncio.create_task(listen(options_of("peer", "listen")))
    address = (await console.event("listening"))["addr"]

    def gone(_: Event) -> None:
        raise OutputGone

    monkeypatch.setattr(peer_listen, "_print_event", gone)
    async with Host() as host:
        await host.connect(address)
        with pytest.raises(OutputGone):
            await task


async def test_a_port_that_is_taken_is_an_error(console: Console, stdin: Stdin) -> None:
    async with Host(listen=["/ip4/127.0.0.1/tcp/0"]) as host:
        port = str(host.addresses[0]).rsplit("/", 1)[1]
        with pytest.raises(OSError, match="in use"):
            await listen(options_of("peer", "listen", "--port", port))
    assert console.events == []


def test_as_a_process_it_leaves_when_stdin_ends_or_is_empty(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    with start("peer", "listen", "--seed-hex", SEED, "--trace", trace) as running:
        assert running.stdout is not None
        assert f'/p2p/{ID_OF_THE_SEED}"' in running.stdout.readline()
        out, err = running.communicate(timeout=20)  # closes stdin
    assert (running.returncode, err) == (0, "")
    assert out == f'{{"event":"summary","peer":"{ID_OF_THE_SEED}","received":0}}\n'
    with Path(os.devnull).open() as nothing:
        for loop in ("asyncio", "uvloop"):
            result = process("peer", "listen", "--loop", loop, stdin=nothing)
            assert (result.status, len(result.json)) == (0, 2)
    assert trace.read_text() == ""
    assert PeerId.from_string(ID_OF_THE_SEED)


@pytest.mark.parametrize(
    ("flag", "limit"), [("--relay", Limit(120, 131_072)), ("--relay-shinkai", Limit(3_600, 1 << 30))]
)
async def test_a_relay(console: Console, stdin: Stdin, flag: str, limit: Limit) -> None:
    async with listening(console, stdin, flag) as address, BaseHost() as host:
        stream = await host.open_stream(address, HOP)
        stream.write_frame(HopMessage(kind=HopKind.RESERVE).encode())
        answer = HopMessage.decode(await stream.read_frame(MAX_MESSAGE))
        assert answer.limit == limit
        assert answer.reservation is not None
        assert [str(each) for each in answer.reservation.addresses] == [address]
