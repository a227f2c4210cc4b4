"""Connections that are made on purpose: directly, from the listener's port, with roles exchanged, through a relay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.aio.tcp import listening_addresses, serve_tcp
from p2pstack.errors import (
    DeadlineExceeded,
    DialError,
    HostClosed,
    LocalError,
    P2PError,
    RelayedOnly,
    StreamError,
    StreamReset,
)
from p2pstack.host.events import AddressesChanged, DialFailed
from p2pstack.host.host import BaseHost
from p2pstack.identity.circuits import circuit_address
from p2pstack.identity.multiaddrs import Multiaddr, parse, with_peer
from p2pstack.identity.peer_id import PeerId
from tests.aio.shell import descriptors, needs_proc, silent_listener, until
from tests.host.hosts import ECHO, address_of, dialer, echo, here, key, listener, new_host
from tests.services.hosts import LOOPBACK, next_event

RELAYED_ECHO = "/relayed-echo/1.0.0"


async def test_the_dial_and_the_negotiation_of_a_stream_share_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    async with listener(1) as far, dialer(2) as near:
        loop = asyncio.get_running_loop()
        connect = near.connect

        async def late(*arguments: object, **options: object) -> Connection:
            connection = await connect(here(far))
            due = loop.create_future()
            loop.call_later(0.05, due.set_result, None)
            await due
            return connection

        monkeypatch.setattr(near, "connect", late)
        with pytest.raises(DeadlineExceeded):
            await near.open_stream(here(far), ["/x/1", ECHO], timeout=0.05)
        assert not near.connections()[0].streams


# -- directly, though there is a connection


@pytest.mark.req("DCUTR-07")
async def test_a_direct_dial_makes_a_new_connection_from_the_listeners_port() -> None:
    async with listener(1) as far, listener(2) as near:
        first = await near.connect(here(far))
        second = await near.dial_direct(far.peer_id, far.addresses, reuse_port=True)
        assert second is not first
        assert second.reused_port
        assert not first.reused_port
        assert second.local_address == near.addresses[0]
        assert first.local_address != near.addresses[0]
        await until(lambda: len(far.connections(near.peer_id)) == 2)
        assert far.connections(near.peer_id)[-1].remote_address == near.addresses[0]


async def test_ordinary_dials_leave_from_the_listeners_port_where_that_is_wanted() -> None:
    async with listener(1) as far, listener(2) as near:
        near.reuse_port = True
        connection = await near.connect(here(far))
        assert connection.reused_port
        await connection.close()


async def test_where_the_port_is_taken_for_that_target_another_one_is_used() -> None:
    async with listener(1) as far, listener(2) as near:
        kept = await near.dial_direct(far.peer_id, far.addresses, reuse_port=True)
        again = await near.dial_direct(far.peer_id, far.addresses, reuse_port=True)
        assert kept.reused_port
        assert not again.reused_port
        assert not kept.closed


async def test_two_hosts_never_share_a_port_by_accident() -> None:
    async with listener(1) as one:
        two = new_host(2, str(one.addresses[0]))
        with pytest.raises(OSError, match="in use"):
            await two.start()


@asynccontextmanager
async def speaking_first(host: BaseHost) -> AsyncIterator[Multiaddr]:
    """A listener of ``host`` that is the initiator of what it accepts, as one end of a simultaneous open is."""
    runtime, _ = host._running()
    server = await serve_tcp(runtime.loop, "127.0.0.1", 0, lambda: Connection(runtime, outbound=False, initiator=True))
    try:
        yield listening_addresses(server)[0]
    finally:
        server.close()


@pytest.mark.req("DCUTR-07")
async def test_who_dials_may_leave_the_first_word_to_the_peer() -> None:
    async with listener(1) as client, listener(2) as server, speaking_first(client) as address:
        far = await server.dial_direct(client.peer_id, [address], initiator=False, reuse_port=True, timeout=2)
        await until(lambda: client.connections(server.peer_id))
        (near,) = client.connections(server.peer_id)
        assert far.direction == "outbound"
        assert not far.machine.initiator
        assert near.machine.initiator
        assert near.remote_address == server.addresses[0]
        for opener in (near, far):
            stream = await opener.open_stream(ECHO)
            stream.write(b"either way")
            assert await stream.read_exactly(10) == b"either way"


async def test_all_addresses_are_dialled_at_once_and_every_failure_is_told() -> None:
    with silent_listener() as silent:
        async with listener(1) as far, dialer(2) as near:
            hangs = parse(f"/ip4/127.0.0.1/tcp/{silent.getsockname()[1]}")
            refused = parse("/ip4/127.0.0.1/tcp/1")
            connection = await near.dial_direct(far.peer_id, [hangs, refused, *far.addresses], timeout=2)
            assert connection.remote_address == far.addresses[0]
            strange = [refused, parse("/ip4/127.0.0.1/udp/1"), circuit_address(refused, key(3).peer_id)]
            with pytest.raises(DialError) as failure:
                await near.dial_direct(far.peer_id, strange, timeout=2)
            text = str(failure.value)
            assert "refused" in text
            assert text.count("no plain TCP address") == 2


async def test_a_direct_dial_has_a_deadline_and_ends_with_the_host() -> None:
    with silent_listener() as silent:
        async with dialer(2) as near:
            hangs = parse(f"/ip4/127.0.0.1/tcp/{silent.getsockname()[1]}")
            with pytest.raises(DeadlineExceeded, match=r"within 0.05 s"):
                await near.dial_direct(key(1).peer_id, [hangs], timeout=0.05)
            dial = asyncio.ensure_future(near.dial_direct(key(1).peer_id, [hangs], timeout=5))
            await until(near.network.every_connection)
            await near.close()
            with pytest.raises(HostClosed):
                await dial


@needs_proc
async def test_where_the_peer_chooses_the_other_connections_are_left_to_it() -> None:
    """A responder that has one connection lets its other dials go on, until they end or the host does."""
    with silent_listener() as silent:
        async with listener(1) as far, speaking_first(far) as address:
            hangs = parse(f"/ip4/127.0.0.1/tcp/{silent.getsockname()[1]}")
            before = descriptors()
            async with dialer(2) as near:
                connection = await near.dial_direct(far.peer_id, [hangs, address], initiator=False, timeout=3)
                assert connection.remote_address == address
                assert len(near.network.every_connection()) == 2
                await far.close()
            await until(lambda: descriptors() <= before)


# -- through a relay


class Relays:
    """Stands for the relay client: dials by a stream to the relay that is joined to one of the target's."""

    def __init__(self, host: BaseHost) -> None:
        self.host = host
        self.dialled: list[Multiaddr] = []
        self.listening: list[Multiaddr] = []

    async def dial(self, address: Multiaddr, peer: PeerId, timeout: float) -> Connection:
        self.dialled.append(address)
        stream = await self.host.open_stream(RELAY, "/hop")
        return await self.host.join_circuit(stream, circuit=address, peer=peer, initiator=True, timeout=timeout)

    async def listen(self, address: Multiaddr) -> list[Multiaddr]:
        self.listening.append(address)
        self.host.advertise("relay", [address])
        return [address]


RELAY = key(3).peer_id


async def _pass_on(source: Stream, sink: Stream) -> None:
    while pieces := await source.chunks():
        for piece in pieces:
            sink.write(piece)
        await sink.drain()
    sink.close_write()


@asynccontextmanager
async def relayed(*, expected: PeerId | None = None) -> AsyncIterator[tuple[BaseHost, BaseHost, BaseHost, Multiaddr]]:
    """Near, far and a relay between them, and the way; far expects ``expected`` or near."""
    async with listener(3) as relay, dialer(1) as near, dialer(2) as far:
        near.circuits = Relays(near)
        far.handle(RELAYED_ECHO, echo, relayed=True)
        way = circuit_address(relay.addresses[0], relay.peer_id)
        await asyncio.gather(near.connect(here(relay)), far.connect(here(relay)))

        async def hop(stream: Stream) -> None:
            onward = await relay.open_stream(far.peer_id, "/stop")
            try:
                await asyncio.gather(_pass_on(stream, onward), _pass_on(onward, stream))
            except StreamError:
                onward.reset()
                raise

        async def stop(stream: Stream) -> None:
            connection = await far.join_circuit(
                stream, circuit=way, peer=expected or near.peer_id, initiator=False, timeout=2
            )
            await connection.wait_closed()

        relay.handle("/hop", hop)
        far.handle("/stop", stop)
        yield near, far, relay, way


@pytest.mark.req("RELAY-09", "RELAY-10")
async def test_a_connection_through_a_relay_is_an_ordinary_one() -> None:
    async with relayed() as (near, far, relay, way):
        connection = await near.connect(with_peer(way, far.peer_id))
        assert connection.relayed
        assert connection.peer_id == far.peer_id
        assert connection.remote_address == way
        assert connection.direction == "outbound"
        assert connection.remote_host == ""
        await until(lambda: far.connections(near.peer_id))
        (backward,) = far.connections(near.peer_id)
        assert backward.relayed
        assert backward.direction == "inbound"
        assert backward.remote_address == way
        assert backward.local_address == far.connections(relay.peer_id)[0].local_address
        stream = await near.open_stream(far.peer_id, RELAYED_ECHO, relayed=True)
        stream.write(b"x" * 3_000_000)
        assert await stream.read_exactly(3_000_000) == b"x" * 3_000_000
        await near.disconnect(far.peer_id)
        await until(lambda: not far.connections(near.peer_id))
        assert near.connections(relay.peer_id)


@pytest.mark.req("RELAY-12")
async def test_protocols_have_to_opt_in_at_both_ends() -> None:
    async with relayed() as (near, far, _, way):
        connection = await near.connect(with_peer(way, far.peer_id))
        with pytest.raises(RelayedOnly):
            await near.open_stream(far.peer_id, RELAYED_ECHO)
        stream = await connection.open_stream(ECHO, lazy=True)
        with pytest.raises(StreamReset):
            await stream.read()
        assert not connection.closed


@pytest.mark.req("RELAY-10")
async def test_a_direct_connection_is_preferred_and_outlives_the_relayed_one() -> None:
    async with relayed() as (near, far, _, way):
        indirect = await near.connect(with_peer(way, far.peer_id))
        await far.listen(LOOPBACK)
        direct = await near.dial_direct(far.peer_id, far.addresses)
        assert near.network.best(far.peer_id) is direct
        stream = await near.open_stream(far.peer_id, ECHO)
        assert stream.connection is direct
        await indirect.close()
        stream.write(b"still")
        assert await stream.read_exactly(5) == b"still"


@pytest.mark.req("TCP-04")
async def test_direct_addresses_are_tried_before_relayed_ones() -> None:
    async with relayed() as (near, far, _, way):
        await far.listen(LOOPBACK)
        connection = await near.connect(far.peer_id, [way, *far.addresses])
        assert not connection.relayed
        circuits = near.circuits
        assert isinstance(circuits, Relays)
        assert circuits.dialled == []
        await near.disconnect(far.peer_id)
        near.peerstore.forget(far.peer_id)
        connection = await near.connect(far.peer_id, [way, "/ip4/127.0.0.1/tcp/1"])
        assert connection.relayed


@pytest.mark.req("RELAY-09")
async def test_whoever_answers_must_be_the_one_that_was_asked_for() -> None:
    async with relayed() as (near, _, _, way):
        with pytest.raises(DialError, match=str(key(9).peer_id)):
            await near.connect(with_peer(way, key(9).peer_id))


@pytest.mark.req("RELAY-09")
async def test_the_target_checks_whom_the_relay_announced() -> None:
    async with relayed(expected=key(9).peer_id) as (near, far, _, way):
        with pytest.raises(P2PError):
            connection = await near.connect(with_peer(way, far.peer_id))
            await (await connection.open_stream(RELAYED_ECHO)).read()
        assert far.connections(near.peer_id) == []


async def test_when_the_relay_goes_the_relayed_connection_goes() -> None:
    async with relayed() as (near, far, relay, way):
        connection = await near.connect(with_peer(way, far.peer_id))
        stream = await near.open_stream(far.peer_id, RELAYED_ECHO, relayed=True)
        await relay.close()
        with pytest.raises(StreamError):
            await stream.read()
        await connection.wait_closed()
        await until(lambda: not far.connections())


async def test_an_upgrade_behind_a_relay_has_a_deadline() -> None:
    async with listener(3) as relay, dialer(1) as near:
        await near.connect(here(relay))
        stream = await near.open_stream(relay.peer_id, ECHO)
        way = circuit_address(relay.addresses[0], relay.peer_id)
        relay.handle("/silent", _silent)
        silent = await near.open_stream(relay.peer_id, "/silent")
        with pytest.raises(DeadlineExceeded, match="behind the relay"):
            await near.join_circuit(silent, circuit=way, peer=key(2).peer_id, initiator=True, timeout=0.05)
        with pytest.raises(P2PError):  # its own bytes come back
            await near.join_circuit(stream, circuit=way, peer=key(2).peer_id, initiator=True)
        third = await near.open_stream(relay.peer_id, "/silent")
        joining = asyncio.ensure_future(
            near.join_circuit(third, circuit=way, peer=key(2).peer_id, initiator=True, timeout=5)
        )
        await until(lambda: len(near.network.every_connection()) == 2)
        joining.cancel()
        with pytest.raises(asyncio.CancelledError):
            await joining
        await until(lambda: len(near.network.every_connection()) == 1)


async def _silent(stream: Stream) -> None:
    while await stream.read():
        pass


async def test_a_stream_that_has_ended_already_fails_the_upgrade() -> None:
    async with listener(3) as relay, dialer(1) as near:
        stream = await near.open_stream(here(relay), ECHO)
        stream.reset()
        way = circuit_address(relay.addresses[0], relay.peer_id)
        with pytest.raises(P2PError):
            await near.join_circuit(stream, circuit=way, peer=key(2).peer_id, initiator=True, timeout=2)


async def test_without_a_relay_client_relayed_addresses_are_refused_with_the_reason() -> None:
    way = circuit_address(parse("/ip4/127.0.0.1/tcp/1"), RELAY)
    async with dialer(1) as near:
        with pytest.raises(DialError, match="no relay client"):
            await near.connect(with_peer(way, key(2).peer_id))
        with pytest.raises(LocalError, match="relay client"):
            await near.listen(way)
        near.circuits = Relays(near)
        with pytest.raises(DialError, match="does not say whom it leads to"):
            await near.connect(way)


async def test_a_host_can_listen_behind_a_relay_from_the_start() -> None:
    way = circuit_address(parse("/ip4/127.0.0.1/tcp/1"), RELAY)
    host = new_host(1, str(way), LOOPBACK)
    host.circuits = relays = Relays(host)
    async with host:
        assert relays.listening == [way]
        assert with_peer(way, host.peer_id) in host.full_addresses
        assert way not in host.addresses


# -- what a host advertises


async def test_what_services_find_out_is_advertised_until_they_take_it_back() -> None:
    async with listener(1) as host, host.events(AddressesChanged) as events:
        mapped, other = parse("/ip4/5.10.0.9/tcp/4001"), parse("/ip4/5.10.0.9/tcp/4002")
        host.advertise("port-mapping", [mapped])
        event = await next_event(events, AddressesChanged)
        assert event.addresses == (*host.addresses, mapped)
        host.advertise("port-mapping", [mapped])
        host.advertise("autonat", [mapped, other])
        assert host.advertised == [mapped, other]
        assert (await next_event(events, AddressesChanged)).addresses == (*host.addresses, mapped, other)
        host.advertise("port-mapping", [])
        host.advertise("autonat", [])
        assert host.advertised == []
        assert host.full_addresses == [with_peer(each, host.peer_id) for each in host.addresses]


# -- routers


class Directory:
    """A router that knows what it was told."""

    def __init__(self, *addresses: Multiaddr) -> None:
        self.addresses = list(addresses)
        self.asked: list[PeerId] = []

    async def find_addresses(self, peer: PeerId, timeout: float) -> list[Multiaddr]:
        assert timeout > 0
        self.asked.append(peer)
        return self.addresses


NOWHERE = parse("/ip4/127.0.0.1/tcp/1")


async def test_routers_are_asked_where_no_address_is_known_one_after_the_other() -> None:
    async with listener(1) as far, dialer(2) as near:
        empty, wrong, right, unasked = Directory(), Directory(NOWHERE), Directory(*far.addresses), Directory()
        near.routers += [empty, wrong, right, unasked]
        connection = await near.connect(far.peer_id)
        assert connection.peer_id == far.peer_id
        assert [each.asked for each in (empty, wrong, right)] == [[far.peer_id]] * 3
        assert unasked.asked == []
        assert await near.connect(far.peer_id) is connection
        assert len(right.asked) == 1


async def test_routers_are_asked_where_the_known_addresses_fail_and_the_error_tells_all() -> None:
    async with listener(1) as far, dialer(2) as near:
        router = Directory(NOWHERE)
        near.routers.append(router)
        with pytest.raises(DialError, match="refused"):
            await near.connect(far.peer_id, [NOWHERE])
        assert router.asked == [far.peer_id]
        router.addresses = far.addresses
        assert (await near.connect(far.peer_id, ["/ip4/127.0.0.1/tcp/2"])).peer_id == far.peer_id
    async with dialer(2) as near:
        near.routers.append(Directory())
        with pytest.raises(DialError, match="no address is known"):
            await near.connect(key(1).peer_id)


async def test_a_router_that_finds_nothing_says_why_and_the_next_one_is_asked() -> None:
    class Lost(Directory):
        async def find_addresses(self, peer: PeerId, timeout: float) -> list[Multiaddr]:
            raise DeadlineExceeded("nobody answered")

        def __str__(self) -> str:
            return "the directory"

    async with listener(1) as far, dialer(2) as near:
        near.routers.append(Lost())
        with pytest.raises(DialError, match=r"the directory: nobody answered$") as caught:
            await near.connect(far.peer_id)
        assert [address for address, _ in caught.value.attempts] == ["the directory"]
        near.routers.append(Directory(*far.addresses))
        assert (await near.connect(far.peer_id)).peer_id == far.peer_id


# -- what is told of it


@pytest.mark.req("PEERS-05")
async def test_a_failed_dial_is_told_with_its_reasons() -> None:
    async with dialer(2) as near, near.events(DialFailed) as events:
        with pytest.raises(DialError) as caught:
            await near.connect(key(1).peer_id, [NOWHERE])
        told = await next_event(events, DialFailed)
        assert (told.peer, told.error) == (key(1).peer_id, caught.value)
        with silent_listener() as silent, pytest.raises(DeadlineExceeded):
            await near.connect(key(3).peer_id, [address_of(silent)], timeout=0.05)
        assert isinstance((await next_event(events, DialFailed)).error, DeadlineExceeded)


@pytest.mark.req("PEERS-11")
async def test_names_can_be_resolved_without_dialling() -> None:
    class Names:
        async def addresses(self, name: str, family: int) -> list[str]:
            raise OSError("no such name")

        async def texts(self, name: str) -> list[str]:
            assert name == "_dnsaddr.all.example"
            return [f"dnsaddr=/ip4/192.0.2.{number}/tcp/1/p2p/{key(number).peer_id}" for number in (1, 2)]

    async with dialer(9, names=Names()) as host:
        found = await host.resolve("/dnsaddr/all.example")
        assert [str(each) for each in found] == [f"/ip4/192.0.2.{n}/tcp/1/p2p/{key(n).peer_id}" for n in (1, 2)]
        assert await host.resolve("/ip4/192.0.2.1/tcp/1") == [parse("/ip4/192.0.2.1/tcp/1")]
        with pytest.raises(DialError, match="no such name"):
            await host.resolve("/dns4/other.example/tcp/1")
