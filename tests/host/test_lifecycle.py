"""What a host leaves behind, or does not: after an end in any way, a cancelled call, and a thousand connections."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections import Counter
from collections.abc import Mapping
from time import monotonic
from typing import Any

import pytest

from p2pstack.aio.config import ShellConfig
from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.errors import (
    ConnectionClosed,
    DeadlineExceeded,
    DialError,
    GatedError,
    HostClosed,
    LimitExceeded,
    StreamReset,
)
from p2pstack.host.config import HostConfig, LimitsConfig
from p2pstack.host.events import PeerConnected
from p2pstack.identity.multiaddrs import parse
from p2pstack.yamux.session import Session
from tests.aio.shell import needs_ipv6, needs_proc, sees_the_end, silent_listener, until
from tests.host.hosts import (
    ECHO,
    LOOPBACK,
    address_of,
    ask,
    dialer,
    here,
    inbound,
    key,
    listener,
    new_host,
    next_event,
    nothing_left,
    used,
    with_limits,
)

pytestmark = needs_proc


async def started(coroutine: Any) -> asyncio.Task[Any]:
    task = asyncio.ensure_future(coroutine)
    await asyncio.sleep(0)
    assert not task.done()
    return task


# -- the end


async def test_a_host_leaves_no_task_and_no_socket() -> None:
    async with nothing_left():
        async with listener() as one, dialer() as two:
            stream = await two.open_stream(here(one), ECHO)
            assert await ask(stream, b"hello") == b"hello"
            await two.open_stream(one.peer_id, ECHO)
            assert used(one)["inbound_streams"] == 2
        assert used(one) == used(two) == {}
        with pytest.raises(ConnectionClosed):
            await stream.read()


@pytest.mark.req("TCP-06")
@pytest.mark.parametrize("turns", range(5))
async def test_who_connects_while_the_host_closes_sees_the_end(turns: int) -> None:
    async with nothing_left():
        one = listener()
        await one.start()
        assert await sees_the_end(one._servers[0].sockets[0].getsockname(), turns, one.close)


async def test_an_error_in_the_body_passes_through_and_the_host_is_closed() -> None:
    async with nothing_left():
        with pytest.raises(ZeroDivisionError):
            async with listener() as one, dialer() as two:
                await two.connect(here(one))
                _ = 1 // 0
        with pytest.raises(HostClosed):
            await two.connect(one.peer_id)


async def test_a_service_that_fails_to_stop_does_not_keep_the_host_open() -> None:
    class Broken:
        async def start(self) -> None:
            pass

        async def stop(self) -> None:
            raise ValueError("no")

    async with nothing_left():
        one = listener()
        one.services.append(Broken())
        async with dialer() as two:
            await one.start()
            stream = await two.open_stream(here(one), ECHO)
            assert await ask(stream, b"x") == b"x"
            with pytest.raises(ValueError, match="no"):
                await one.close()
            await until(lambda: used(one) == {})


async def test_every_caller_of_close_waits_for_the_end() -> None:
    async with nothing_left(), dialer() as two:
        one = listener()
        await one.start()
        await two.connect(here(one))
        await inbound(one)
        await started(one.close())
        await one.close()
        assert one.network.every_connection() == []


async def test_a_cancelled_close_cuts_off_what_is_left() -> None:
    async with nothing_left():
        one = listener()
        await one.start()
        async with dialer() as two:
            stream = await two.open_stream(here(one), ECHO)
            far = (await inbound(one)).streams[0]
            far.write(b"x" * 1_000_000)
            far.close_write()
            closing = await started(one.close())
            closing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await closing
            async with asyncio.timeout(5):
                await one.close()
                await stream.connection.wait_closed()
            await until(lambda: used(one) == {})


async def test_closing_sends_what_closed_streams_still_have_to_send() -> None:
    data = bytes(range(256)) * 4_000
    received: list[bytes] = []

    async def take(stream: Stream) -> None:
        received.append(await stream.read_to_end(len(data)))

    one = listener()
    one.handle("/take/1", take)
    async with one:
        async with dialer() as two:
            stream = await two.open_stream(here(one), "/take/1")
            stream.write(data)
            stream.close_write()
        await until(lambda: received)
    assert received == [data]


@pytest.mark.req("GEN-03")
async def test_a_handler_outlives_its_connection_for_a_while_and_no_longer() -> None:
    ended = asyncio.Event()

    async def stubborn(stream: Stream) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    one = listener(config=HostConfig(shell=ShellConfig(handler_grace=0.05)))
    one.handle("/stubborn/1", stubborn)
    async with nothing_left(), one, dialer() as two:
        stream = await two.open_stream(here(one), "/stubborn/1")
        await stream.connection.close()
        await until(lambda: used(one) == {})
        assert not ended.is_set()
        await asyncio.wait_for(ended.wait(), 5)


async def test_closing_ends_handlers_whose_connection_is_gone_already() -> None:
    cleaned: list[str] = []

    async def stubborn(stream: Stream) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append("up")

    one = listener()
    one.handle("/stubborn/1", stubborn)
    async with nothing_left(), dialer() as two:
        async with one:
            stream = await two.open_stream(here(one), "/stubborn/1")
            await stream.connection.close()
            await until(lambda: used(one) == {})
            assert cleaned == []
        assert cleaned == ["up"]


async def test_a_host_that_is_closing_takes_no_connection_any_more() -> None:
    stopping, proceed = asyncio.Event(), asyncio.Event()

    class Slow:
        async def start(self) -> None:
            pass

        async def stop(self) -> None:
            stopping.set()
            await proceed.wait()

    async with nothing_left(), listener() as one:
        two = dialer()
        two.services.append(Slow())
        await two.start()
        closing = asyncio.create_task(two.close())
        await stopping.wait()
        assert two._dialer is not None
        with pytest.raises(DialError) as caught:
            await two._dialer.dial(one.peer_id, one.addresses)
        assert isinstance(caught.value.attempts[0][1], GatedError)
        proceed.set()
        await closing


async def test_services_tell_events_of_their_own() -> None:
    async with dialer() as one, one.events(PeerConnected) as events:
        event = PeerConnected(peer=key(9).peer_id)
        one.emit(event)
        assert await next_event(events) is event


# -- listening


@pytest.mark.req("TCP-02")
@needs_ipv6
async def test_both_wildcards_share_a_port_and_each_is_told_as_what_it_stands_for() -> None:
    async with new_host(1, "/ip6/::/tcp/0") as one, dialer() as two:
        [bound] = one.bound_addresses
        port = str(bound).rsplit("/", 1)[1]
        await one.listen(f"/ip4/0.0.0.0/tcp/{port}")
        assert not set(one.bound_addresses) & set(one.addresses)
        for loopback in (parse(f"/ip4/127.0.0.1/tcp/{port}"), parse(f"/ip6/::1/tcp/{port}")):
            assert loopback in one.addresses
            connection = await two.connect(loopback)
            assert connection.peer_id == one.peer_id


async def test_a_listener_that_comes_about_while_the_host_closes_is_closed_with_it() -> None:
    async with nothing_left():
        one = dialer()
        await one.start()
        listening = asyncio.create_task(one.listen(LOOPBACK))
        await asyncio.sleep(0)
        await one.close()
        await asyncio.wait([listening])
        assert isinstance(listening.exception(), HostClosed) or one.bound_addresses == []


# -- calls that are cancelled, or take too long


async def test_a_cancelled_connect_leaves_nothing() -> None:
    with silent_listener() as sock:
        async with dialer() as two, nothing_left():
            connecting = await started(two.connect(address_of(sock)))
            await until(lambda: used(two))
            connecting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await connecting
            await until(lambda: used(two) == {})


@pytest.mark.req("GEN-03")
async def test_connecting_and_opening_take_no_longer_than_their_timeout() -> None:
    with silent_listener() as sock:
        async with dialer() as two:
            start = monotonic()
            with pytest.raises(DeadlineExceeded):
                await two.connect(address_of(sock), timeout=0.05)
            with pytest.raises(DeadlineExceeded):
                await two.open_stream(address_of(sock), ECHO, timeout=0.05)
            assert monotonic() - start < 2
            await until(lambda: used(two) == {})


async def test_a_cancelled_open_stream_leaves_no_stream() -> None:
    async with listener() as one, dialer() as two:
        connection = await two.connect(here(one))
        opening = await started(two.open_stream(one.peer_id, ECHO))
        assert len(connection.streams) == 1
        opening.cancel()
        with pytest.raises(asyncio.CancelledError):
            await opening
        assert connection.streams == []
        await inbound(one)
        await until(lambda: not one.connections()[0].streams)


async def test_a_cancelled_open_stream_that_dials_leaves_no_dial() -> None:
    with silent_listener() as sock:
        async with dialer() as two, nothing_left():
            opening = await started(two.open_stream(address_of(sock), ECHO))
            await until(lambda: used(two))
            opening.cancel()
            await asyncio.wait([opening])
            assert opening.cancelled()
            await until(lambda: used(two) == {})


# -- peers


async def test_addresses_are_remembered_for_good_or_for_a_while() -> None:
    async with listener() as one, dialer() as two, dialer(3) as three:
        two.remember(one.peer_id, [str(here(one))])
        await two.connect(one.peer_id)
        await two.disconnect(one.peer_id)
        assert two.peerstore.addresses(one.peer_id, monotonic() + 1e9) == one.addresses
        await three.connect(here(one))
        await three.disconnect(one.peer_id)
        assert three.peerstore.addresses(one.peer_id, monotonic() + 3_000) == one.addresses
        assert three.peerstore.addresses(one.peer_id, monotonic() + 4_000) == []


async def test_disconnecting_ends_the_connections_to_one_peer() -> None:
    async with listener() as one, dialer() as two, dialer(3) as three:
        await two.connect(here(one))
        await three.connect(here(one))
        await until(lambda: len(one.connections()) == 2)
        await one.disconnect(two.peer_id)
        await one.disconnect(key(9).peer_id)
        assert [connection.peer_id for connection in one.connections()] == [three.peer_id]
        await until(lambda: not two.connections())


# -- limits


@pytest.mark.req("GEN-05")
async def test_the_streams_that_peers_hold_open_are_counted_on_all_connections_together() -> None:
    async with listener(config=with_limits(inbound_streams=3)) as one, dialer() as two, dialer(3) as three:
        streams = [await two.open_stream(here(one), ECHO) for _ in range(2)]
        streams.append(await three.open_stream(here(one), ECHO))
        with pytest.raises(StreamReset) as caught:
            await three.open_stream(one.peer_id, ECHO)
        assert caught.value.code == 0x1002
        assert one.usage()["inbound_streams"].current == one.usage()["inbound_streams"].limit == 3
        for stream in streams:
            await stream.close()
        await until(lambda: "inbound_streams" not in used(one))
        assert (await three.open_stream(one.peer_id, ECHO)).protocol == ECHO


@pytest.mark.req("GEN-05")
@pytest.mark.parametrize("name", ["connections", "inbound_connections", "upgrading"])
async def test_half_open_connections_fill_a_limit_and_what_is_over_makes_room(name: str) -> None:
    limits: dict[str, Any] = {name: 2}
    async with listener(config=HostConfig(limits=LimitsConfig(**limits))) as one, dialer() as two:
        port = int(str(one.addresses[0]).rsplit("/", 1)[1])
        half_open = [socket.create_connection(("127.0.0.1", port)) for _ in range(2)]
        await until(lambda: one.usage()[name].current == 2)
        with pytest.raises(DialError):
            await two.connect(here(one))
        for sock in half_open:
            sock.close()
        await until(lambda: used(one) == {})
        async with dialer(3) as three:
            await three.connect(here(one))
            assert (await inbound(one)).peer_id == three.peer_id


@pytest.mark.req("GEN-05")
async def test_what_windows_have_grown_is_given_back() -> None:
    grown: list[int] = []

    async def feed(stream: Stream) -> None:
        for _ in range(200):
            stream.write(b"x" * 65_536)
            await stream.drain()

    one = listener()
    one.handle("/feed/1", feed)
    async with one, dialer() as two:
        stream = await two.open_stream(here(one), "/feed/1")
        while chunks := await stream.chunks():
            grown.append(two.usage()["window_memory"].current)
            del chunks
        assert max(grown) > 0
        await stream.close()
        await until(lambda: used(two) == {"connections": 1})


async def test_a_trace_sees_every_connection() -> None:
    events: list[Mapping[str, object]] = []
    async with listener(trace=events.append) as one, dialer() as two:
        await two.open_stream(here(one), ECHO)
    names = Counter(str(event["name"]) for event in events)
    assert names["opened"] == names["closed"] == 1
    assert names["frame"] > 3


# -- again and again


@pytest.mark.req("GEN-01", "GEN-04")
async def test_a_thousand_connections_leave_nothing_behind() -> None:
    kinds = (Connection, Stream, Session)

    def living() -> int:
        gc.collect()
        return sum(isinstance(thing, kinds) for thing in gc.get_objects())

    async with listener() as one, dialer() as two, nothing_left():
        counts: list[int] = []
        for number in range(1, 1_001):
            stream = await two.open_stream(here(one), ECHO)
            if number % 2:
                await stream.close()
                await stream.connection.close()
            else:
                stream.connection.abort(LimitExceeded("patience", 0))
                await stream.connection.wait_closed()
            if number % 250 == 0:
                del stream
                await until(lambda: used(one) == used(two) == {})
                counts.append(living())
        assert max(counts) <= counts[0] + 2, counts
        assert len(two.peerstore) == 1
        assert one.network.every_connection() == two.network.every_connection() == []
