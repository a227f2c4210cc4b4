"""Version 2 of the server: the nonce, the data, and those who would use it against others."""

from __future__ import annotations

import asyncio

import pytest

from p2pstack.aio.stream import Stream
from p2pstack.autonat import v2
from p2pstack.autonat.config import RateConfig
from p2pstack.autonat.protocols import DIAL_BACK
from p2pstack.autonat.v2 import DialResponse, DialStatus, Status
from p2pstack.errors import StreamError, StreamReset
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import parse, tcp_endpoint
from tests.services.autonat.world import PLENTY, at, dead_address, keep_nonces, open_v2, request_v2, server, silence
from tests.services.hosts import connected, until

OK_OK = DialResponse(Status.OK, 0, DialStatus.OK)


def peer(number: int = 1) -> BaseHost:
    """A peer that dials from 127.0.0.1, wherever it listens."""
    return BaseHost(listen=[at(number)])


@pytest.mark.req("AUTONAT2-01", "AUTONAT2-03")
async def test_the_nonce_comes_on_a_new_connection_from_another_port() -> None:
    async with connected(peer(), server()) as (near, far, connection):
        nonces = keep_nonces(near)
        response, wanted = await request_v2(connection, near.addresses, 2**64 - 1)
        assert (response, wanted) == (OK_OK, None)
        [(nonce, back)] = nonces
        assert nonce == 2**64 - 1
        assert back is not connection
        assert back.direction == "inbound"
        port = tcp_endpoint(back.remote_address).port
        assert port not in [tcp_endpoint(address).port for address in far.addresses]
        await until(lambda: near.connections() == [connection])  # it was made for that alone


@pytest.mark.req("AUTONAT2-02")
async def test_data_is_due_before_another_ip_is_dialled() -> None:
    async with connected(peer(3), server()) as (near, _, connection):  # it is seen at 127.0.0.1
        nonces = keep_nonces(near)
        response, wanted = await request_v2(connection, near.addresses)
        assert wanted is not None
        assert wanted.index == 0
        assert 30_000 <= wanted.size <= 100_000
        assert response == OK_OK
        assert [nonce for nonce, _ in nonces] == [7]


@pytest.mark.req("AUTONAT2-02")
@pytest.mark.misbehave
async def test_a_third_party_is_not_dialled_without_data() -> None:
    async with BaseHost(listen=[at(3)]) as victim, connected(peer(), server(timeout=0.4)) as (_, _, connection):
        stream = await open_v2(connection)
        stream.write_frame(v2.DialRequest(tuple(victim.addresses), 7).encode())
        assert isinstance(v2.decode(await stream.read_frame(8192)), v2.DataRequest)
        stream.write_frame(v2.DataResponse(4096).encode())
        with pytest.raises(StreamReset):
            await stream.read()
        assert victim.usage()["inbound_connections"].current == 0
        assert not victim.connections()


@pytest.mark.req("AUTONAT2-03")
@pytest.mark.misbehave
async def test_a_third_party_that_was_paid_for_is_no_success() -> None:
    async with BaseHost(listen=[at(3)]) as victim, connected(peer(), server()) as (_, _, connection):
        nonces = keep_nonces(victim)
        response, _ = await request_v2(connection, victim.addresses)
        assert response == DialResponse(Status.OK, 0, DialStatus.E_DIAL_ERROR)  # it is not who asked
        assert nonces == []


@pytest.mark.req("AUTONAT2-02")
@pytest.mark.misbehave
@pytest.mark.parametrize("parts", [[99], [4096, 0], [1] * 10])
async def test_data_in_crumbs_is_refused(parts: list[int]) -> None:
    async with connected(peer(3), server()) as (near, _, connection):
        with pytest.raises(StreamReset):
            await request_v2(connection, near.addresses, parts=parts)


@pytest.mark.req("AUTONAT2-02")
async def test_the_last_part_may_be_short_or_too_long() -> None:
    async with connected(peer(3), server(v2=PLENTY, v2_elsewhere=PLENTY)) as (near, _, connection):
        keep_nonces(near)
        assert (await request_v2(connection, near.addresses))[0] == OK_OK  # 4,096 each, and the rest
        assert (await request_v2(connection, near.addresses, parts=[8000] * 13))[0] == OK_OK


@pytest.mark.req("AUTONAT2-02")
@pytest.mark.misbehave
async def test_something_else_than_data_is_refused() -> None:
    async with connected(peer(3), server()) as (near, _, connection):
        stream = await open_v2(connection)
        request = v2.DialRequest(tuple(near.addresses), 7).encode()
        stream.write_frame(request)
        await stream.read_frame(8192)
        stream.write_frame(request)
        with pytest.raises(StreamReset):
            await stream.read()


@pytest.mark.req("AUTONAT2-02")
async def test_the_first_acceptable_address_is_dialled_and_no_other() -> None:
    async with connected(peer(), server()) as (near, _, connection):
        keep_nonces(near)
        wishes = [parse("/dns4/localhost/tcp/1"), parse("/ip4/127.0.0.1/udp/1/quic-v1"), dead_address(near)]
        response, _ = await request_v2(connection, [*wishes, *near.addresses])
        assert response == DialResponse(Status.OK, 2, DialStatus.E_DIAL_ERROR)
        response, _ = await request_v2(connection, [*wishes[:2], *near.addresses])
        assert response == DialResponse(Status.OK, 2, DialStatus.OK)


@pytest.mark.req("AUTONAT2-02")
async def test_private_addresses_are_refused_by_default() -> None:
    async with connected(peer(), server(private=False)) as (near, _, connection):
        wishes = [*near.addresses, parse("/ip4/192.168.1.1/tcp/80"), parse("/ip6/::1/tcp/80")]
        assert await request_v2(connection, wishes) == (DialResponse(Status.E_DIAL_REFUSED), None)
        assert await request_v2(connection, []) == (DialResponse(Status.E_DIAL_REFUSED), None)


@pytest.mark.req("AUTONAT2-02")
async def test_only_fifty_addresses_are_looked_at() -> None:
    async with connected(peer(), server()) as (near, _, connection):
        names = [parse(f"/dns4/host{number}/tcp/1") for number in range(50)]
        assert (await request_v2(connection, [*names, *near.addresses]))[0].status == Status.E_DIAL_REFUSED
        keep_nonces(near)
        assert (await request_v2(connection, [*names[:49], *near.addresses]))[0].status == Status.OK


@pytest.mark.req("AUTONAT2-02")
async def test_a_peer_that_does_not_take_the_nonce_is_told_so() -> None:
    async with connected(peer(), server(back_timeout=0.3)) as (near, _, connection):
        failed = DialResponse(Status.OK, 0, DialStatus.E_DIAL_BACK_ERROR)
        assert (await request_v2(connection, near.addresses))[0] == failed  # it doesn't speak the protocol

        async def silent(stream: Stream) -> None:
            await stream.read_to_end(100)
            await stream.wait_to_read()

        async def odd(stream: Stream) -> None:
            stream.write_frame(b"\x08\x05")

        for handler in (silent, odd):
            near.handle(DIAL_BACK, handler)
            assert (await request_v2(connection, near.addresses))[0] == failed


@pytest.mark.req("AUTONAT2-04")
async def test_who_asks_too_often_is_rejected_before_he_is_read() -> None:
    rates = RateConfig(total=60, per_peer=3, per_ip=30, concurrent=2)
    async with connected(peer(), server(v2=rates)) as (near, _, connection):
        keep_nonces(near)
        assert [(await request_v2(connection, near.addresses))[0] for _ in range(3)] == [OK_OK] * 3
        stream = await open_v2(connection)
        assert v2.decode(await stream.read_frame(8192)) == DialResponse(Status.E_REQUEST_REJECTED)


@pytest.mark.req("AUTONAT2-04")
@pytest.mark.misbehave
async def test_who_asks_for_too_many_at_once_is_rejected() -> None:
    async with connected(peer(), server(timeout=2.0)) as (near, _, connection):
        idle = [await open_v2(connection) for _ in range(2)]
        stream = await open_v2(connection)
        assert v2.decode(await stream.read_frame(8192)) == DialResponse(Status.E_REQUEST_REJECTED)
        keep_nonces(near)
        for each in idle:
            each.reset()
        for _ in range(50):
            response, _ = await request_v2(connection, near.addresses)
            if response == OK_OK:
                break
        assert response == OK_OK


@pytest.mark.req("AUTONAT2-04")
async def test_dials_to_other_ips_have_a_limit_of_their_own() -> None:
    few = RateConfig(total=1, per_peer=1, per_ip=1, concurrent=1)
    async with connected(peer(3), server(v2_elsewhere=few)) as (near, _, connection):
        keep_nonces(near)
        assert (await request_v2(connection, near.addresses))[0] == OK_OK
        assert await request_v2(connection, near.addresses) == (DialResponse(Status.E_REQUEST_REJECTED), None)


@pytest.mark.req("AUTONAT2-01", "AUTONAT2-04")
@pytest.mark.misbehave
@pytest.mark.parametrize("frame", [b"\x02\x12\x00", b"\x01\xff", b"\x81\x40", b"\xff\xff\x03", b"\x00"])
async def test_what_is_no_request_costs_the_stream_alone(frame: bytes) -> None:
    async with connected(peer(), server()) as (near, _, connection):
        keep_nonces(near)
        stream = await open_v2(connection)
        stream.write(frame)
        with pytest.raises(StreamReset):
            await stream.read()
        assert (await request_v2(connection, near.addresses))[0] == OK_OK


@pytest.mark.req("AUTONAT2-04")
@pytest.mark.misbehave
async def test_a_request_that_never_ends_is_ended() -> None:
    async with connected(peer(), server(timeout=0.3)) as (_, _, connection):
        stream = await open_v2(connection)
        stream.write(b"\x20\x0a")
        with pytest.raises(StreamReset):
            await stream.read()


async def test_a_delay_by_chance_comes_before_a_dial_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[float] = []
    really_sleep = asyncio.sleep

    async def sleep(seconds: float) -> None:
        waited.append(seconds)
        await really_sleep(0)

    monkeypatch.setattr("p2pstack.services.autonat.serving_v2.asyncio.sleep", sleep)
    async with connected(peer(3), server(max_delay=3.0)) as (near, _, connection):
        keep_nonces(near)
        assert (await request_v2(connection, near.addresses))[0] == OK_OK
        assert 0.0 < max(waited) <= 3.0


async def test_a_host_that_closes_leaves_no_dial_behind() -> None:
    async with silence() as (address, reached), connected(peer(), server()) as (_, far, connection):
        stream = await open_v2(connection)
        stream.write_frame(v2.DialRequest((address,), 7).encode())
        await reached.wait()
        await far.close()
        with pytest.raises(StreamError):
            await stream.read()
