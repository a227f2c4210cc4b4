from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import cast

import pytest

from p2pstack.aio.stream import Stream
from p2pstack.aio.tcp import listening_addresses, serve_tcp
from p2pstack.errors import (
    DecodeError,
    DialError,
    HostClosed,
    LocalError,
    ProtocolNotSupported,
    StreamError,
    StreamReset,
)
from p2pstack.host.config import HostConfig, LimitsConfig
from p2pstack.host.events import AddressesChanged, ProtocolsChanged
from p2pstack.host.host import BaseHost, Target
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import tcp_endpoint
from tests.aio.shell import descriptors, needs_ipv6, needs_proc, silent_listener, until
from tests.services.hosts import LOOPBACK, backward, connected

ECHO = "/echo/1.0.0"
STRANGER = PrivateKey.from_seed(bytes(32)).peer_id
LISTENS = [LOOPBACK, pytest.param("/ip6/::1/tcp/0", marks=needs_ipv6)]


async def echo(stream: Stream) -> None:
    while data := await stream.read():
        stream.write(data)


def echoing(*, listen: str = LOOPBACK, config: HostConfig | None = None) -> BaseHost:
    host = BaseHost(listen=[listen], config=config)
    host.handle(ECHO, echo)
    return host


async def exchange(stream: Stream, data: bytes = b"hello") -> bytes:
    stream.write(data)
    return await stream.read_exactly(len(data))


def used(host: BaseHost) -> dict[str, int]:
    """What is taken of the limits, but for the memory of peers."""
    usage = {name: usage.current for name, usage in host.usage().items() if usage.current}
    usage.pop("peerstore.max_peers", None)
    return usage


# -- life


@needs_proc
@pytest.mark.parametrize("listen", LISTENS)
async def test_nothing_is_left_of_a_host(listen: str) -> None:
    before = descriptors()
    far, near = echoing(listen=listen), BaseHost()
    async with connected(near, far):
        stream = await near.open_stream(far.peer_id, ECHO)
        assert await exchange(stream) == b"hello"
        assert descriptors() > before
    await until(lambda: descriptors() == before)
    assert used(near) == used(far) == {}
    assert near.connections() == far.connections() == []


@needs_proc
async def test_nothing_is_left_of_a_host_that_could_not_start() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        before = descriptors()
        host = BaseHost(listen=[LOOPBACK, f"/ip4/127.0.0.1/tcp/{taken.getsockname()[1]}"])
        with pytest.raises(OSError, match="in use"):
            await host.start()
        await until(lambda: descriptors() == before)
    assert host.addresses == []
    with pytest.raises(LocalError):
        await host.start()
    with pytest.raises(HostClosed):
        await host.listen(LOOPBACK)


class Recorder:
    """A service that notes what happens to it."""

    def __init__(self, log: list[str], name: str, error: Exception | None = None) -> None:
        self.log = log
        self.name = name
        self.error = error

    async def start(self) -> None:
        self.log.append("start " + self.name)
        if self.error is not None:
            raise self.error

    async def stop(self) -> None:
        self.log.append("stop " + self.name)


async def test_services_start_in_order_and_stop_in_the_other() -> None:
    log: list[str] = []
    host = BaseHost(listen=[LOOPBACK])
    host.services += [Recorder(log, "a"), Recorder(log, "b")]
    async with host:
        assert log == ["start a", "start b"]
    assert log == ["start a", "start b", "stop b", "stop a"]


@needs_proc
async def test_a_service_that_can_not_start_ends_the_host() -> None:
    log: list[str] = []
    before = descriptors()
    host = BaseHost(listen=[LOOPBACK])
    host.services += [Recorder(log, "a"), Recorder(log, "b", OSError("no"))]
    with pytest.raises(OSError, match=r"^no$"):
        async with host:
            raise AssertionError("it has not started")
    assert log[:2] == ["start a", "start b"]
    assert "stop a" in log
    await until(lambda: descriptors() == before)


async def test_a_host_is_started_once() -> None:
    async with BaseHost() as host:
        with pytest.raises(LocalError, match="once"):
            await host.start()
    with pytest.raises(LocalError, match="once"):
        await host.start()


CALLS: list[Callable[[BaseHost], object]] = [
    lambda host: host.listen(LOOPBACK),
    lambda host: host.connect(STRANGER),
    lambda host: host.open_stream(STRANGER, ECHO),
]


@pytest.mark.parametrize("call", CALLS)
async def test_a_host_that_does_not_run_does_nothing(call: Callable[[BaseHost], object]) -> None:
    host = BaseHost()
    with pytest.raises(HostClosed):
        await call(host)  # type: ignore[misc]
    await host.close()
    with pytest.raises(HostClosed):
        await call(host)  # type: ignore[misc]


async def test_closing_twice_and_at_once_is_closing() -> None:
    async with connected(BaseHost(), echoing()) as (near, far, _):
        await asyncio.gather(*(near.close() for _ in range(3)))
        assert near.connections() == []
        await near.close()
        await until(lambda: not far.connections())


async def test_closing_while_a_dial_is_under_way() -> None:
    with silent_listener() as trap:
        async with BaseHost() as host:
            target = f"/ip4/127.0.0.1/tcp/{trap.getsockname()[1]}"
            dial = asyncio.create_task(host.connect(STRANGER, [target]))
            await until(lambda: used(host))
            await host.close()
            with pytest.raises(HostClosed):
                await dial
            assert used(host) == {}


async def test_closing_ends_handlers_that_hang() -> None:
    ended = asyncio.Event()
    far = BaseHost(listen=[LOOPBACK])

    @far.handle(ECHO)
    async def hang(stream: Stream) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    async with connected(BaseHost(), far) as (near, _, _):
        stream = await near.open_stream(far.peer_id, ECHO)
        await far.close()
        assert ended.is_set()
        with pytest.raises(StreamError):
            await exchange(stream)


# -- addresses


@pytest.mark.req("TCP-02")
@needs_ipv6
async def test_a_host_listens_on_both_families_and_reports_its_ports() -> None:
    async with BaseHost(listen=[LOOPBACK, "/ip6/::1/tcp/0"]) as far, BaseHost() as one, BaseHost() as two:
        first, second = far.addresses
        assert str(first).startswith("/ip4/127.0.0.1/tcp/")
        assert str(second).startswith("/ip6/::1/tcp/")
        assert all(tcp_endpoint(address).port > 0 for address in (first, second))
        assert [str(address) for address in far.full_addresses] == [
            f"{each}/p2p/{far.peer_id}" for each in (first, second)
        ]
        assert (await one.connect(far.full_addresses[0])).remote_address == first
        assert (await two.connect(far.full_addresses[1])).remote_address == second


@pytest.mark.req("TCP-02")
async def test_a_wildcard_is_never_told() -> None:
    async with BaseHost(listen=["/ip4/0.0.0.0/tcp/0"]) as host:
        [bound] = host.bound_addresses
        port = tcp_endpoint(bound).port
        assert str(bound) == f"/ip4/0.0.0.0/tcp/{port}"
        told = [str(address) for address in host.addresses]
        assert f"/ip4/127.0.0.1/tcp/{port}" in told
        assert not [address for address in told if "/0.0.0.0/" in address]


@pytest.mark.req("TCP-02")
async def test_closing_frees_the_port_at_once() -> None:
    async with connected(BaseHost(), echoing()) as (_, far, _):
        [address] = far.addresses
        await far.close()
        async with BaseHost(listen=[address]) as successor, BaseHost() as other:
            assert successor.addresses == [address]
            assert (await other.connect(successor.full_addresses[0])).peer_id == successor.peer_id


async def test_listening_on_one_more_address_is_told() -> None:
    async with BaseHost() as host:
        assert host.addresses == []
        events = host.events(AddressesChanged)
        [bound] = await host.listen(LOOPBACK)
        assert host.addresses == [bound]
        assert await anext(events) == AddressesChanged(addresses=(bound,))


@pytest.mark.req("TCP-01")
@pytest.mark.parametrize("odd", ["/ip4/127.0.0.1", "/ip4/127.0.0.1/tcp/1/ws", "nonsense"])
async def test_what_can_not_be_listened_on(odd: str) -> None:
    async with BaseHost() as host:
        with pytest.raises(DecodeError):
            await host.listen(odd)
        assert host.addresses == []


@pytest.mark.req("GEN-10")
@pytest.mark.parametrize("listen", LISTENS)
async def test_small_packets_are_sent_at_once_on_both_ends(listen: str) -> None:
    async with connected(BaseHost(), echoing(listen=listen)) as (near, far, connection):
        for end in (connection, await backward(far, near)):
            assert end._transport is not None
            sock = end._transport.get_extra_info("socket")
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


@pytest.mark.req("TCP-03")
async def test_who_connects_and_says_nothing_holds_up_nobody() -> None:
    async with echoing() as far, BaseHost() as near:
        endpoint = tcp_endpoint(far.addresses[0])
        with contextlib.ExitStack() as stack:
            for _ in range(5):
                stack.enter_context(socket.create_connection((endpoint.host, endpoint.port)))
            await until(lambda: used(far).get("upgrading") == 5)
            stream = await near.open_stream(far.full_addresses[0], ECHO)
            assert await exchange(stream) == b"hello"
        await until(lambda: used(far).get("upgrading") is None)


# -- peers


TARGETS: list[Callable[[BaseHost], Target]] = [
    lambda far: str(far.full_addresses[0]),
    lambda far: far.full_addresses[0],
    lambda far: far.addresses[0],
    lambda far: far.peer_id,
    lambda far: str(far.peer_id),
    lambda far: f"/p2p/{far.peer_id}",
]


@pytest.mark.req("TCP-01")
@pytest.mark.parametrize("target", TARGETS)
async def test_a_peer_is_named_in_many_ways(target: Callable[[BaseHost], Target]) -> None:
    async with echoing() as far, BaseHost() as near:
        near.remember(far.peer_id, far.addresses)
        connection = await near.connect(target(far))
        assert connection.peer_id == far.peer_id
        assert near.connections(far.peer_id) == [connection]
        stream = await near.open_stream(far.peer_id, ECHO)
        assert stream.connection is connection
        assert await exchange(stream) == b"hello"


async def test_addresses_are_given_or_known() -> None:
    async with echoing() as far, BaseHost() as near:
        with pytest.raises(DialError, match="no address is known"):
            await near.connect(far.peer_id)
        connection = await near.connect(far.peer_id, far.full_addresses)
        assert await near.connect(far.peer_id) is connection
        await near.disconnect(far.peer_id)
        assert near.connections() == []
        assert (await near.connect(far.peer_id)).peer_id == far.peer_id, "its addresses are remembered for a while"


async def test_protection_is_by_tag() -> None:
    host = BaseHost()
    host.protect(STRANGER, "a")
    host.protect(STRANGER, "b")
    assert host.unprotect(STRANGER, "a")
    assert not host.unprotect(STRANGER, "b")


# -- streams


async def test_a_stream_dials_where_it_must() -> None:
    async with echoing() as far, BaseHost() as near:
        stream = await near.open_stream(far.full_addresses[0], ECHO)
        assert await exchange(stream) == b"hello"
        assert len(near.connections()) == 1
        again = await near.open_stream(far.full_addresses[0], ECHO)
        assert again.connection is stream.connection


async def test_the_first_protocol_that_the_peer_speaks_is_taken() -> None:
    async with connected(BaseHost(), echoing()) as (near, far, connection):
        stream = await near.open_stream(far.peer_id, ["/unknown/1", "/other/1", ECHO])
        assert stream.protocol == ECHO
        assert await exchange(stream) == b"hello"
        with pytest.raises(ProtocolNotSupported) as caught:
            await near.open_stream(far.peer_id, ["/unknown/1", "/other/1"])
        assert caught.value.offered == ("/unknown/1", "/other/1")
        assert not connection.closed
        assert await exchange(await near.open_stream(far.peer_id, ECHO)) == b"hello"


@pytest.mark.req("MSS-06")
async def test_what_the_peer_is_known_to_speak_is_not_asked_for() -> None:
    async with connected(BaseHost(), echoing()) as (near, far, _):
        near.peerstore.set_protocols(far.peer_id, [ECHO])
        stream = await near.open_stream(far.peer_id, ["/unknown/1", ECHO])
        assert stream.protocol == ECHO
        assert await exchange(stream) == b"hello"
        near.peerstore.set_protocols(far.peer_id, ["/lie/1"])
        lie = await near.open_stream(far.peer_id, "/lie/1")
        with pytest.raises(ProtocolNotSupported):
            await lie.read()


async def test_handlers_come_and_go() -> None:
    host = BaseHost()
    events = host.events(ProtocolsChanged)

    @host.handle("/one/1")
    async def one(stream: Stream) -> None:
        stream.write(b"1")

    assert host.handle("/two/1", one) is one
    assert host.protocols == ("/one/1", "/two/1")
    host.unhandle("/one/1")
    host.unhandle("/unknown/1")
    told = [await anext(events) for _ in range(3)]
    assert told == [ProtocolsChanged(protocols=each) for each in (("/one/1",), ("/one/1", "/two/1"), ("/two/1",))]
    async with connected(BaseHost(), host) as (near, _, _):
        stream = await near.open_stream(host.peer_id, ["/one/1", "/two/1"])
        assert stream.protocol == "/two/1"
        assert await stream.read() == b"1"
        assert await stream.read() == b""


@pytest.mark.parametrize("odd", ["", "no slash", "/a\nb", "/" + "a" * 2_000])
def test_what_is_no_protocol_is_not_served(odd: str) -> None:
    host = BaseHost()
    with pytest.raises(LocalError):
        host.handle(odd, echo)
    assert host.protocols == ()


@pytest.mark.req("GEN-01")
@pytest.mark.parametrize("eager", [False, True])
async def test_a_handler_that_raises_resets_its_stream_and_nothing_else(eager: bool) -> None:
    async def fail(stream: Stream) -> None:
        raise RuntimeError("a bug of the application")

    far = echoing()
    far.handle("/fail/1", fail, eager=eager)
    async with connected(BaseHost(), far) as (near, _, connection):
        good = await near.open_stream(far.peer_id, ECHO)
        with pytest.raises(StreamReset):
            await (await near.open_stream(far.peer_id, "/fail/1")).read()
        assert await exchange(good) == b"hello"
        assert connection.streams == [good]


@pytest.mark.req("GEN-05")
async def test_only_so_many_handlers_of_a_protocol_run_at_once() -> None:
    far = BaseHost(listen=[LOOPBACK])
    far.handle(ECHO, echo, max_streams=1)
    async with connected(BaseHost(), far) as (near, _, _):
        first = await near.open_stream(far.peer_id, ECHO)
        assert await exchange(first) == b"hello"
        with pytest.raises(StreamReset) as caught:
            await (await near.open_stream(far.peer_id, ECHO)).read()
        assert caught.value.code == 0x1002
        assert await exchange(first) == b"hello"
        await first.close()
        await until(lambda: not used(far).get("inbound_streams"))
        third = await near.open_stream(far.peer_id, ECHO)
        assert await exchange(third) == b"hello"


async def test_a_listener_hears_of_the_end_of_the_host() -> None:
    async with BaseHost() as host:
        waiting = asyncio.create_task(anext(host.events(), None))
        await asyncio.sleep(0)
    assert await waiting is None
    assert [event async for event in host.events()] == []


def test_the_usage_names_every_limit_of_the_host() -> None:
    host = BaseHost()
    assert used(host) == {}
    assert set(host.usage()) == {
        "connections",
        "inbound_connections",
        "upgrading",
        "connections_per_ip",
        "inbound_streams",
        "window_memory",
        "peerstore.max_peers",
    }


class _Port(asyncio.Protocol):
    """A listener of somebody else's, which hands every connection over with its first bytes."""

    def __init__(self, host: BaseHost) -> None:
        self._host = host
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        assert self._transport is not None
        self._host.adopt(self._transport, data)


async def test_connections_that_others_have_accepted_are_adopted() -> None:
    host = BaseHost()
    host.handle(ECHO, echo)
    async with host, BaseHost() as client:
        changes = host.events(AddressesChanged)
        server = await serve_tcp(asyncio.get_running_loop(), "127.0.0.1", 0, lambda: _Port(host))
        host.share(server)
        event = await anext(changes)
        assert isinstance(event, AddressesChanged)
        assert event.addresses == tuple(listening_addresses(server)) == tuple(host.addresses)
        stream = await client.open_stream(str(host.full_addresses[0]), ECHO)
        data = bytes(100_000)
        assert await exchange(stream, data) == data
        await until(lambda: len(host.connections()) == 1)
        assert host.connections()[0].direction == "inbound"
        await host.close()
        assert server.is_serving()
        server.close()


async def test_limits_hold_for_adopted_connections() -> None:
    config = HostConfig(limits=LimitsConfig(inbound_connections=1))
    async with BaseHost(config=config) as host, BaseHost() as first, BaseHost() as client:
        server = await serve_tcp(asyncio.get_running_loop(), "127.0.0.1", 0, lambda: _Port(host))
        host.share(server)
        await first.connect(str(host.full_addresses[0]))
        await until(lambda: len(host.connections()) == 1)
        with pytest.raises(DialError):
            await client.connect(str(host.full_addresses[0]))
        assert [each.peer_id for each in host.connections()] == [first.peer_id]
        server.close()


async def test_a_host_that_does_not_run_adopts_nothing() -> None:
    with pytest.raises(HostClosed):
        BaseHost().adopt(cast("asyncio.Transport", None))
