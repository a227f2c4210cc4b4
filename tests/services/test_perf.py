"""perf: amounts of any size, in either direction, and nothing allocated for them."""

from __future__ import annotations

import asyncio
import tracemalloc

import pytest

from p2pstack.aio.stream import Stream
from p2pstack.errors import ConfigError, ProtocolNotSupported, ProtocolViolation, StreamReset
from p2pstack.host.host import BaseHost
from p2pstack.services.perf import BLOCK_SIZE, MAX_BYTES, PERF, measure, serve_perf
from p2pstack.services.standard import Host
from tests.services.hosts import connected, until


def server() -> BaseHost:
    host = BaseHost()
    serve_perf(host)
    return host


@pytest.mark.req("PERF-01")
@pytest.mark.parametrize(
    ("upload", "download"),
    [(0, 0), (1, 0), (0, 1), (5_000_000, 3 * BLOCK_SIZE + 1), (BLOCK_SIZE, BLOCK_SIZE)],
)
async def test_both_amounts_go_over(upload: int, download: int) -> None:
    async with connected(BaseHost(), server()) as (near, far, _):
        seen: list[tuple[int, int]] = []
        result = await measure(
            near, far.peer_id, upload=upload, download=download, progress=lambda *so_far: seen.append(so_far)
        )
        assert (result.upload, result.download) == (upload, download)
        assert result.upload_seconds > 0
        assert result.download_seconds >= 0
        assert seen == sorted(seen)
        assert not seen or seen[-1] == (upload, download)
        assert bool(seen) == bool(upload or download)


@pytest.mark.req("PERF-02")
async def test_it_is_off_unless_asked_for() -> None:
    async with connected(Host(), Host()) as (near, far, _):
        assert PERF not in far.protocols
        with pytest.raises(ProtocolNotSupported):
            await measure(near, far.peer_id, upload=0, download=0)


@pytest.mark.req("PERF-01")
async def test_the_server_drains_before_it_sends() -> None:
    async with connected(BaseHost(), server()) as (near, far, _):
        stream = await near.open_stream(far.peer_id, PERF)
        stream.write((5).to_bytes(8, "big") + b"upload")
        for _ in range(20):
            await asyncio.sleep(0)
        assert stream.unread == 0
        stream.close_write()
        assert await stream.read_to_end(5) == bytes(5)


@pytest.mark.req("PERF-01")
async def test_the_largest_amount_takes_no_memory_and_ends_with_the_client() -> None:
    async with connected(BaseHost(), server()) as (near, far, connection):
        stream = await near.open_stream(far.peer_id, PERF)
        tracemalloc.start()
        try:
            stream.write(MAX_BYTES.to_bytes(8, "big"))
            stream.close_write()
            received = 0
            while received < 8 * BLOCK_SIZE:
                received += len(await stream.read())
            assert tracemalloc.get_traced_memory()[1] < 24 * BLOCK_SIZE
        finally:
            tracemalloc.stop()
        stream.reset()
        await until(lambda: not any(each.streams for each in far.connections()))
        assert not connection.closed


@pytest.mark.req("PERF-01")
async def test_a_client_that_is_cancelled_resets() -> None:
    async with connected(BaseHost(), server()) as (near, far, connection):
        begun = asyncio.Event()
        task = asyncio.create_task(
            measure(near, far.peer_id, upload=0, download=MAX_BYTES, progress=lambda *_: begun.set())
        )
        await asyncio.wait_for(begun.wait(), 5)
        task.cancel()
        await asyncio.wait([task])
        await until(lambda: not any(each.streams for each in far.connections()))
        assert not connection.closed


@pytest.mark.misbehave
@pytest.mark.req("PERF-01")
@pytest.mark.parametrize("size", [0, 1, 7])
async def test_fewer_than_eight_bytes_are_reset(size: int) -> None:
    async with connected(BaseHost(), server()) as (near, far, connection):
        stream = await near.open_stream(far.peer_id, PERF)
        stream.write(bytes(size))
        stream.close_write()
        with pytest.raises(StreamReset):
            await stream.read()
        assert not connection.closed


@pytest.mark.misbehave
@pytest.mark.req("PERF-01")
@pytest.mark.parametrize("sent", [0, 99, 101, 5_000_000])
async def test_another_amount_than_asked_for_is_a_violation(sent: int) -> None:
    async def lying(stream: Stream) -> None:
        await stream.read_to_end(1_000)
        stream.write(bytes(sent))
        await stream.drain()

    far = BaseHost()
    far.handle(PERF, lying)
    async with connected(BaseHost(), far) as (near, _, connection):
        with pytest.raises(ProtocolViolation, match="instead of 100"):
            await measure(near, far.peer_id, upload=0, download=100)
        assert not connection.closed


@pytest.mark.parametrize("amounts", [{"upload": -1, "download": 0}, {"upload": 0, "download": 2**64}])
async def test_amounts_out_of_range_are_refused_before_anything_is_dialled(amounts: dict[str, int]) -> None:
    host = BaseHost()
    with pytest.raises(ConfigError, match="2\\^64"):
        await measure(host, "/ip4/127.0.0.1/tcp/1", **amounts)


async def test_the_number_of_streams_can_be_bounded() -> None:
    far = BaseHost()
    serve_perf(far, max_streams=1)
    async with connected(BaseHost(), far) as (_, _, connection):
        first = await connection.open_stream(PERF)
        second = await connection.open_stream(PERF, lazy=True)
        with pytest.raises(StreamReset):
            await second.read()
        first.write(bytes(8))
        first.close_write()
        assert await first.read() == b""
