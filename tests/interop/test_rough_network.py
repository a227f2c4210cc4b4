"""The verbs over a bad network: bytes one by one, delays, cuts anywhere, and dialers that never say a word.

A proxy stands between the two peers (proxy.py). "Up" is the direction from the dialer to the listener.
"""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from tests.interop.addresses import tcp_endpoint
from tests.interop.harness import Peers, all_ended
from tests.interop.pairs import each_kind, each_pair
from tests.interop.proxy import Proxy, Weather

pytestmark = pytest.mark.interop

ONE_BYTE = Weather(segment=1)
ODD_PIECES = Weather(segment=1237)
DELAY_SECONDS = 0.025
SLOW = Weather(delay=DELAY_SECONDS)

CUTS_OF_A_DIALER = [
    # what is cut there, if the dialer sends what they all send; the numbers need not be exact
    Weather(reset_after=0),
    Weather(reset_after=9),  # the header of multistream-select
    Weather(end_after=25),  # the name of the security protocol
    Weather(reset_after=50),  # Noise, first message
    Weather(end_after=150),  # Noise, third message
    Weather(reset_after=300),  # the muxer, or the first frames
    Weather(reset_after=5_000),
    Weather(end_after=70_000),
    Weather(reset_after=150_001),
]
CUTS_OF_A_LISTENER = [
    Weather(end_after=0),
    Weather(end_after=20),
    Weather(reset_after=100),  # Noise, second message
    Weather(end_after=240),
    Weather(reset_after=5_000),
    Weather(end_after=70_000),
]

GARBAGE = [
    b"GET / HTTP/1.1\r\nHost: p2pstack.example\r\nUser-Agent: a browser that lost its way\r\n\r\n",
    bytes(1000),
    b"\xff" * 1000,
    b"\x13/multistream/2.0.0\n",
    b"\x13/multistream/1.0.0\n" + b"\xff" * 1000,
    b"\x13/multistream/1.0.0\n\x07/noise\n" + b"\x00\x20" + bytes(32) + bytes(300),
]


@each_pair
async def test_one_byte_at_a_time(peers: Peers, dialer: str, listener: str) -> None:
    async with peers.listen(listener) as node, Proxy(node.address, up=ONE_BYTE, down=ONE_BYTE) as proxy:
        seen = await peers.dial(dialer, proxy.address, "identify")
        assert seen["peer"] == node.peer_id
        assert "/echo/1.0.0" in seen["protocols"]
        assert len((await peers.dial(dialer, proxy.address, "ping", "--count", 3))["rtts_us"]) == 3
        assert (await peers.dial(dialer, proxy.address, "echo", "--size", 3000, "--streams", 3))["bytes"] == 9000
        await peers.dial(dialer, proxy.address, "perf", "--up", 2000, "--down", 3000, "--streams", 2)
        await peers.dial(dialer, proxy.address, "connect", "--count", 2)
        assert proxy.connections == 6


@each_pair
async def test_pieces_that_fit_no_frame(peers: Peers, dialer: str, listener: str) -> None:
    async with peers.listen(listener) as node, Proxy(node.address, up=ODD_PIECES, down=ODD_PIECES) as proxy:
        options = ("--size", 300_000, "--streams", 4, "--concurrent")
        assert (await peers.dial(dialer, proxy.address, "echo", *options))["bytes"] == 1_200_000


@each_pair
async def test_delays(peers: Peers, dialer: str, listener: str) -> None:
    async with peers.listen(listener) as node, Proxy(node.address, up=SLOW, down=SLOW) as proxy:
        rtts = (await peers.dial(dialer, proxy.address, "ping", "--count", 3))["rtts_us"]
        assert all(rtt >= 2e6 * DELAY_SECONDS for rtt in rtts), rtts
        await peers.dial(dialer, proxy.address, "identify")
        # more than a window on each stream, so that updates have to travel
        options = ("--size", 600_000, "--streams", 3, "--concurrent")
        assert (await peers.dial(dialer, proxy.address, "echo", *options))["bytes"] == 1_800_000
        await peers.dial(dialer, proxy.address, "perf", "--up", 1_000_000, "--down", 1_000_000)


async def _fail_through(peers: Peers, dialer: str, proxy: Proxy, turn: asyncio.Semaphore) -> None:
    async with turn, proxy:
        options = ("--size", 100_000, "--streams", 2)
        assert await peers.dial_in_vain(dialer, proxy.address, "echo", *options, seconds=10)


@each_pair
async def test_cuts_hurt_only_the_connection_that_is_cut(peers: Peers, dialer: str, listener: str) -> None:
    async with peers.listen(listener) as node:
        cuts = [Proxy(node.address, up=weather) for weather in CUTS_OF_A_DIALER]
        cuts += [Proxy(node.address, down=weather) for weather in CUTS_OF_A_LISTENER]
        turn = asyncio.Semaphore(4)
        async with asyncio.TaskGroup() as group:
            for proxy in cuts:
                group.create_task(_fail_through(peers, dialer, proxy, turn))
        await peers.dial(dialer, node.address, "echo", "--size", 100_000, "--streams", 2)
        await all_ended(node)


@each_kind
async def test_silent_dialers_hold_nobody_up(peers: Peers, kind: str) -> None:
    async with peers.listen(kind) as node:
        silent = [await asyncio.open_connection(*tcp_endpoint(node.address)) for _ in range(20)]
        for _, writer in silent[:10]:
            writer.write(b"\x13/multistream/1.0.0\n\x07/noi")
        try:
            await peers.dial(kind, node.address, "ping", seconds=10)
            await peers.dial(kind, node.address, "connect", "--count", 5, seconds=10)
        finally:
            for _, writer in silent:
                writer.transport.abort()


@each_kind
@pytest.mark.parametrize("garbage", GARBAGE, ids=[data[:8].hex() for data in GARBAGE])
async def test_garbage_ends_a_connection_and_nothing_else(peers: Peers, kind: str, garbage: bytes) -> None:
    async with peers.listen(kind) as node:
        reader, writer = await asyncio.open_connection(*tcp_endpoint(node.address))
        try:
            writer.write(garbage)
            with contextlib.suppress(ConnectionError):
                await asyncio.wait_for(reader.read(), 5)  # to the end, which the listener has to make
        finally:
            writer.transport.abort()
        assert node.count("connected") == 0
        await peers.dial(kind, node.address, "ping")
