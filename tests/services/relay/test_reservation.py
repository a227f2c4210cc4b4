"""A reservation over time: renewed, lost, made anew; and relays that want something else."""

from __future__ import annotations

import time

import pytest

from p2pstack.aio.stream import Stream
from p2pstack.errors import ConnectionClosed, DeadlineExceeded, P2PError, ProtocolViolation, StreamError
from p2pstack.host.events import EventStream
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import parse
from p2pstack.relay.messages import HopKind, HopMessage, Limit
from p2pstack.relay.status import Status
from p2pstack.relay.voucher import Voucher
from p2pstack.services.relay.client_events import ReservationGained, ReservationLost
from p2pstack.services.relay.errors import RelayRefused
from p2pstack.wire.framing import encode_frame
from tests.host.hosts import key
from tests.services.hosts import backward, next_event, until
from tests.services.relay.fakes import SOMEBODY, FakeRelay, client_of, grant, reserved, status

LISTENS = "/ip4/127.0.0.1/tcp/0"


async def gained(events: EventStream) -> ReservationGained:
    return await next_event(events, ReservationGained)


async def lost(events: EventStream) -> ReservationLost:
    return await next_event(events, ReservationLost)


def listen(host: BaseHost) -> EventStream:
    return host.events(ReservationGained, ReservationLost)


# -- making one


@pytest.mark.req("RELAY-03", "RELAY-08", "RELAY-13")
async def test_what_is_granted_is_told_and_advertised() -> None:
    relay = FakeRelay()
    relay.answer = relay.grants(limit=Limit(120, 131_072))
    async with client_of(relay) as (host, client), listen(host) as events:
        reservation = await client.reserve(relay.address)
        assert relay.requests == [HopMessage(kind=HopKind.RESERVE)]
        assert reservation.active
        assert reservation.relay == relay.id
        assert reservation.addresses == (relay.circuit,)
        assert reservation.limit == Limit(120, 131_072)
        assert host.advertised == [relay.circuit]
        assert [str(each) for each in host.full_addresses] == [f"{relay.circuit}/p2p/{host.peer_id}"]
        event = await gained(events)
        assert (event.relay, event.addresses, event.limit) == (relay.id, (relay.circuit,), Limit(120, 131_072))
        assert event.expires == reservation.expires
        assert abs(event.expires - time.time() - 3_600) < 5
        assert not event.renewed


@pytest.mark.req("RELAY-13")
async def test_where_the_relay_says_to_be_is_advertised_too() -> None:
    relay = FakeRelay()
    told = tuple(f"/ip4/5.10.0.1/tcp/{port}" for port in range(1, 60))
    relay.answer = relay.grants(addresses=(*told, f"/ip4/5.10.0.2/tcp/1/p2p/{SOMEBODY}"))
    async with client_of(relay, max_addresses=3) as (host, client):
        reservation = await client.reserve(relay.address)
        assert reservation.addresses == (
            relay.circuit,
            *(parse(f"/ip4/5.10.0.1/tcp/{port}/p2p/{relay.id}/p2p-circuit") for port in (1, 2)),
        )
        assert host.advertised == list(reservation.addresses)


@pytest.mark.req("RELAY-08")
async def test_a_voucher_may_be_missing() -> None:
    relay = FakeRelay()
    relay.answer = relay.grants(voucher=b"")
    async with client_of(relay) as (_, client):
        assert (await client.reserve(relay.address)).active


@pytest.mark.req("RELAY-08", "RELAY-11")
@pytest.mark.parametrize(
    "changes",
    [
        {"seconds": -10},
        {"seconds": -1e9},
        {"seconds": 5},
        {"voucher": b"\xff"},
        {"voucher": Voucher(key(9).peer_id, SOMEBODY, 1 << 40)},
        {"voucher": Voucher(key(9).peer_id, key(1).peer_id, 1)},
        {"voucher": Voucher(key(8).peer_id, key(1).peer_id, 1 << 40).seal(key(8)).to_bytes()},
    ],
)
async def test_a_grant_that_is_no_good(changes: dict[str, object]) -> None:
    relay = FakeRelay()
    relay.answer = relay.grants(**changes)
    async with client_of(relay) as (host, client):
        with pytest.raises(ProtocolViolation):
            await client.reserve(relay.address)
        assert host.advertised == []
        assert client.reservations == []
        assert not host.connections()[0].closed


@pytest.mark.req("RELAY-01", "RELAY-11")
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (status(Status.OK), ProtocolViolation),
        (encode_frame(HopMessage(kind=HopKind.RESERVE).encode()), ProtocolViolation),
        (encode_frame(b"\xff\xff"), ProtocolViolation),
        (encode_frame(b"x" * 4_097), ProtocolViolation),
        (b"", StreamError),
        (grant(key(9), key(1).peer_id, addresses=("/ip4/5.10.0.1/tcp/1",) * 1_000), ProtocolViolation),
    ],
)
async def test_garbage_in_place_of_a_grant(answer: bytes, error: type[P2PError]) -> None:
    relay = FakeRelay()
    relay.answer = relay.says(answer)
    async with client_of(relay) as (host, client):
        with pytest.raises(error):
            await client.reserve(relay.address)
        assert host.advertised == []


@pytest.mark.req("RELAY-02")
@pytest.mark.parametrize("number", [200, 201, 202, 400, 999])
async def test_a_refusal(number: int) -> None:
    relay = FakeRelay()
    relay.answer = relay.says(status(number))
    async with client_of(relay) as (host, client):
        with pytest.raises(RelayRefused) as caught:
            await client.reserve(relay.address)
        assert caught.value.status == number
        assert client.reservations == []
        assert host.unprotect(relay.id, "nobody") is False


@pytest.mark.req("GEN-03")
async def test_a_relay_that_never_answers() -> None:
    relay = FakeRelay()
    relay.answer = relay.silence
    async with client_of(relay, timeout=0.2) as (_, client):
        with pytest.raises(DeadlineExceeded, match="did not grant"):
            await client.reserve(relay.address)
        await until(lambda: not relay.host.connections()[0].streams)


@pytest.mark.req("RELAY-13")
async def test_a_relay_that_has_dialled_us_has_to_say_where_it_is() -> None:
    relay = FakeRelay()
    async with client_of(relay) as (host, client):
        await host.listen(LISTENS)
        await relay.host.connect(host.full_addresses[0])
        await backward(host, relay.host)
        with pytest.raises(ProtocolViolation, match="where it is"):
            await client.reserve(relay.id)
        relay.answer = relay.grants(addresses=("/ip4/5.10.0.1/tcp/1",))
        reservation = await client.reserve(relay.id)
        assert reservation.addresses == (parse(f"/ip4/5.10.0.1/tcp/1/p2p/{relay.id}/p2p-circuit"),)
        await client.release(relay.id)
        relay.answer = relay.grants()
        host.remember(relay.id, [relay.address])
        assert (await client.reserve(relay.id)).addresses == (relay.circuit,)
        assert len(host.connections(relay.id)) == 1


# -- keeping it


@pytest.mark.req("RELAY-04")
async def test_it_is_renewed_before_it_expires() -> None:
    relay = FakeRelay()
    relay.answer = relay.grants(seconds=30)
    async with client_of(relay, renew_at=0.005) as (host, client), listen(host) as events:
        await client.reserve(relay.address)
        assert [(await gained(events)).renewed for _ in range(3)] == [False, True, True]
        assert len(relay.requests) >= 3
        assert len(relay.host.connections()) == 1


async def test_other_addresses_at_a_renewal_are_advertised() -> None:
    relay = FakeRelay()
    async with client_of(relay, max_renewal=0.05) as (host, client), listen(host) as events:
        await client.reserve(relay.address)
        await gained(events)
        relay.answer = relay.grants(addresses=("/ip4/5.10.0.1/tcp/1",))
        while len((await gained(events)).addresses) == 1:
            pass
        assert host.advertised == [relay.circuit, parse(f"/ip4/5.10.0.1/tcp/1/p2p/{relay.id}/p2p-circuit")]


async def test_a_renewal_that_fails_loses_nothing_yet() -> None:
    relay = FakeRelay()
    async with client_of(relay, max_renewal=0.05) as (host, client), listen(host) as events:
        reservation = await client.reserve(relay.address)
        await gained(events)
        relay.answer = relay.says(status(Status.RESERVATION_REFUSED))
        before = len(relay.requests)
        await until(lambda: len(relay.requests) >= before + 3)
        assert reservation.active
        assert host.advertised == [relay.circuit]
        relay.answer = relay.grants()
        assert (await gained(events)).renewed


@pytest.mark.req("RELAY-04")
async def test_it_is_lost_when_it_expires() -> None:
    relay = FakeRelay()
    relay.answer = relay.grants(seconds=2)
    async with client_of(relay, min_lifetime=0.5, max_renewal=0.1) as (host, client), listen(host) as events:
        reservation = await client.reserve(relay.address)
        await gained(events)
        relay.answer = relay.says(status(Status.RESERVATION_REFUSED))
        event = await lost(events)
        assert isinstance(event.reason, DeadlineExceeded)
        assert event.relay == relay.id
        assert not reservation.active
        assert (reservation.addresses, reservation.expires, reservation.limit) == ((), None, None)
        assert host.advertised == []
        relay.answer = relay.grants()
        assert not (await gained(events)).renewed
        assert host.advertised == [relay.circuit]


@pytest.mark.req("RELAY-04")
async def test_it_is_lost_with_the_connection_and_made_anew() -> None:
    relay = FakeRelay()
    async with client_of(relay) as (host, client), listen(host) as events:
        connection = await reserved(relay, client)
        await gained(events)
        await connection.close()
        event = await lost(events)
        assert isinstance(event.reason, ConnectionClosed)
        assert not (await gained(events)).renewed
        assert host.advertised == [relay.circuit]
        assert len(relay.host.connections()) == 1
        assert len(relay.requests) == 2


async def test_a_relay_that_always_hangs_up_is_asked_more_and_more_rarely() -> None:
    relay = FakeRelay()

    async def answer(stream: Stream, _: HopMessage) -> None:
        stream.write(grant(relay.host.key, stream.peer_id))
        assert await stream.read() == b""  # it has the answer
        await stream.connection.close()

    relay.answer = answer
    async with client_of(relay, retry_base=0.05, retry_max=10.0) as (host, client), listen(host) as events:
        await client.reserve(relay.address)
        times = []
        for _ in range(5):
            await lost(events)
            times.append(time.monotonic())
        # Each pause is a half to the whole of 50 ms, doubled each time: the last one takes 200 ms at least.
        assert times[-1] - times[-2] > 0.2


async def test_another_connection_to_the_relay_takes_over() -> None:
    relay = FakeRelay()
    async with client_of(relay) as (host, client), listen(host) as events:
        await host.listen(LISTENS)
        await reserved(relay, client)
        await gained(events)
        await relay.host.dial_direct(host.peer_id, host.addresses)
        await until(lambda: len(host.connections(relay.id)) == 2)
        await next(each for each in host.connections(relay.id) if each.direction == "outbound").close()
        relay.answer = relay.grants(addresses=(str(relay.address),))
        assert (await gained(events)).renewed
        assert host.advertised == [relay.circuit]


async def test_the_relay_is_protected_for_as_long_as_it_is_wanted() -> None:
    relay = FakeRelay()
    async with client_of(relay) as (host, client):
        await reserved(relay, client)
        host.protect(relay.id, "test")
        assert host.unprotect(relay.id, "test") is True
        await client.release(relay.id)
        host.protect(relay.id, "test")
        assert host.unprotect(relay.id, "test") is False


async def test_given_back() -> None:
    relay = FakeRelay()
    async with client_of(relay) as (host, client), listen(host) as events:
        reservation = await client.reserve(relay.address)
        await gained(events)
        await client.release(relay.id)
        event = await lost(events)
        assert event.reason is None
        assert not reservation.active
        assert host.advertised == []
        assert client.reservations == []
        await client.release(relay.id)
        assert (await client.reserve(relay.address)).active
