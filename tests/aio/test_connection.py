from __future__ import annotations

import asyncio
import random
import socket
import struct
from time import monotonic
from typing import Any

import pytest

from p2pstack.aio.config import ShellConfig
from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.connection.config import ConnectionConfig
from p2pstack.errors import (
    ConnectionClosed,
    DeadlineExceeded,
    GatedError,
    LimitExceeded,
    LocalError,
    NegotiationError,
    NoiseError,
    P2PError,
    StreamError,
    StreamReset,
    YamuxError,
)
from p2pstack.yamux.config import YamuxConfig
from p2pstack.yamux.frames import (
    DATA,
    GOAWAY_INTERNAL,
    GOAWAY_NORMAL,
    GOAWAY_PROTOCOL,
    PING,
    RESET_RESOURCE_LIMIT,
    RESET_SHUTDOWN,
    SYN,
    pack_header,
)
from tests.aio.shell import (
    HOLD,
    FakeTransport,
    ManualPeer,
    Side,
    dial,
    end,
    fake_link,
    linked,
    listening,
    manual_dialer,
    manual_link,
    until,
)

WINDOW = 262_144


def with_yamux(seed: int, config: ShellConfig | None = None, **options: Any) -> Side:
    return Side(seed, config=config, connection=ConnectionConfig(yamux=YamuxConfig(**options)))


def noted(side: Side) -> list[Stream]:
    """Streams whose handler runs, in the order of their start."""
    return list(side.held._queue)  # type: ignore[attr-defined]


async def started(coroutine: Any) -> asyncio.Task[Any]:
    task = asyncio.ensure_future(coroutine)
    await asyncio.sleep(0)
    assert not task.done()
    return task


async def end_of(peer: ManualPeer) -> None:
    """Receive until the connection has ended."""
    async with asyncio.timeout(5):
        while await peer.receive():
            pass


# -- closing


async def test_close_tells_the_peer_and_ends_every_stream() -> None:
    async with linked() as link:
        near, far = await link.streams()
        waiting = await started(far.read())
        assert not link.outbound.closed
        assert link.outbound.close_reason is None
        await link.outbound.close()
        assert link.outbound.closed
        assert isinstance(link.outbound.close_reason, ConnectionClosed)
        with pytest.raises(ConnectionClosed, match="peer closed the session"):
            await waiting
        with pytest.raises(ConnectionClosed):
            near.write(b"x")
        await link.inbound.wait_closed()
        assert link.inbound.machine.session is not None
        assert link.inbound.machine.session.remote_go_away == GOAWAY_NORMAL
        assert link.client.keeper.gone == [link.outbound]
        assert link.server.keeper.gone == [link.inbound]


async def test_closing_is_idempotent_and_can_be_waited_for_by_many() -> None:
    async with linked() as link:
        await asyncio.gather(*(link.outbound.close() for _ in range(3)), link.outbound.wait_closed())
        await link.outbound.close()
        await link.outbound.wait_closed()
        link.outbound.abort(P2PError("too late"))
        assert isinstance(link.outbound.close_reason, ConnectionClosed)
        with pytest.raises(ConnectionClosed):
            await link.outbound.open_stream(HOLD)
        assert link.client.keeper.gone == [link.outbound]


@pytest.mark.parametrize("size", [1_000, 3 * WINDOW])
async def test_what_closed_streams_still_have_to_send_is_delivered_before_the_end(size: int) -> None:
    data = random.Random(3).randbytes(size)
    async with linked() as link:
        near, far = await link.streams()
        reading = asyncio.create_task(far.read_to_end(size))
        near.write(data)
        near.close_write()
        await link.outbound.close()
        assert await reading == data


async def test_close_waits_no_longer_than_its_timeout_for_a_peer_that_reads_nothing() -> None:
    async with linked() as link:
        near, far = await link.streams()
        near.write(b"x" * 3 * WINDOW)
        near.close_write()
        start = monotonic()
        await link.outbound.close(0.05)
        assert 0.04 < monotonic() - start < 2
        assert far.unread < 3 * WINDOW


async def test_a_close_that_is_cancelled_has_closed_all_the_same() -> None:
    async with linked() as link:
        near, _ = await link.streams()
        near.write(b"x" * 3 * WINDOW)
        near.close_write()
        closing = await started(link.outbound.close())
        closing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await closing
        assert link.outbound.closed
        async with asyncio.timeout(5):
            await link.outbound.wait_closed()
            await link.outbound.close()


async def test_a_goodbye_that_the_peer_does_not_take_is_cut_off() -> None:
    """The transport still holds bytes: without force it would wait for the peer for ever."""
    async with manual_link(Side(2), receive_buffer=4_096) as (connection, _):
        stream = await connection.open_stream("/x/1", lazy=True)
        stream.write(b"x" * WINDOW)
        flooding = [await connection.open_stream("/x/1", lazy=True) for _ in range(60)]
        for each in flooding:
            each.write(b"x" * WINDOW)
        await until(lambda: connection._write_buffer_size() > 0)
        async with asyncio.timeout(5):
            await connection.close(0.05)
        assert connection._transport is None


async def test_abort_ends_at_once_with_its_reason() -> None:
    async with linked() as link:
        near, far = await link.streams()
        waiting = await started(near.read())
        reason = P2PError("enough")
        link.outbound.abort(reason)
        assert link.outbound.closed
        with pytest.raises(ConnectionClosed, match="enough") as caught:
            await waiting
        assert caught.value.reason is reason
        await link.outbound.wait_closed()
        assert link.outbound.close_reason is reason
        with pytest.raises(ConnectionClosed):
            await far.read()


async def test_nothing_keeps_a_closed_connection_alive() -> None:
    async with linked() as link:
        await link.outbound.close()
        await link.inbound.wait_closed()
        loop = asyncio.get_running_loop()
        scheduled = [handle for handle in getattr(loop, "_scheduled", []) if not handle.cancelled()]
        assert not any(getattr(handle._callback, "__self__", None) is link.outbound for handle in scheduled)
        assert not any(getattr(handle._callback, "__self__", None) is link.inbound for handle in scheduled)
        assert link.outbound._goodbye is None or link.outbound._goodbye.cancelled()
        assert link.outbound.buffer.owner is not link.outbound


@pytest.mark.parametrize("how", ["close", "reset"])
@pytest.mark.req("GEN-12")
async def test_a_peer_that_is_gone_is_the_same_however_its_end_came(how: str) -> None:
    async with manual_link(Side(2)) as (connection, peer):
        stream = await connection.open_stream("/x/1", lazy=True)
        stream.write(b"x" * 4 * WINDOW)
        draining = await started(stream.drain())
        if how == "reset":
            peer.reset()
        else:
            peer.sock.close()
        with pytest.raises(ConnectionClosed):
            await draining
        with pytest.raises(ConnectionClosed):
            await stream.read()
        await connection.wait_closed()
        assert isinstance(connection.close_reason, ConnectionClosed)


@pytest.mark.req("GEN-12")
async def test_a_write_to_a_peer_that_is_gone_ends_the_connection_and_nothing_else() -> None:
    """EPIPE, where a reset shows only at the next write."""
    async with manual_link(Side(2)) as (connection, peer):
        peer.sock.shutdown(socket.SHUT_RD)
        stream = await connection.open_stream("/x/1", lazy=True)
        stream.write(b"x")
        await asyncio.sleep(0)
        peer.reset()
        with pytest.raises(ConnectionClosed):
            await stream.read()


async def test_a_half_closed_socket_is_a_closed_connection() -> None:
    async with manual_link(Side(2)) as (connection, peer):
        peer.sock.shutdown(socket.SHUT_WR)
        await connection.wait_closed()
        assert "closed the connection" in str(connection.close_reason)


@pytest.mark.req("GEN-01")
async def test_a_peer_that_is_gone_in_the_upgrade_fails_the_dial() -> None:
    client = Side(1)

    async def vanish(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.transport.abort()

    server = await asyncio.start_server(vanish, "127.0.0.1", 0)
    with pytest.raises((NegotiationError, ConnectionClosed)):
        await dial(client, server)
    server.close()
    assert len(client.keeper.gone) == 1


# -- bad peers


@pytest.mark.req("GEN-01")
@pytest.mark.parametrize("garbage", [b"GET / HTTP/1.1\r\n\r\n", b"\x00" * 64, b"\xff" * 64, bytes(range(256)) * 300])
async def test_garbage_costs_its_connection_only(garbage: bytes) -> None:
    client, server = Side(1), Side(2)
    async with listening(server) as listener:
        good = await dial(client, listener)
        loop = asyncio.get_running_loop()
        with socket.socket() as sock:
            sock.setblocking(False)
            await loop.sock_connect(sock, listener.sockets[0].getsockname())
            await loop.sock_sendall(sock, garbage)
            await until(lambda: len(server.keeper.gone) == 1)
        assert isinstance(server.keeper.gone[0].close_reason, NegotiationError)
        stream = await good.open_stream(HOLD)
        assert stream.protocol == HOLD
        await end(good)


@pytest.mark.req("GEN-01", "YMX-19")
async def test_a_fault_of_the_multiplexer_is_answered_by_a_goaway() -> None:
    async with manual_link(Side(2)) as (connection, peer):
        assert peer.machine.session is not None
        peer.machine.session.control.append(pack_header(0, 9, 0, 0, 0))
        await peer.send()
        await end_of_session(peer, GOAWAY_PROTOCOL)
        await connection.wait_closed()
        assert isinstance(connection.close_reason, YamuxError)


async def end_of_session(peer: ManualPeer, code: int) -> None:
    with pytest.raises(YamuxError) as caught:
        await end_of(peer)
    assert caught.value.code == code


@pytest.mark.req("GEN-01")
async def test_a_frame_that_does_not_authenticate_ends_the_connection() -> None:
    async with manual_link(Side(2)) as (connection, peer):
        await asyncio.get_running_loop().sock_sendall(peer.sock, b"\x00\x20" + b"?" * 32)
        await connection.wait_closed()
        assert isinstance(connection.close_reason, NoiseError)


async def test_a_session_that_the_peer_ends_with_an_error_says_so() -> None:
    async with manual_link(Side(2)) as (connection, peer):
        peer.machine.close(GOAWAY_INTERNAL)
        await peer.send()
        await connection.wait_closed()
        assert isinstance(connection.close_reason, YamuxError)
        assert connection.close_reason.code == GOAWAY_INTERNAL


async def test_a_session_that_the_peer_ends_in_good_order_is_no_error() -> None:
    async with manual_link(Side(2)) as (connection, peer):
        stream = await connection.open_stream("/x/1", lazy=True)
        reading = await started(stream.read())
        peer.machine.close()
        await peer.send()
        with pytest.raises(ConnectionClosed):
            await reading
        await connection.wait_closed()
        assert str(connection.close_reason) == "the peer closed the session"


# -- time


@pytest.mark.req("GEN-03")
async def test_an_accepted_socket_that_stays_silent_is_closed_after_the_upgrade_timeout() -> None:
    server = Side(2, connection=ConnectionConfig(upgrade_timeout=0.05))
    async with listening(server) as listener:
        with socket.create_connection(listener.sockets[0].getsockname()) as sock:
            await until(lambda: server.keeper.admitted)
            [connection] = server.keeper.admitted
            with pytest.raises(LocalError):
                _ = connection.peer_id
            await connection.wait_closed()
            assert isinstance(connection.close_reason, DeadlineExceeded)
            assert isinstance(connection.close_reason, TimeoutError)
            assert sock.recv(100).startswith(b"\x13/multistream"), "it heard our greeting, then the end"
            assert sock.recv(100) == b""


@pytest.mark.req("GEN-03")
async def test_a_byte_now_and_then_gains_no_time_for_the_upgrade() -> None:
    server = Side(2, connection=ConnectionConfig(upgrade_timeout=0.1))
    async with listening(server) as listener:
        with socket.create_connection(listener.sockets[0].getsockname()) as sock:
            sock.setblocking(False)
            await until(lambda: server.keeper.admitted)
            [connection] = server.keeper.admitted
            start = monotonic()
            drip = iter(b"\x13/multistream/1.0.0\n\x07/noise\n" + b"\x00\x20" + b"x" * 20)
            loop = asyncio.get_running_loop()

            def send_one() -> None:
                if not connection.closed:
                    sock.send(bytes([next(drip)]))
                    loop.call_later(0.01, send_one)

            send_one()
            await connection.wait_closed()
            assert monotonic() - start < 0.3
            assert isinstance(connection.close_reason, DeadlineExceeded)


@pytest.mark.req("GEN-03")
async def test_a_stream_that_never_names_its_protocol_is_reset_in_time() -> None:
    server = Side(2, connection=ConnectionConfig(negotiation_timeout=0.05))
    async with manual_link(server) as (connection, peer):
        stream = peer.machine.open_stream([HOLD], 0.0)
        stream.unsent[:] = [b"\x13/multi"]
        stream.unsent_size = 8
        await peer.send()
        await until(lambda: connection.streams)
        async with asyncio.timeout(5):
            while stream.failure is None:
                await peer.receive()
        assert isinstance(stream.failure, StreamReset)
        assert not connection.closed
        assert not connection.machine.pending


@pytest.mark.req("GEN-03")
async def test_a_protocol_that_the_peer_never_answers_is_given_up() -> None:
    side = Side(2)
    async with manual_link(side) as (connection, _):
        with pytest.raises(DeadlineExceeded, match=r"no protocol was agreed within 0\.02 s"):
            await connection.open_stream(["/x/1", "/y/1"], timeout=0.02)
        assert connection.streams == []
        assert not connection.closed


@pytest.mark.req("YMX-18")
async def test_pings_keep_an_idle_connection_and_measure_its_round_trip() -> None:
    client = with_yamux(1, ping_interval=0.25, ping_timeout=0.2)
    async with linked(client) as link:
        await until(lambda: link.outbound.round_trip > 0)
        heard = link.outbound.last_received
        await until(lambda: link.outbound.last_received > heard)
        assert link.outbound.round_trip < 1
        assert not link.outbound.closed


@pytest.mark.req("YMX-18")
async def test_a_peer_that_answers_no_ping_is_given_up() -> None:
    side = with_yamux(2, ping_interval=0.05, ping_timeout=0.05)
    async with manual_link(side) as (connection, _):
        stream = await connection.open_stream("/x/1", lazy=True)
        with pytest.raises(ConnectionClosed, match="no sign of life"):
            await stream.read()
        await connection.wait_closed()
        assert isinstance(connection.close_reason, YamuxError)
        assert connection.close_reason.requirement == "YMX-18"


# -- a peer that does not read, a handler that does not read


@pytest.mark.req("YMX-22")
async def test_a_peer_that_takes_no_bytes_loses_its_connection() -> None:
    side = with_yamux(2, ShellConfig(write_timeout=0.1, write_high_water=4_096))
    async with manual_link(side, receive_buffer=4_096) as (connection, peer):
        streams = [await connection.open_stream("/x/1", lazy=True) for _ in range(40)]
        for stream in streams:
            stream.write(b"x" * WINDOW)
        start = monotonic()
        await connection.wait_closed()
        assert monotonic() - start >= 0.09
        assert isinstance(connection.close_reason, DeadlineExceeded)
        assert "took no bytes for 0.1 s" in str(connection.close_reason)
        with pytest.raises(ConnectionClosed):
            await streams[0].drain()
        assert peer.machine.failure is None, "nothing told it"


@pytest.mark.req("YMX-22")
async def test_a_slow_peer_that_takes_some_bytes_keeps_its_connection() -> None:
    side = with_yamux(2, ShellConfig(write_timeout=0.05))
    async with fake_link(side) as link:
        connection, transport = link.connection, link.transport
        transport.buffered = 200_000
        connection.pause_writing()
        for _ in range(3):
            due = connection._stalled_at
            transport.buffered -= 1
            await until(lambda due=due: connection._stalled_at != due)
            assert not connection.closed
        await connection.wait_closed()
        assert isinstance(connection.close_reason, DeadlineExceeded)
        assert transport.ended == "aborted"


async def test_nothing_is_sent_while_the_transport_is_full() -> None:
    async with fake_link(Side(2)) as link:
        link.connection.pause_writing()
        stream = await link.connection.open_stream("/x/1", lazy=True)
        stream.write(b"x")
        await asyncio.sleep(0)
        assert link.transport.written == []
        asyncio.get_running_loop().call_soon(link.connection.resume_writing)
        await asyncio.sleep(0)
        assert len(link.transport.written) == 1


async def test_a_reset_wakes_its_reader_while_the_transport_is_full() -> None:
    async with fake_link(Side(2)) as link:
        stream = await link.connection.open_stream("/x/1", lazy=True)
        await asyncio.sleep(0)
        link.connection.pause_writing()
        reading = await started(stream.read())
        stream.reset()
        with pytest.raises(StreamReset):
            async with asyncio.timeout(5):
                await reading


@pytest.mark.req("GEN-04")
async def test_reading_pauses_when_handlers_leave_too_much_unread_and_goes_on() -> None:
    server = with_yamux(2, max_unread=100_000)
    async with linked(server=server) as link:
        near, far = await link.streams()
        other_near, other_far = await link.streams()
        near.write(b"x" * 250_000)
        await until(lambda: link.inbound.reading_paused)
        assert far.unread <= 250_000
        other_near.write(b"waits")
        for _ in range(20):
            await asyncio.sleep(0)
        assert other_far.unread == 0
        assert await far.read_exactly(240_000) == b"x" * 240_000
        assert not link.inbound.reading_paused
        assert await other_far.read() == b"waits"


@pytest.mark.req("GEN-04")
async def test_reading_goes_on_when_the_stream_that_was_not_read_is_reset() -> None:
    server = with_yamux(2, max_unread=100_000)
    async with linked(server=server) as link:
        near, far = await link.streams()
        near.write(b"x" * 250_000)
        await until(lambda: link.inbound.reading_paused)
        far.reset()
        await until(lambda: not link.inbound.reading_paused)
        near, far = await link.streams()
        near.write(b"ok")
        assert await far.read() == b"ok"


@pytest.mark.req("GEN-04")
async def test_a_connection_whose_bytes_nobody_reads_is_closed() -> None:
    server = with_yamux(2, ShellConfig(unread_timeout=0.05), max_unread=1_000, ping_interval=0.02, ping_timeout=0.01)
    async with linked(server=server) as link:
        near, far = await link.streams()
        near.write(b"x" * 5_000)
        await link.inbound.wait_closed()
        assert isinstance(link.inbound.close_reason, LimitExceeded), "not the ping, whose answer it could not read"
        assert link.inbound.close_reason.name == "yamux.max_unread"
        assert far.unread == 5_000


@pytest.mark.req("YMX-22")
async def test_a_peer_that_floods_with_pings_and_reads_nothing_is_read_no_further() -> None:
    side = with_yamux(2, max_control=8, max_pongs=100)
    async with fake_link(side) as link:
        link.connection.pause_writing()
        assert link.machine.session is not None
        link.machine.session.control += [pack_header(0, PING, SYN, 0, value) for value in range(20)]
        await link.transport.feed(b"".join(link.machine.data_to_send()))
        assert not link.transport.reading
        asyncio.get_running_loop().call_soon(link.connection.resume_writing)
        await asyncio.sleep(0)
        assert link.transport.reading


# -- opening streams


async def test_no_protocol_is_no_stream() -> None:
    async with linked() as link:
        with pytest.raises(LocalError):
            await link.outbound.open_stream([])


# -- handlers


async def test_handlers_of_a_protocol_have_a_limit_on_each_connection() -> None:
    server = Side(2)
    server.handle("/few/1", server._hold, max_streams=2)
    async with linked(server=server) as link:
        for _ in range(2):
            await link.outbound.open_stream("/few/1")
        third = await link.outbound.open_stream("/few/1", lazy=True)
        with pytest.raises(StreamReset) as caught:
            while True:
                await third.read()
        assert caught.value.code == RESET_RESOURCE_LIMIT
        assert (await link.outbound.open_stream(HOLD)).protocol == HOLD


@pytest.mark.req("YMX-21")
async def test_handlers_of_all_protocols_have_a_limit_even_when_their_streams_are_gone() -> None:
    server = Side(2, config=ShellConfig(max_handlers=3))
    async with linked(server=server) as link:
        for _ in range(3):
            stream = await link.outbound.open_stream(HOLD)
            stream.reset()
        await until(lambda: len(noted(server)) == 3 and not link.inbound.streams)
        assert len(link.inbound.handlers) == 3
        fourth = await link.outbound.open_stream(HOLD, lazy=True)
        with pytest.raises(StreamReset):
            await fourth.read()
        assert len(link.inbound.handlers) == 3


async def test_a_protocol_whose_handler_is_gone_is_refused() -> None:
    """It was agreed on, since the table still has it, but nobody serves it any more."""
    async with linked() as link:
        del link.server.runtime.handlers[HOLD]
        stream = await link.outbound.open_stream(HOLD, lazy=True)
        with pytest.raises(StreamReset):
            await stream.read()


@pytest.mark.req("GEN-01")
async def test_a_handler_that_raises_resets_its_own_stream_only(caplog: pytest.LogCaptureFixture) -> None:
    async def fail(stream: Stream) -> None:
        await stream.read()
        raise RuntimeError("a bug")

    server = Side(2)
    server.handle("/fail/1", fail)
    async with linked(server=server) as link:
        near, far = await link.streams()
        broken = await link.outbound.open_stream("/fail/1")
        broken.write(b"x")
        with pytest.raises(StreamReset):
            await broken.read()
        near.write(b"still here")
        assert await far.read() == b"still here"
    assert "a bug" in caplog.text


async def test_shutting_down_cancels_handlers_and_tells_the_peer_why() -> None:
    async with linked() as link:
        near, _ = await link.streams()
        tasks = link.inbound.shut_down_handlers()
        await asyncio.wait(tasks)
        assert all(task.cancelled() for task in tasks)
        with pytest.raises(StreamReset) as caught:
            await near.read()
        assert caught.value.code == RESET_SHUTDOWN
        assert len(link.inbound.handlers) == 0


@pytest.mark.req("YMX-19")
async def test_what_a_peer_says_last_before_it_closes_in_good_order_is_heard() -> None:
    heard: asyncio.Queue[bytes] = asyncio.Queue()

    async def listen(stream: Stream) -> None:
        heard.put_nowait(await stream.read_to_end(100))

    side = Side(2)
    side.handle("/listen/1", listen)
    async with manual_link(side) as (_, peer):
        stream = peer.machine.open_stream(["/listen/1"], monotonic())
        stream.write(b"farewell")
        stream.close_write()
        last = peer.machine.data_to_send()
        peer.machine.close()
        last += peer.machine.data_to_send()
        # In one segment, and so in one read.
        await asyncio.get_running_loop().sock_sendall(peer.sock, b"".join(last))
        assert await asyncio.wait_for(heard.get(), 5) == b"farewell"


async def test_a_handler_may_close_its_connection() -> None:
    async def hang_up(stream: Stream) -> None:
        await stream.connection.close()

    server = Side(2)
    server.handle("/hang-up/1", hang_up)
    async with linked(server=server) as link:
        with pytest.raises(StreamError):
            stream = await link.outbound.open_stream("/hang-up/1")
            await stream.read()
        await link.outbound.wait_closed()
        await until(lambda: not len(link.inbound.handlers))


# -- the owner


async def test_the_owner_hears_of_every_connection_once() -> None:
    async with linked() as link:
        assert link.server.keeper.admitted == [link.inbound]
        assert link.server.keeper.open == [link.inbound]
        await link.outbound.close()
        await link.inbound.wait_closed()
        link.inbound.connection_lost(None)
        assert link.server.keeper.gone == [link.inbound]


async def test_a_peer_that_the_owner_refuses_sees_the_end_and_no_stream() -> None:
    server = Side(2)
    server.keeper.refuse_peer = GatedError("not you")
    async with listening(server) as listener, manual_dialer(listener) as peer:
        await until(lambda: server.keeper.admitted)
        [connection] = server.keeper.admitted
        stream = peer.machine.open_stream([HOLD], 0.0)
        await peer.send()
        await end_of(peer)
        await connection.wait_closed()
        assert connection.close_reason is server.keeper.refuse_peer
        assert stream.protocol is None
        assert noted(server) == []


@pytest.mark.req("GEN-01", "GEN-12")
async def test_a_socket_that_is_reset_before_it_is_accepted_costs_nothing() -> None:
    client, server = Side(1), Side(2)
    async with listening(server) as listener:
        with socket.create_connection(listener.sockets[0].getsockname()) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        await until(lambda: server.keeper.gone)
        assert isinstance(server.keeper.gone[0].close_reason, ConnectionClosed)
        await end(await dial(client, listener))


async def test_a_socket_without_an_address_is_refused() -> None:
    """That is how uvloop shows one that was reset before it was accepted."""
    side = Side(2)
    connection = Connection(side.runtime, outbound=False)
    transport = FakeTransport(connection, peername=None)
    assert connection.closed
    assert transport.ended == "aborted"
    await connection.wait_closed()
    assert side.keeper.admitted == []
    assert transport.written == []


async def test_waking_many_readers_at_once_keeps_their_bytes_apart() -> None:
    """One message brings data for many streams; each reader answers in the callback, and all leave in one flush."""
    async with fake_link(Side(2)) as link:
        machine = link.machine
        outer = [machine.open_stream([HOLD], 0.0) for _ in range(20)]
        await link.exchange()

        async def answer(stream: Stream) -> None:
            stream.write(await stream.read() + b"!")

        tasks = [asyncio.create_task(answer(stream)) for stream in noted_connection(link.connection)]
        await asyncio.sleep(0)
        for number, stream in enumerate(outer):
            stream.write(str(number).encode())
        await link.transport.feed(b"".join(machine.data_to_send()))
        assert len(link.transport.written) == 1
        machine.receive_data(link.transport.take(), 0.0)
        assert [b"".join(stream.take()) for stream in outer] == [f"{number}!".encode() for number in range(20)]
        await asyncio.wait(tasks)


def noted_connection(connection: Connection) -> list[Stream]:
    return sorted(connection.streams, key=lambda stream: stream.id)


async def test_a_body_for_a_window_that_is_full_ends_the_connection() -> None:
    async with manual_link(Side(2)) as (connection, peer):
        stream = peer.machine.open_stream([HOLD], 0.0)
        await peer.converse(lambda: stream.protocol)
        session = peer.machine.session
        assert session is not None
        for _ in range(5):
            stream.send_window = 65_000
            stream.write(b"x" * 65_000)
            await peer.send()
        await connection.wait_closed()
        assert isinstance(connection.close_reason, YamuxError)
        assert connection.close_reason.requirement == "YMX-07"
        assert DATA == 0
