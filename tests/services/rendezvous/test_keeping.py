"""A registration that is kept: renewed in time, made anew after failures and when addresses change."""

from __future__ import annotations

import pytest

from p2pstack.errors import LocalError
from p2pstack.identity.peer_record import LEGACY_PAYLOAD_TYPE, PeerRecord
from p2pstack.rendezvous.messages import Register, RegisterResponse, Unregister
from p2pstack.rendezvous.status import Status
from p2pstack.services.rendezvous.client import RendezvousClient
from p2pstack.services.rendezvous.errors import RendezvousRefused
from p2pstack.services.rendezvous.events import NamespaceJoined, NamespaceLost
from p2pstack.services.standard import Host
from tests.host.hosts import key
from tests.services.hosts import LOOPBACK, next_event, until
from tests.services.rendezvous.points import FakePoint, client_of, point, quick, soon


def records(fake: FakePoint) -> list[PeerRecord]:
    return [PeerRecord.open(each.record)[0] for each in fake.requests if isinstance(each, Register)]


@pytest.mark.req("RDV-04", "RDV-12")
async def test_what_is_sent_is_the_host_s_own_record_in_the_form_that_rust_reads() -> None:
    fake = FakePoint(RegisterResponse(Status.OK, 7_200))
    async with fake.host, client_of(1, [fake.host.full_addresses[0]]) as (host, client):
        await soon(client.register("app", ttl=9_000))
        (request,) = fake.requests
        assert isinstance(request, Register)
        assert (request.namespace, request.ttl) == (b"app", 9_000)
        record, envelope = PeerRecord.open(request.record)
        assert record.peer_id == host.peer_id
        assert list(record.addresses) == host.addresses
        assert envelope.payload_type == LEGACY_PAYLOAD_TYPE


@pytest.mark.req("RDV-05", "RDV-13")
async def test_a_registration_is_renewed_in_time() -> None:
    fake = FakePoint(RegisterResponse(Status.OK, 1))
    async with fake.host, client_of(1, [fake.host.full_addresses[0]], renew_at=0.05) as (host, client):
        events = host.events(NamespaceJoined)
        await soon(client.register("app"))
        for _ in range(3):
            assert await next_event(events, NamespaceJoined) == NamespaceJoined(
                point=fake.host.peer_id, namespace="app", ttl=1
            )
        sequence = [each.seq for each in records(fake)]
        assert sequence == sorted(set(sequence)), "each record is newer than the one before"


@pytest.mark.req("RDV-13")
async def test_new_addresses_are_registered() -> None:
    fake = FakePoint(RegisterResponse(Status.OK, 7_200))
    async with fake.host, client_of(1, [fake.host.full_addresses[0]]) as (host, client):
        await soon(client.register("app"))
        (added,) = await host.listen(LOOPBACK)
        await until(lambda: len(fake.requests) > 1)
        assert added in records(fake)[-1].addresses


@pytest.mark.misbehave
@pytest.mark.req("RDV-13")
async def test_a_point_that_refuses_is_asked_again() -> None:
    full = RegisterResponse(Status.E_UNAVAILABLE)
    fake = FakePoint(RegisterResponse(Status.OK, 1), full, full, RegisterResponse(Status.OK, 7_200))
    async with fake.host, client_of(1, [fake.host.full_addresses[0]], renew_at=0.01) as (host, client):
        events = host.events(NamespaceJoined, NamespaceLost)
        await soon(client.register("app"))
        lost = await next_event(events, NamespaceLost)
        assert isinstance(lost.error, RendezvousRefused)
        assert 0.01 <= lost.retry_in <= 0.02
        assert client.registered == {"app": [fake.host.peer_id]}, "the first one still counts"
        while (await next_event(events, NamespaceJoined)).ttl != 7_200:
            pass
        assert len(fake.requests) == 4


async def test_a_host_without_an_address_has_nothing_to_register() -> None:
    async with point() as (target, server):
        host = Host(key(1))
        client = RendezvousClient(host, [target.full_addresses[0]], config=quick(retry_base=60.0, retry_max=60.0))
        async with host:
            with pytest.raises(LocalError, match="no address"):
                await soon(client.register("app"))
            assert client.registered == {}
            await host.listen(LOOPBACK)
            await soon(client.register("app"))
            assert server.usage()["rendezvous.max_registrations"].current == 1


@pytest.mark.req("RDV-06")
async def test_the_point_is_told_of_the_end() -> None:
    fake = FakePoint(RegisterResponse(Status.OK, 7_200))
    async with fake.host, client_of(1, [fake.host.full_addresses[0]]) as (_, client):
        await soon(client.register("app"))
        await soon(client.unregister("app"))
        await until(lambda: len(fake.requests) == 2)
        assert fake.requests[-1] == Unregister(b"app")
        assert client.registered == {}


@pytest.mark.req("RDV-06")
async def test_the_point_is_told_when_the_host_closes() -> None:
    fake = FakePoint(RegisterResponse(Status.OK, 7_200))
    async with fake.host:
        async with client_of(1, [fake.host.full_addresses[0]]) as (_, client):
            await soon(client.register("app"))
        await until(lambda: fake.requests[-1] == Unregister(b"app"))


@pytest.mark.misbehave
async def test_a_point_that_is_gone_is_not_waited_for() -> None:
    fake = FakePoint(RegisterResponse(Status.OK, 7_200))
    async with client_of(1, [key(9).peer_id]) as (host, client):
        async with fake.host:
            host.remember(fake.host.peer_id, fake.host.full_addresses)
            await soon(client.register("app"))
        await until(lambda: not host.connections())
        await soon(client.unregister("app"))
