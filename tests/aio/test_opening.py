from __future__ import annotations

import asyncio
from typing import Any

import pytest

from p2pstack.aio.config import ShellConfig
from p2pstack.aio.connection import Connection
from p2pstack.connection.config import ConnectionConfig
from p2pstack.errors import (
    ConnectionClosed,
    DeadlineExceeded,
    LocalError,
    P2PError,
    ProtocolNotSupported,
)
from p2pstack.yamux.config import YamuxConfig
from tests.aio.shell import (
    HOLD,
    FakeTransport,
    Side,
    end,
    linked,
    manual_link,
    until,
)


def with_yamux(seed: int, config: ShellConfig | None = None, **options: Any) -> Side:
    return Side(seed, config=config, connection=ConnectionConfig(yamux=YamuxConfig(**options)))


async def started(coroutine: Any) -> asyncio.Task[Any]:
    task = asyncio.ensure_future(coroutine)
    await asyncio.sleep(0)
    assert not task.done()
    return task


async def test_open_stream_takes_the_first_protocol_that_the_peer_speaks() -> None:
    async with linked() as link:
        stream = await link.outbound.open_stream(["/unknown/1", HOLD, "/unknown/2"])
        assert stream.protocol == HOLD
        stream = await link.outbound.open_stream((HOLD,))
        assert stream.protocol == HOLD


@pytest.mark.parametrize("protocols", ["/a/1", ["/a/1", "/b/1"]])
async def test_open_stream_fails_when_the_peer_speaks_none(protocols: str | list[str]) -> None:
    async with linked() as link:
        with pytest.raises(ProtocolNotSupported) as caught:
            await link.outbound.open_stream(protocols)
        assert caught.value.offered == (("/a/1",) if protocols == "/a/1" else ("/a/1", "/b/1"))
        assert link.outbound.streams == []
        await until(lambda: not link.inbound.streams)


@pytest.mark.req("MSS-06")
async def test_a_lazy_stream_waits_for_nothing_and_learns_of_a_refusal_at_its_first_read() -> None:
    async with linked() as link:
        stream = await link.outbound.open_stream(HOLD, lazy=True)
        stream.write(b"early")
        assert await (await link.server.accept()).read() == b"early"
        refused = await link.outbound.open_stream("/unknown/1", lazy=True)
        assert refused.protocol == "/unknown/1"
        refused.write(b"early")
        with pytest.raises(ProtocolNotSupported):
            await refused.read()
        assert (await link.outbound.open_stream([HOLD, "/x/1"], lazy=True)).protocol == HOLD, "two are negotiated"


async def test_streams_can_be_opened_from_both_sides() -> None:
    async with linked() as link:
        stream = await link.inbound.open_stream(HOLD)
        assert stream.direction == "outbound"
        far = await link.client.accept()
        far.write(b"hi")
        assert await stream.read() == b"hi"


@pytest.mark.parametrize("limit", ["max_streams", "max_unacknowledged"])
async def test_open_stream_waits_for_room_and_gets_it(limit: str) -> None:
    client = with_yamux(1, **{limit: 2})
    async with manual_link(client) as (connection, peer):
        first, second = [await connection.open_stream("/hold/1.0.0", lazy=True) for _ in range(2)]
        waiting = [asyncio.create_task(connection.open_stream(HOLD, lazy=True)) for _ in range(2)]
        await asyncio.sleep(0)
        assert not any(task.done() for task in waiting)
        first.reset()
        await until(waiting[0].done)
        assert not waiting[1].done(), "one place, one stream"
        if limit == "max_unacknowledged":
            await peer.converse(waiting[1].done)
        else:
            second.reset()
        assert not (await waiting[1]).fin_sent
        assert len(connection.streams) <= 3


async def test_open_stream_waits_for_room_no_longer_than_its_timeout() -> None:
    async with linked(with_yamux(1, max_streams=1)) as link:
        await link.outbound.open_stream(HOLD)
        with pytest.raises(DeadlineExceeded, match=r"no further stream could be opened within 0\.01 s"):
            await link.outbound.open_stream(HOLD, timeout=0.01)
        waiting = await started(link.outbound.open_stream(HOLD))
        await link.outbound.close()
        with pytest.raises(ConnectionClosed):
            await waiting


async def test_the_wait_for_room_and_the_negotiation_share_the_timeout() -> None:
    async with manual_link(with_yamux(1, max_streams=1)) as (connection, _silent):
        first = await connection.open_stream(HOLD, lazy=True)
        loop = asyncio.get_running_loop()
        loop.call_later(0.8, first.reset)
        started_at = loop.time()
        with pytest.raises(DeadlineExceeded, match="no protocol was agreed within 1 s"):
            await connection.open_stream(HOLD, timeout=1.0)
        assert 0.95 < loop.time() - started_at < 1.6


async def test_a_cancelled_open_stream_leaves_no_stream() -> None:
    async with manual_link(Side(2)) as (connection, peer):
        task = await started(connection.open_stream([HOLD, "/x/1"]))
        assert len(connection.streams) == 1
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert connection.streams == []
        await peer.converse(lambda: peer.machine.session is not None and not peer.machine.session.streams)


async def test_a_cancelled_wait_for_room_takes_no_room() -> None:
    async with linked(with_yamux(1, max_streams=1)) as link:
        first = await link.outbound.open_stream(HOLD)
        given_up = await started(link.outbound.open_stream(HOLD))
        waiting = await started(link.outbound.open_stream(HOLD))
        given_up.cancel()
        await asyncio.wait([given_up])
        first.reset()
        assert (await waiting).protocol == HOLD


async def test_the_death_of_the_connection_ends_open_stream() -> None:
    async with manual_link(Side(2)) as (connection, peer):
        task = await started(connection.open_stream([HOLD, "/x/1"]))
        peer.reset()
        with pytest.raises(ConnectionClosed):
            await task


async def test_a_stream_cannot_be_opened_before_the_upgrade_is_over() -> None:
    connection = Connection(Side(1).runtime, outbound=True)
    transport = FakeTransport(connection)
    with pytest.raises(LocalError):
        await connection.open_stream(HOLD)
    assert connection.streams == []
    assert connection.round_trip == connection.last_received == 0.0
    assert "not secured yet" in repr(connection)
    await end(connection)
    assert transport.ended == "aborted"
    with pytest.raises(P2PError, match="the test is over"):
        await connection.ready()
