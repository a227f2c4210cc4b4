"""Peers that find each other at rendezvous points."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from time import monotonic

import pytest

from p2pstack.errors import ConfigError, DecodeError, DialError, HostClosed, P2PError, ProtocolViolation
from p2pstack.identity.multiaddrs import parse
from p2pstack.rendezvous.messages import Discover, DiscoverResponse, Register, RegisterResponse, Unregister
from p2pstack.rendezvous.status import Status
from p2pstack.rendezvous.view import RegisteredPeer, View
from p2pstack.services.rendezvous.client import RendezvousClient
from p2pstack.services.rendezvous.errors import RendezvousRefused
from p2pstack.services.rendezvous.events import PeersDiscovered
from p2pstack.services.standard import Host
from tests.host.hosts import closed_address, key
from tests.rendezvous.making import record
from tests.services.hosts import LOOPBACK, next_event, until
from tests.services.rendezvous.points import FakePoint, client_of, member, point, quick, soon


def numbers(found: list[RegisteredPeer]) -> list[int]:
    """Which peers these are."""
    ids = [key(number).peer_id for number in range(1, 10)]
    return sorted(ids.index(each.peer) + 1 for each in found)


@pytest.mark.req("RDV-07", "RDV-08", "RDV-10")
async def test_peers_find_and_reach_each_other() -> None:
    async with AsyncExitStack() as stack:
        target, server = await stack.enter_async_context(point())
        members = [await stack.enter_async_context(member(number, target)) for number in (1, 2, 3)]
        for _, client in members:
            await soon(client.register("app"))
        host, client = members[0]
        events = host.events(PeersDiscovered)
        assert numbers(await soon(client.discover("app"))) == [2, 3], "without ourselves"
        assert {each.peer for each in (await next_event(events, PeersDiscovered)).peers} == {
            key(2).peer_id,
            key(3).peer_id,
        }
        assert not host.connections(key(2).peer_id)
        assert (await host.connect(key(2).peer_id)).peer_id == key(2).peer_id, "the peerstore knows where"

        fourth, newcomer = await stack.enter_async_context(member(4, target))
        await soon(newcomer.register("app"))
        await soon(newcomer.register("other"))
        assert numbers(await soon(client.discover("app"))) == [2, 3, 4]
        assert [each.peer for each in (await next_event(events, PeersDiscovered)).peers] == [fourth.peer_id]
        assert numbers(await soon(client.discover())) == [2, 3, 4]
        assert numbers(client.found("other")) == []
        client.forget("app")
        assert client.found("app") == []
        assert server.usage()["rendezvous.registrations_per_peer"].current == 2


@pytest.mark.req("RDV-08")
async def test_nothing_is_told_twice() -> None:
    first = Register(b"app", record(1), 7_200)
    second = Register(b"app", record(2), 7_200)
    empty = DiscoverResponse(Status.OK, (), b"c3")
    fake = FakePoint(
        DiscoverResponse(Status.OK, (first,), b"c1"), DiscoverResponse(Status.OK, (second,), b"c2"), empty, empty
    )
    async with fake.host, client_of(1, [fake.host.full_addresses[0]], page=1) as (_, client):
        assert numbers(await soon(client.discover("app"))) == [2, 3]
        assert numbers(await soon(client.discover("app"))) == [2, 3]
        assert fake.requests == [Discover(b"app", 1, cookie) for cookie in (b"", b"c1", b"c2", b"c3")]


@pytest.mark.misbehave
@pytest.mark.req("RDV-07", "RDV-09")
async def test_answers_without_end_are_left_at_a_limit() -> None:
    fake = FakePoint(DiscoverResponse(Status.OK, (Register(b"app", record(1)),), b"same"))
    async with fake.host, client_of(1, [fake.host.full_addresses[0]], max_pages=3) as (_, client):
        assert numbers(await soon(client.discover("app"))) == [2]
        assert len(fake.requests) == 3


@pytest.mark.misbehave
@pytest.mark.req("RDV-07", "RDV-10")
async def test_a_point_that_sends_too_much_does_not_stop_the_rest() -> None:
    told = tuple(Register(b"app", record(number, seq=seq)) for seq in range(1, 40) for number in (1, 2))
    fake = FakePoint(DiscoverResponse(Status.OK, (*told, Register(b"app", record(3))), b"c"))
    reads: list[int] = []
    turns = 0

    async def others() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with fake.host, client_of(1, [fake.host.full_addresses[0]], page=78, max_pages=1) as (_, client):
        with pytest.MonkeyPatch.context() as patch:
            read = View.read
            patch.setattr(View, "read", lambda *args: (reads.append(turns), read(*args))[1])
            async with asyncio.TaskGroup() as group:
                task = group.create_task(others())
                assert numbers(await soon(client.discover("app"))) == [2, 3], "and not who was not asked for"
                task.cancel()
    assert len(reads) == 20
    assert len(set(reads)) == 20, "others have a turn between two of them"


@pytest.mark.req("RDV-08")
async def test_a_cookie_that_is_not_taken_any_more_is_dropped() -> None:
    fake = FakePoint(
        DiscoverResponse(Status.OK, (), b"c1"),
        DiscoverResponse(Status.E_INVALID_COOKIE),
        DiscoverResponse(Status.OK, (), b"c2"),
    )
    async with fake.host, client_of(1, [fake.host.full_addresses[0]]) as (_, client):
        await soon(client.discover("app"))
        await soon(client.discover("app"))
        assert [each.cookie for each in fake.requests if isinstance(each, Discover)] == [b"", b"c1", b""]


@pytest.mark.misbehave
@pytest.mark.req("RDV-08")
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (DiscoverResponse(Status.E_INVALID_COOKIE), RendezvousRefused),
        (DiscoverResponse(Status.E_UNAVAILABLE), RendezvousRefused),
        (DiscoverResponse(Status.OK), ProtocolViolation),
        (RegisterResponse(Status.OK, 1), ProtocolViolation),
    ],
)
async def test_a_point_that_answers_badly(answer: DiscoverResponse, error: type[P2PError]) -> None:
    fake = FakePoint(answer)
    async with fake.host, client_of(1, [fake.host.full_addresses[0]]) as (_, client):
        with pytest.raises(error):
            await soon(client.discover("app"))
        assert len(fake.requests) == 1


async def test_one_point_of_several_is_enough() -> None:
    async with point() as (target, _), member(2, target) as (_, other):
        await soon(other.register("app"))
        points = [f"{closed_address()}/p2p/{key(8).peer_id}", target.full_addresses[0]]
        async with client_of(1, points) as (_, client):
            await soon(client.register("app"))
            assert client.registered == {"app": [target.peer_id]}
            assert numbers(await soon(client.discover("app"))) == [2]


async def test_the_newest_word_of_a_peer_counts() -> None:
    old = FakePoint(DiscoverResponse(Status.OK, (Register(b"app", record(1, seq=1)),), b"c"), number=8)
    moved = record(1, seq=2, addresses=["/ip4/192.0.2.9/tcp/9"])
    new = FakePoint(DiscoverResponse(Status.OK, (Register(b"app", moved),), b"c"), number=9)
    async with old.host, new.host:
        for order in ([old, new], [new, old]):
            addresses = [each.host.full_addresses[0] for each in order]
            async with client_of(1, addresses, max_pages=1) as (host, client):
                (found,) = await soon(client.discover("app"))
                assert found.addresses == (parse("/ip4/192.0.2.9/tcp/9"),)
                assert parse("/ip4/192.0.2.9/tcp/9") in host.peerstore.addresses(found.peer, monotonic())


async def test_without_any_point_there_is_an_error_and_nothing_is_kept() -> None:
    async with client_of(1, [f"{closed_address()}/p2p/{key(8).peer_id}"]) as (_, client):
        with pytest.raises(DialError):
            await soon(client.discover("app"))
        with pytest.raises(DialError):
            await soon(client.register("app"))
        assert client.registered == {}


async def test_who_registers_twice_waits_for_the_same() -> None:
    fake = FakePoint(RegisterResponse(Status.OK, 7_200))
    async with fake.host, client_of(1, [fake.host.full_addresses[0]]) as (_, client):
        await soon(asyncio.gather(client.register("app"), client.register("app")))
        await soon(client.register("app"))
        assert len(fake.requests) == 1


async def test_a_registration_that_is_given_up_while_it_is_awaited() -> None:
    fake = FakePoint(None)
    async with fake.host, client_of(1, [fake.host.full_addresses[0]], timeout=30.0) as (_, client):
        waiting = asyncio.ensure_future(client.register("app"))
        await until(lambda: fake.requests)
        await client.unregister("app")
        with pytest.raises(HostClosed):
            await soon(waiting)


@pytest.mark.req("RDV-06")
async def test_who_comes_back_at_once_is_registered_behind_the_end_of_before() -> None:
    fake = FakePoint(RegisterResponse(Status.OK, 7_200))
    async with fake.host, client_of(1, [fake.host.full_addresses[0]]) as (_, client):
        await soon(client.register("app"))
        leaving = asyncio.ensure_future(client.unregister("app"))
        await asyncio.sleep(0)
        await soon(client.register("app"))
        await leaving
        await until(lambda: len(fake.requests) == 3)
        assert [type(each) for each in fake.requests] == [Register, Unregister, Register]
        await client.unregister("never")


async def test_what_can_not_be() -> None:
    host = Host(key(1), listen=[LOOPBACK])
    for points in ([], [key(1).peer_id], ["/ip4/192.0.2.1/tcp/1"]):
        with pytest.raises(ConfigError):
            RendezvousClient(host, points)
    client = RendezvousClient(host, [key(9).peer_id], config=quick())
    with pytest.raises(HostClosed):
        await client.discover("app")
    async with host, client:
        await client.start()
        for name in ("", "x" * 256):
            with pytest.raises(DecodeError):
                await client.register(name)
        with pytest.raises(DecodeError):
            await client.discover("x" * 256)
        for ttl in (0, 259_201):
            with pytest.raises(ConfigError):
                await client.register("app", ttl=ttl)
        client.forget("app")
    await client.stop()
    with pytest.raises(HostClosed):
        await client.start()
    with pytest.raises(HostClosed):
        await client.register("app")


async def test_a_client_can_come_and_go_while_the_host_runs() -> None:
    async with point() as (target, server), Host(key(1), listen=[LOOPBACK]) as host:
        async with RendezvousClient(host, [target.full_addresses[0]], config=quick()) as client:
            await soon(client.register("app"))
            assert client in host.services
        assert client not in host.services
        await until(lambda: not server.usage()["rendezvous.max_registrations"].current)
