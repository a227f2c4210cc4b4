"""The proxy itself: does it do to the bytes what its description says?"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from tests.interop.addresses import peer_of, tcp_endpoint, with_peer, with_port, without_peer
from tests.interop.proxy import FAIR, Proxy, Weather

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

SHORT = 0.05
"""Seconds in which something that must not happen would have happened."""


@contextlib.asynccontextmanager
async def serving(handler: Handler) -> AsyncIterator[str]:
    """A server on the loopback; gives its multiaddr."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await handler(reader, writer)
        await close(writer)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"/ip4/127.0.0.1/tcp/{server.sockets[0].getsockname()[1]}"


@contextlib.asynccontextmanager
async def dialed(address: str) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    reader, writer = await asyncio.open_connection(*tcp_endpoint(address))
    try:
        yield reader, writer
    finally:
        await close(writer)


@contextlib.asynccontextmanager
async def through(
    handler: Handler, *, up: Weather = FAIR, down: Weather = FAIR
) -> AsyncIterator[tuple[Proxy, asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection through a proxy to a server with ``handler``."""
    async with serving(handler) as address, Proxy(address, up=up, down=down) as proxy:
        connection = dialed(proxy.address)
        async with connection as (reader, writer):
            yield proxy, reader, writer


async def close(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with contextlib.suppress(ConnectionError):
        await writer.wait_closed()


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()


async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass


async def test_fair_weather_changes_nothing() -> None:
    payload = bytes(range(256)) * 1000
    async with through(echo) as (proxy, reader, writer):
        writer.write(payload)
        writer.write_eof()
        assert await reader.read() == payload
        assert proxy.connections == 1
        assert proxy.carried == {"up": len(payload), "down": len(payload)}


async def test_segments_of_one_byte_arrive_one_by_one() -> None:
    sizes: list[int] = []

    async def measure(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            sizes.append(len(data))
        writer.write(b"done")

    payload = bytes(500)
    async with through(measure, up=Weather(segment=1)) as (_, reader, writer):
        writer.write(payload)
        writer.write_eof()
        assert await reader.read() == b"done"
    assert sum(sizes) == len(payload)
    assert len(sizes) > len(payload) * 0.9, f"{len(sizes)} reads"


async def test_a_delay_holds_each_direction_back_and_keeps_the_order() -> None:
    loop = asyncio.get_running_loop()
    slow = Weather(delay=0.03)
    async with through(echo, up=slow, down=slow) as (_, reader, writer):
        start = loop.time()
        for number in range(100):
            writer.write(bytes([number]))
            await writer.drain()
        writer.write_eof()
        assert await reader.read() == bytes(range(100))
        # one round trip for all, not one for each
        assert 0.06 <= loop.time() - start < 2.0


@pytest.mark.parametrize("after", [0, 1, 1000])
async def test_a_reset_ends_both_connections_after_so_many_bytes(after: int) -> None:
    seen = bytearray()
    ended: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

    async def watch(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(65536):
                seen.extend(data)
        except ConnectionError as error:
            ended.set_result(error)

    async with through(watch, up=Weather(reset_after=after)) as (proxy, reader, writer):
        writer.write(bytes(2000))
        with pytest.raises(ConnectionResetError):
            await reader.read()
        assert isinstance(await asyncio.wait_for(ended, 5), ConnectionResetError)
        assert len(seen) <= after
        assert proxy.carried["up"] == after


async def test_an_early_end_is_a_half_close() -> None:
    async def answer_at_the_end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(await reader.read())

    async with through(answer_at_the_end, up=Weather(end_after=7)) as (_, reader, writer):
        writer.write(b"0123456789")
        assert await asyncio.wait_for(reader.read(), 5) == b"0123456"
        writer.write(b"nobody takes this")
        await writer.drain()


async def test_a_stall_leaves_both_ends_connected() -> None:
    async with through(echo, down=Weather(stall_after=3)) as (_, reader, writer):
        writer.write(b"0123456789")
        assert await reader.readexactly(3) == b"012"
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(reader.read(1), SHORT)
        assert not reader.at_eof()


async def test_a_stall_holds_the_sender_back() -> None:
    async with through(swallow, up=Weather(stall_after=1000)) as (*_, writer):
        writer.write(bytes(64 << 20))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(writer.drain(), SHORT)
        writer.transport.abort()


async def test_the_end_of_one_side_is_passed_on() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async with through(hang_up) as (_, reader, writer):
        writer.write(b"x")
        assert await asyncio.wait_for(reader.read(), 5) == b""


async def test_a_dead_target_resets_the_dialer() -> None:
    async with serving(echo) as address:
        pass
    async with Proxy(address) as proxy, dialed(proxy.address) as (reader, _):
        with pytest.raises(ConnectionResetError):
            await reader.read()


def test_addresses() -> None:
    address = "/ip4/127.0.0.1/tcp/4001/p2p/QmPeer"
    assert tcp_endpoint(address) == ("127.0.0.1", 4001)
    assert peer_of(address) == "QmPeer"
    assert without_peer(address) == "/ip4/127.0.0.1/tcp/4001"
    assert with_peer(address, "QmOther") == "/ip4/127.0.0.1/tcp/4001/p2p/QmOther"
    assert with_port(address, 9) == "/ip4/127.0.0.1/tcp/9/p2p/QmPeer"
    assert with_port(without_peer(address), 9) == "/ip4/127.0.0.1/tcp/9"


@pytest.mark.parametrize("text", ["", "/ip4/127.0.0.1", "/ip4/127.0.0.1/udp/1", "/ip4/1.2.3.4/tcp/1/http/x"])
def test_other_addresses_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not /ip4"):
        tcp_endpoint(text)
