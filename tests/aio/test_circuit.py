"""A connection inside a stream of another one: back pressure, ends, and what is kept of neither."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from p2pstack.aio.circuit import join_circuit
from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.errors import ConnectionClosed, GatedError, P2PError, StreamError
from p2pstack.identity.multiaddrs import parse
from tests.aio.shell import HOLD, Side, dial, end, linked, listening, until

WAY = parse("/ip4/127.0.0.1/tcp/1/p2p-circuit")
SIZE = 3_000_000


@asynccontextmanager
async def nested() -> AsyncIterator[tuple[Connection, Connection, Side, Side, Stream, Stream]]:
    """A connection in a stream between two sides that are connected already, and the two ends of that stream."""
    client, server = Side(1), Side(2)
    async with listening(server) as listener:
        outer = await dial(client, listener)
        sent = await outer.open_stream(HOLD)
        taken = await server.accept()
        near = join_circuit(client.runtime, sent, circuit=WAY, expected_peer=server.peer_id, initiator=True)
        far = join_circuit(server.runtime, taken, circuit=WAY, expected_peer=client.peer_id, initiator=False)
        await near.ready()
        await far.ready()
        try:
            yield near, far, client, server, sent, taken
        finally:
            await end(near, far)
            await end(outer, *server.keeper.open)


@pytest.mark.req("RELAY-09")
async def test_it_carries_streams_both_ways() -> None:
    async with nested() as (near, _, _, server, *_):
        stream = await near.open_stream(HOLD)
        other = await server.accept()
        for source, sink in ((stream, other), (other, stream)):
            source.write(b"a" * SIZE)
            source.close_write()
            assert await sink.read_to_end(SIZE) == b"a" * SIZE


async def test_a_reader_that_falls_behind_stops_the_writer_and_loses_nothing() -> None:
    async with nested() as (near, far, _, server, sent, _):
        stream = await near.open_stream(HOLD)
        other = await server.accept()
        stream.timeout = other.timeout = 10.0
        block = bytes(range(256)) * 1_024
        total = 0

        async def write() -> None:
            nonlocal total
            for _ in range(100):
                stream.write(block)
                total += len(block)
                await stream.drain()
            stream.close_write()

        writing = asyncio.ensure_future(write())
        await until(lambda: stream.writer is not None and not sent.unsent_size and other.unread > 200_000)
        assert total < 100 * len(block)
        assert sent.unsent_size <= sent.session.config.drain_mark + 200_000
        received = bytearray()
        while data := await other.read():
            received += data
        await writing
        assert received == block * 100
        assert not far.reading_paused


async def test_reading_that_pauses_leaves_the_bytes_where_they_are() -> None:
    async with nested() as (near, far, _, server, *_):
        stream = await near.open_stream(HOLD)
        other = await server.accept()
        far._transport.pause_reading()  # type: ignore[union-attr]
        stream.write(b"later")
        await until(lambda: not stream.unsent_size)
        await near.loop.run_in_executor(None, lambda: None)
        assert other.unread == 0
        far._transport.resume_reading()  # type: ignore[union-attr]
        assert await other.read() == b"later"


async def test_the_end_of_either_side_ends_the_other_and_the_stream_but_nothing_else() -> None:
    async with nested() as (near, far, client, server, sent, taken):
        await near.close()
        await far.wait_closed()
        assert isinstance(far.close_reason, ConnectionClosed)
        await until(lambda: sent.eof and taken.fin_sent)
        assert client.keeper.gone == [near]
        assert server.keeper.gone == [far]
        assert not sent.connection.closed


@pytest.mark.parametrize("which", [0, 1])
async def test_a_stream_that_is_reset_is_the_end_of_the_connection(which: int) -> None:
    async with nested() as (near, far, *_, sent, taken):
        stream = await near.open_stream(HOLD)
        reading = asyncio.ensure_future(stream.read())
        (sent, taken)[which].reset()
        with pytest.raises(StreamError):
            await reading
        await near.wait_closed()
        await far.wait_closed()


async def test_an_abort_resets_the_stream() -> None:
    async with nested() as (near, far, *_, taken):
        near.abort(P2PError("enough"))
        await far.wait_closed()
        assert taken.failure is not None


async def test_the_owner_may_refuse() -> None:
    client, server = Side(1), Side(2)
    async with linked(client, server) as link:
        for initiator, side in ((True, client), (False, server)):
            stream = await link.outbound.open_stream(HOLD)
            taken = await server.accept()
            side.keeper.refuse_socket = GatedError("no")
            end_of_it = stream if initiator else taken
            connection = join_circuit(
                side.runtime, end_of_it, circuit=WAY, expected_peer=server.peer_id, initiator=initiator
            )
            with pytest.raises(GatedError):
                await connection.ready()
            await connection.wait_closed()
            side.keeper.refuse_socket = None
            assert end_of_it.failure is not None


@pytest.mark.req("NOISE-07")
async def test_another_peer_than_the_expected_one_is_refused_by_a_responder_too() -> None:
    client, server = Side(1), Side(2)
    async with linked(client, server) as link:
        stream, taken = await link.streams()
        near = join_circuit(client.runtime, stream, circuit=WAY, expected_peer=server.peer_id, initiator=True)
        far = join_circuit(server.runtime, taken, circuit=WAY, expected_peer=server.peer_id, initiator=False)
        with pytest.raises(P2PError, match=str(client.peer_id)):
            await far.ready()
        await near.wait_closed()
        await far.wait_closed()
