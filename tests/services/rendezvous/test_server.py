"""A rendezvous point on a host, asked by peers that write what they like."""

from __future__ import annotations

import pytest

from p2pstack.aio.stream import Stream
from p2pstack.errors import HostClosed, StreamEOF, StreamReset
from p2pstack.host.host import BaseHost
from p2pstack.host.limits import Usage
from p2pstack.identity.multiaddrs import parse
from p2pstack.rendezvous.messages import (
    Discover,
    DiscoverResponse,
    Message,
    Register,
    RegisterResponse,
    Unregister,
    decode,
    encode,
)
from p2pstack.rendezvous.protocols import MAX_MESSAGE, PROTOCOL
from p2pstack.rendezvous.status import Status
from p2pstack.services.rendezvous import server as server_module
from p2pstack.services.rendezvous.events import PeerRegistered, PeerUnregistered
from p2pstack.services.rendezvous.server import RendezvousServer
from p2pstack.wire.framing import encode_frame
from tests.host.hosts import key
from tests.rendezvous.making import PEERS, record
from tests.services.hosts import LOOPBACK, next_event, until
from tests.services.rendezvous.points import point, soon


async def opened(host: BaseHost, target: BaseHost) -> Stream:
    await host.connect(target.full_addresses[0])
    return await host.open_stream(target.peer_id, PROTOCOL)


async def ask(stream: Stream, request: Message) -> Message:
    stream.write_frame(encode(request))
    return decode(await soon(stream.read_frame(MAX_MESSAGE)))


@pytest.mark.req("RDV-01", "RDV-03", "RDV-06", "RDV-07")
async def test_peers_register_discover_and_unregister_on_one_stream() -> None:
    async with point() as (target, server), BaseHost(key(1)) as host:
        events = target.events(PeerRegistered, PeerUnregistered)
        stream = await opened(host, target)
        assert await ask(stream, Register(b"a", record(0))) == RegisterResponse(Status.OK, 7_200)
        assert await next_event(events, PeerRegistered) == PeerRegistered(
            peer=PEERS[0], namespace="a", ttl=7_200, renewed=False
        )
        found = await ask(stream, Discover(b"a"))
        assert isinstance(found, DiscoverResponse)
        assert [each.record for each in found.registrations] == [record(0)]
        assert server.usage()["rendezvous.max_registrations"].current == 1
        stream.write_frame(encode(Unregister(b"a")))
        # The next answer is that to the next request: there was none to this one.
        gone = await ask(stream, Discover(b"a"))
        assert isinstance(gone, DiscoverResponse)
        assert gone.registrations == ()
        assert await next_event(events, PeerUnregistered) == PeerUnregistered(
            peer=PEERS[0], namespace="a", expired=False
        )
        assert server.answers == {("register", Status.OK): 1, ("discover", Status.OK): 2}
        await stream.close()


@pytest.mark.req("RDV-01")
async def test_a_request_is_answered_after_the_end_of_the_stream() -> None:
    async with point() as (target, _), BaseHost(key(1)) as host:
        stream = await opened(host, target)
        stream.write_frame(encode(Register(b"a", record(0))))
        stream.close_write()
        assert decode(await soon(stream.read_frame(MAX_MESSAGE))) == RegisterResponse(Status.OK, 7_200)
        with pytest.raises(StreamEOF):
            await soon(stream.read_frame(MAX_MESSAGE))


@pytest.mark.req("RDV-05")
async def test_registrations_expire_without_a_request() -> None:
    async with point(min_ttl=1, default_ttl=1) as (target, server), BaseHost(key(1)) as host:
        events = target.events(PeerUnregistered)
        stream = await opened(host, target)
        await ask(stream, Register(b"a", record(0)))
        event = await next_event(events, PeerUnregistered)
        assert event.expired
        assert server.usage()["rendezvous.max_namespaces"].current == 0
        await stream.close()


@pytest.mark.misbehave
@pytest.mark.req("RDV-04")
async def test_nobody_registers_somebody_else() -> None:
    async with point() as (target, server), BaseHost(key(1)) as host:
        stream = await opened(host, target)
        answer = await ask(stream, Register(b"a", record(1)))
        assert isinstance(answer, RegisterResponse)
        assert answer.status == Status.E_NOT_AUTHORIZED
        assert server.usage()["rendezvous.max_registrations"].current == 0
        await stream.close()


@pytest.mark.misbehave
@pytest.mark.req("RDV-09")
async def test_one_machine_with_many_ids_does_not_fill_the_point(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {1: "/ip4/5.10.0.1/tcp/1", 2: "/ip4/5.10.9.9/tcp/2", 3: "/ip4/5.11.0.1/tcp/1", 4: "/ip4/192.168.0.1/tcp/1"}
    places = {key(number).peer_id: parse(text) for number, text in seen.items()}
    monkeypatch.setattr(server_module, "observed_address", lambda connection: places[connection.peer_id])
    async with point(registrations_per_group=1) as (target, server):
        answers = []
        for number in seen:
            async with BaseHost(key(number)) as host:
                stream = await opened(host, target)
                answers.append(await ask(stream, Register(b"a", record(number - 1))))
                await stream.close()
        assert [each.status for each in answers if isinstance(each, RegisterResponse)] == [
            Status.OK, Status.E_UNAVAILABLE, Status.OK, Status.OK,
        ]  # fmt: skip
        assert server.usage()["rendezvous.registrations_per_group"] == Usage(1, 1)


@pytest.mark.misbehave
@pytest.mark.req("RDV-01")
@pytest.mark.parametrize(
    "data",
    [
        encode_frame(b"\x08\x07"),
        encode_frame(encode(RegisterResponse(Status.OK, 9))),
        encode_frame(bytes(8_193)),
        b"\x80\x00",
        b"\x05\x08\x00",
    ],
)
async def test_what_is_no_request_costs_the_stream_and_nothing_else(data: bytes) -> None:
    async with point() as (target, _), BaseHost(key(1)) as host:
        stream = await opened(host, target)
        stream.write(data)
        stream.close_write()
        with pytest.raises(StreamReset):
            await soon(stream.read_frame(MAX_MESSAGE))
        other = await opened(host, target)
        assert await ask(other, Register(b"a", record(0))) == RegisterResponse(Status.OK, 7_200)
        await other.close()


@pytest.mark.misbehave
@pytest.mark.req("RDV-09")
async def test_a_stream_that_says_nothing_is_reset() -> None:
    async with point(request_timeout=0.05) as (target, _), BaseHost(key(1)) as host:
        stream = await opened(host, target)
        with pytest.raises(StreamReset):
            await soon(stream.read_frame(MAX_MESSAGE))


@pytest.mark.misbehave
@pytest.mark.req("RDV-09")
async def test_a_connection_has_so_many_streams() -> None:
    async with point(streams_per_connection=2) as (target, _), BaseHost(key(1)) as host:
        streams = [await opened(host, target) for _ in range(2)]
        for stream in streams:
            await ask(stream, Discover())
        with pytest.raises(StreamReset):
            await opened(host, target)
        for stream in streams:
            await stream.close()


async def test_a_point_that_stops_leaves_nothing_behind() -> None:
    async with point() as (target, server), BaseHost(key(1)) as host:
        stream = await opened(host, target)
        await ask(stream, Register(b"a", record(0)))
        await server.stop()
        assert PROTOCOL not in target.protocols
        assert await ask(stream, Register(b"b", record(0))) == RegisterResponse(Status.OK, 7_200), "it goes on"
        await stream.close()
        await until(lambda: not [each for each in target.connections()[0].streams if each.protocol == PROTOCOL])


async def test_it_serves_for_a_block_as_well() -> None:
    async with BaseHost(key(9), listen=[LOOPBACK]) as target, BaseHost(key(1)) as host:
        async with RendezvousServer(target) as server:
            stream = await opened(host, target)
            assert await ask(stream, Register(b"a", record(0))) == RegisterResponse(Status.OK, 7_200)
            assert server.usage()["rendezvous.max_registrations"].current == 1
        assert PROTOCOL not in target.protocols
        with pytest.raises(HostClosed, match="the rendezvous point was stopped"):
            await server.start()
