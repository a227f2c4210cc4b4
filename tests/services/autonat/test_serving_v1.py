"""Version 1 of the server: whom it dials, and whom not."""

from __future__ import annotations

from time import monotonic
from typing import Any

import pytest

from p2pstack.autonat.config import RateConfig
from p2pstack.autonat.v1 import Dial, Status
from p2pstack.errors import StreamError, StreamReset
from p2pstack.host.events import ConnectionOpened
from p2pstack.host.host import BaseHost
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import parse
from tests.services.autonat.world import PLENTY, at, dead_address, open_v1, request_v1, server, silence
from tests.services.hosts import connected, next_event

OTHER = PrivateKey.from_seed(b"\x09" * 32).peer_id


def peer(**settings: Any) -> BaseHost:
    return BaseHost(listen=[at(1)], **settings)


@pytest.mark.req("AUTONAT1-01", "AUTONAT1-02")
async def test_a_peer_is_dialled_back_and_told_where() -> None:
    async with connected(peer(), server()) as (near, far, connection), near.events(ConnectionOpened) as events:
        response = await request_v1(connection, Dial.of(near.peer_id, tuple(near.addresses)))
        assert (response.status, response.address) == (Status.OK, near.addresses[0])
        opened = await next_event(events, ConnectionOpened)
        assert opened.connection.direction == "inbound"
        assert opened.connection.peer_id != far.peer_id  # nobody takes it for another way to the server
        assert opened.connection not in near.connections(far.peer_id)


@pytest.mark.req("AUTONAT1-02")
async def test_only_the_ip_is_dialled_that_the_question_comes_from() -> None:
    async with BaseHost(listen=[at(3)]) as victim, connected(peer(), server(dial_timeout=0.3)) as (near, _, connection):
        response = await request_v1(connection, Dial.of(near.peer_id, tuple(victim.addresses)))
        assert response.status == Status.E_DIAL_ERROR
        assert not victim.connections()
        assert not near.connections()[1:]


@pytest.mark.req("AUTONAT1-02")
async def test_the_port_of_another_ip_is_tried_at_the_observed_one() -> None:
    async with connected(peer(), server()) as (near, _, connection):
        port = str(near.addresses[0]).rpartition("/")[2]
        elsewhere = parse(f"/ip4/8.8.8.8/tcp/{port}")
        response = await request_v1(connection, Dial.of(near.peer_id, (elsewhere,)))
        assert (response.status, response.address) == (Status.OK, near.addresses[0])


@pytest.mark.req("AUTONAT1-02")
async def test_an_id_may_be_left_out_but_not_be_anothers() -> None:
    async with connected(peer(), server()) as (near, _, connection):
        addresses = tuple(near.addresses)
        assert (await request_v1(connection, Dial(None, addresses))).status == Status.OK
        for wrong in (OTHER.to_bytes(), b"?"):
            assert (await request_v1(connection, Dial(wrong, addresses))).status == Status.E_BAD_REQUEST
        async with await open_v1(connection) as stream:
            stream.write_frame(b"\x08\x00")  # DIAL without a peer
            assert b"missing peer info" in await stream.read_frame(4096)


@pytest.mark.req("AUTONAT1-02")
async def test_a_peer_in_a_private_network_is_refused_by_default() -> None:
    async with connected(peer(), server(private=False)) as (near, _, connection):
        response = await request_v1(connection, Dial.of(near.peer_id, tuple(near.addresses)))
        assert response.status == Status.E_DIAL_REFUSED


@pytest.mark.req("AUTONAT1-03")
async def test_a_failure_is_told_when_all_the_time_is_over() -> None:
    async with connected(peer(), server(dial_timeout=0.5)) as (near, _, connection):
        started = monotonic()
        response = await request_v1(connection, Dial.of(near.peer_id, (dead_address(near),)))
        assert response.status == Status.E_DIAL_ERROR
        assert monotonic() - started >= 0.5  # though the port is closed, which takes no time to find out


@pytest.mark.req("AUTONAT1-03")
async def test_a_flood_of_requests_is_refused() -> None:
    rates = RateConfig(total=30, per_peer=3, per_ip=10, concurrent=1)
    async with connected(peer(), server(v1=rates)) as (near, _, connection):
        request = Dial.of(near.peer_id, tuple(near.addresses))
        statuses = [(await request_v1(connection, request)).status for _ in range(6)]
        assert statuses == [Status.OK] * 3 + [Status.E_DIAL_REFUSED] * 3


@pytest.mark.req("AUTONAT1-03")
async def test_many_ids_at_one_ip_are_refused_too() -> None:
    rates = RateConfig(total=30, per_peer=3, per_ip=2, concurrent=1)
    statuses = []
    async with server(v1=rates) as far:
        for _ in range(4):
            async with peer() as near:
                connection = await near.connect(far.full_addresses[0])
                request = Dial.of(near.peer_id, tuple(near.addresses))
                statuses.append((await request_v1(connection, request)).status)
    assert statuses == [Status.OK] * 2 + [Status.E_DIAL_REFUSED] * 2


@pytest.mark.req("AUTONAT1-03")
async def test_of_a_thousand_addresses_sixteen_are_dialled(monkeypatch: pytest.MonkeyPatch) -> None:
    dialled: list[str] = []
    dial_direct = BaseHost.dial_direct

    async def noted(*args: Any, **options: Any) -> Any:
        dialled.extend(map(str, args[2]))
        return await dial_direct(*args, **options)

    monkeypatch.setattr(BaseHost, "dial_direct", noted)
    far = server(dial_timeout=0.3, v1=PLENTY)
    many = tuple(parse(f"/ip4/127.0.0.1/tcp/{port}") for port in range(1, 301))
    async with connected(peer(), far) as (_, _, connection):
        assert (await request_v1(connection, Dial(None, many))).status == Status.E_DIAL_ERROR
        assert len(dialled) == 16
        assert dialled[0] == str(connection.local_address)


@pytest.mark.req("AUTONAT1-01")
@pytest.mark.misbehave
@pytest.mark.parametrize("frame", [b"\x02\x08\x01", b"\x01\xff", b"\x81\x20", b"\xff\xff\x03", b"\x00"])
async def test_what_is_no_request_costs_the_stream_alone(frame: bytes) -> None:
    async with connected(peer(), server()) as (near, _, connection):
        stream = await open_v1(connection)
        stream.write(frame)
        with pytest.raises(StreamReset):
            await stream.read()
        request = Dial.of(near.peer_id, tuple(near.addresses))
        assert (await request_v1(connection, request)).status == Status.OK


@pytest.mark.misbehave
async def test_a_request_that_never_ends_is_ended() -> None:
    async with connected(peer(), server(timeout=0.3)) as (_, _, connection):
        stream = await open_v1(connection)
        stream.write(b"\x20\x08")
        with pytest.raises(StreamReset):
            await stream.read()


async def test_a_host_that_closes_leaves_no_dial_behind() -> None:
    async with silence() as (address, reached), connected(peer(), server(dial_timeout=20.0)) as (_, far, connection):
        stream = await open_v1(connection)
        stream.write_frame(Dial(None, (address,)).encode())
        await reached.wait()
        await far.close()
        with pytest.raises(StreamError):
            await stream.read()
