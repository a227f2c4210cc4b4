"""The way to a direct connection, from either side, with peers that do as they should and others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.aio.tasks import Handler
from p2pstack.dcutr.candidates import parsed
from p2pstack.dcutr.messages import DCUTR, MAX_MESSAGE, HolePunch
from p2pstack.errors import (
    ConnectionClosed,
    DeadlineExceeded,
    DialError,
    HolePunchError,
    P2PError,
    ProtocolNotSupported,
    ProtocolViolation,
    StreamReset,
)
from p2pstack.host.events import EventStream
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.services.dcutr.events import HolePunched, HolePunchFailed
from p2pstack.services.identify_message import IDENTIFY
from p2pstack.services.standard import Host
from p2pstack.wire import uvarint
from tests.aio.shell import black_hole
from tests.host.hosts import address_of, closed_address
from tests.services.dcutr.behind import (
    LOOPBACK,
    PUBLIC_RELAY,
    SYNC,
    Closed,
    behind_relay,
    connect,
    dial_behind,
    key,
    notes_dials,
    punching,
    relayed,
)
from tests.services.hosts import until

Answer = Callable[[Stream, int], Awaitable[None]]
"""What a peer does on the stream of so many-th punch, counted from 1."""


def outcomes(host: Host) -> EventStream:
    return host.events(HolePunched, HolePunchFailed)


async def ending(events: EventStream) -> HolePunched | HolePunchFailed:
    """How an upgrade has ended."""
    event = await asyncio.wait_for(anext(events), 15)
    assert isinstance(event, HolePunched | HolePunchFailed)
    return event


async def punched(events: EventStream) -> HolePunched:
    event = await ending(events)
    assert isinstance(event, HolePunched), event
    return event


async def failed(events: EventStream) -> HolePunchFailed:
    event = await ending(events)
    assert isinstance(event, HolePunchFailed), event
    return event


def answering(answer: Answer | None) -> BaseHost:
    """A peer by hand, which tells nothing of itself, so that it has to be punched for."""
    peer = BaseHost(key(1), listen=[LOOPBACK])
    punches = 0

    async def handle(stream: Stream) -> None:
        nonlocal punches
        punches += 1
        assert answer is not None
        await answer(stream, punches)

    if answer is not None:
        peer.handle(DCUTR, handle, relayed=True)
    return peer


async def exchange(stream: Stream, own: list[Multiaddr]) -> list[Multiaddr]:
    """A's part of the exchange; returns whom to dial."""
    theirs = HolePunch.decode(await stream.read_frame(MAX_MESSAGE))
    stream.write_frame(connect(*own))
    assert await stream.read_frame(MAX_MESSAGE) == SYNC
    return parsed(theirs.addresses)


async def open_exchange(connection: Connection, own: list[Multiaddr]) -> list[Multiaddr]:
    """B's part of the exchange, up to the SYNC; returns whom to dial."""
    async with await connection.open_stream(DCUTR) as stream:
        stream.write_frame(connect(*own))
        theirs = HolePunch.decode(await stream.read_frame(MAX_MESSAGE))
        stream.write_frame(SYNC)
    return parsed(theirs.addresses)


def says_nothing_at_first() -> Handler:
    """A handler of identify that answers on the first connection not before its end, and on others that it won't."""
    first: list[Connection] = []

    async def handle(stream: Stream) -> None:
        first.append(stream.connection)
        if stream.connection is first[0]:
            await stream.connection.wait_closed()
        stream.reset()

    return handle


# -- leading


@pytest.mark.req("DCUTR-02")
async def test_a_peer_that_can_be_dialled_as_it_is_is_not_punched_for() -> None:
    near, far = Host(key(1), listen=[LOOPBACK]), punching(2)[0]
    async with outcomes(far) as events, relayed(near, far) as pair:
        event = await punched(events)
        assert (event.peer, event.attempts) == (near.peer_id, 0)
        assert event.connection.direction == "outbound"
        assert event.connection.machine.initiator
        assert event.connection.remote_address == near.addresses[0]
        assert far.network.best(near.peer_id) is event.connection
        assert not pair.inbound.closed or pair.inbound.close_reason is not None


@pytest.mark.req("DCUTR-03", "DCUTR-07")
async def test_a_punch_reaches_a_peer_that_dials_when_it_is_told_to() -> None:
    async def answer(stream: Stream, _: int) -> None:
        addresses = await exchange(stream, near.addresses)
        await near.dial_direct(stream.peer_id, addresses, reuse_port=True)

    near, far = answering(answer), punching(2)[0]
    async with outcomes(far) as events, relayed(near, far):
        event = await punched(events)
        assert event.attempts == 1
        assert not event.connection.relayed
        assert not event.connection.machine.initiator
        assert event.connection.remote_address == near.addresses[0]
        assert event.seconds > 0


@pytest.mark.req("DCUTR-03", "DCUTR-06", "DCUTR-07", "SIMOPEN-02")
async def test_a_dial_that_the_peers_listener_takes_leaves_no_first_word_and_the_next_punch_succeeds() -> None:
    """The peer's own dial is refused, say; ours is then accepted by its listener, and both sides wait."""
    own: list[list[Multiaddr]] = []

    async def answer(stream: Stream, punch: int) -> None:
        own.append(await exchange(stream, near.addresses))
        if punch == 2:
            await near.dial_direct(stream.peer_id, own[-1], reuse_port=True)

    near, (far, _) = answering(answer), punching(2, dial_timeout=0.3)
    async with outcomes(far) as events, relayed(near, far):
        event = await punched(events)
        assert event.attempts == 2
        assert own == [far.addresses] * 2
        assert not event.connection.machine.initiator


@pytest.mark.req("DCUTR-06", "DCUTR-08")
async def test_after_three_punches_in_vain_the_relayed_connection_stays() -> None:
    nowhere = closed_address()

    async def answer(stream: Stream, _: int) -> None:
        await exchange(stream, [nowhere])

    near, far = answering(answer), punching(2, settle_time=0.01)[0]
    async with outcomes(far) as events, relayed(near, far) as pair:
        dials = notes_dials(far)
        event = await failed(events)
        assert event.attempts == len(event.reasons) == len(dials) == 3
        assert all(isinstance(reason, DialError) and "refused" in str(reason) for reason in event.reasons)
        assert all(addresses == [nowhere] for addresses, _ in dials)
        assert all(options["initiator"] is False and options["reuse_port"] for _, options in dials)
        assert not pair.inbound.closed


@pytest.mark.misbehave
@pytest.mark.req("DCUTR-01", "DCUTR-03")
@pytest.mark.parametrize(
    ("sent", "requirement"),
    [
        (uvarint.encode(len(SYNC)) + SYNC, "DCUTR-03"),
        (uvarint.encode(MAX_MESSAGE + 1), "GEN-02"),
        (b"\x03abc", "GEN-07"),
        (b"\x00", "DCUTR-01"),
    ],
)
async def test_an_answer_that_is_none_ends_the_punch(sent: bytes, requirement: str) -> None:
    async def answer(stream: Stream, _: int) -> None:
        stream.write(sent)
        await stream.read_to_end(MAX_MESSAGE)

    near, far = answering(answer), punching(2, settle_time=0.01)[0]
    async with outcomes(far) as events, relayed(near, far) as pair:
        dials = notes_dials(far)
        event = await failed(events)
        assert event.attempts == 3
        assert [getattr(reason, "requirement", "") for reason in event.reasons] == [requirement] * 3
        assert dials == []
        assert not pair.inbound.closed


@pytest.mark.misbehave
@pytest.mark.req("DCUTR-06")
async def test_a_peer_that_resets_and_one_that_never_answers_cost_three_attempts_each() -> None:
    async def reset(stream: Stream, _: int) -> None:
        stream.reset()

    async def silent(stream: Stream, _: int) -> None:
        await stream.read_to_end(MAX_MESSAGE)

    for answer, kind in ((reset, StreamReset), (silent, DeadlineExceeded)):
        near, far = answering(answer), punching(2, settle_time=0.01, exchange_timeout=0.1)[0]
        async with outcomes(far) as events, relayed(near, far):
            event = await failed(events)
            assert [type(reason) for reason in event.reasons] == [kind] * 3


async def test_a_peer_without_the_protocol_is_asked_once() -> None:
    near, far = answering(None), punching(2, settle_time=0.01)[0]
    async with outcomes(far) as events, relayed(near, far) as pair:
        event = await failed(events)
        assert [type(reason) for reason in event.reasons] == [ProtocolNotSupported]
        assert not pair.inbound.closed


async def test_without_the_relayed_connection_there_is_nothing_to_try() -> None:
    async def leave(stream: Stream, _: int) -> None:
        await stream.connection.close()

    near, far = answering(leave), punching(2, settle_time=0.01)[0]
    async with outcomes(far) as events, relayed(near, far):
        event = await failed(events)
        assert event.attempts == 1
        assert isinstance(event.reasons[0], ConnectionClosed)


async def test_a_peer_that_leaves_before_it_has_told_who_it_is_is_not_tried() -> None:
    near, far = Host(key(1), listen=[LOOPBACK]), punching(2)[0]

    async def leave(stream: Stream) -> None:
        await stream.connection.close()

    near.handle(IDENTIFY, leave, relayed=True)
    async with outcomes(far) as events, relayed(near, far):
        event = await failed(events)
        assert event.attempts == 0
        assert [type(reason) for reason in event.reasons] == [ConnectionClosed]


@pytest.mark.misbehave
@pytest.mark.req("DCUTR-05")
async def test_behind_a_public_relay_no_peer_has_us_dial_what_is_near() -> None:
    async def answer(stream: Stream, _: int) -> None:
        await exchange(stream, [*near.addresses, *far.addresses])

    near, far = answering(answer), punching(2, settle_time=0.01)[0]
    far.advertise("test", [Multiaddr("/ip4/5.10.0.7/tcp/4001")])
    async with outcomes(far) as events, relayed(near, far, PUBLIC_RELAY):
        dials = notes_dials(far)
        event = await failed(events)
        assert all(isinstance(reason, ProtocolViolation) for reason in event.reasons)
        assert dials == []


async def test_without_an_address_of_our_own_nothing_is_asked() -> None:
    async def answer(stream: Stream, _: int) -> None:
        raise AssertionError("nothing should be asked")

    near, far = answering(answer), punching(2, settle_time=0.01)[0]
    async with outcomes(far) as events, relayed(near, far, PUBLIC_RELAY):
        event = await failed(events)
        assert "no address" in str(event.reasons[-1])


@pytest.mark.misbehave
@pytest.mark.req("DCUTR-05")
async def test_of_a_thousand_addresses_no_more_are_dialled_than_may_be() -> None:
    nowhere = closed_address()
    many = [Multiaddr(f"/ip4/127.0.0.1/tcp/{port}") for port in range(1, 400)]

    async def answer(stream: Stream, _: int) -> None:
        await exchange(stream, [*many, nowhere])

    near, far = answering(answer), punching(2, settle_time=0.01, lowest_port=1, max_attempts=1)[0]
    async with outcomes(far) as events, relayed(near, far):
        dials = notes_dials(far)
        await failed(events)
        assert [addresses for addresses, _ in dials] == [many[:16]]


@pytest.mark.misbehave
@pytest.mark.req("DCUTR-05", "DCUTR-08")
async def test_a_third_party_that_a_peer_names_is_left_soon_and_is_no_success() -> None:
    """Both wait for the other's first word, so that nothing but the connection itself reaches it."""
    victim = BaseHost(key(7), listen=[LOOPBACK])

    async def answer(stream: Stream, _: int) -> None:
        await exchange(stream, victim.addresses)

    near, far = answering(answer), punching(2, settle_time=0.01, dial_timeout=0.1)[0]
    async with victim, outcomes(far) as events, relayed(near, far) as pair:
        event = await failed(events)
        assert event.attempts == len(event.reasons) == 3
        assert all(isinstance(reason, DeadlineExceeded) for reason in event.reasons)
        assert far.connections(victim.peer_id) == []
        await until(lambda: not victim.network.every_connection())
        assert not pair.inbound.closed


@pytest.mark.req("DCUTR-08")
async def test_a_direct_connection_that_the_peer_drops_at_once_is_none() -> None:
    async def answer(stream: Stream, punch: int) -> None:
        addresses = await exchange(stream, near.addresses)
        connection = await near.dial_direct(stream.peer_id, addresses, reuse_port=True)
        if punch == 1:
            connection.abort(P2PError("dropped"))

    near, far = answering(answer), punching(2)[0]
    near.handle(IDENTIFY, says_nothing_at_first())
    async with outcomes(far) as events, relayed(near, far):
        event = await punched(events)
        assert event.attempts == 2
        assert not event.connection.closed


# -- following


@pytest.mark.req("DCUTR-03", "DCUTR-07")
async def test_a_peer_that_was_dialled_says_when_to_dial() -> None:
    near, far = punching(1)[0], BaseHost(key(2), listen=[LOOPBACK])
    async with outcomes(near) as events, relayed(near, far) as pair:
        dials = notes_dials(near)
        assert await open_exchange(pair.inbound, far.addresses) == near.addresses
        event = await punched(events)
        assert (event.peer, event.attempts) == (far.peer_id, 1)
        assert event.connection.direction == "outbound"
        assert event.connection.machine.initiator
        assert dials == [(far.addresses, {"initiator": True, "reuse_port": True, "timeout": 0.5})]


@pytest.mark.req("DCUTR-06")
async def test_the_next_punch_counts_where_the_first_is_refused() -> None:
    near, far = punching(1, settle_time=0.01)[0], BaseHost(key(2), listen=[LOOPBACK])
    async with outcomes(near) as events, relayed(near, far) as pair:
        dials = notes_dials(near)
        await open_exchange(pair.inbound, [closed_address()])
        await until(lambda: dials)
        await open_exchange(pair.inbound, far.addresses)
        assert (await punched(events)).attempts == 2


@pytest.mark.req("DCUTR-06")
async def test_a_new_sync_takes_the_place_of_a_dial_that_hangs() -> None:
    near, far = punching(1, dial_timeout=5.0)[0], BaseHost(key(2), listen=[LOOPBACK])
    with black_hole() as hole:
        async with outcomes(near) as events, relayed(near, far) as pair:
            dials = notes_dials(near)
            await open_exchange(pair.inbound, [address_of(hole)])
            await until(lambda: dials)
            await open_exchange(pair.inbound, far.addresses)
            event = await punched(events)
            assert event.attempts == 2
            assert event.seconds < 4


@pytest.mark.req("DCUTR-06", "DCUTR-08")
async def test_three_dials_in_vain_are_a_failure() -> None:
    near, far = punching(1, settle_time=0.01)[0], BaseHost(key(2), listen=[LOOPBACK])
    async with outcomes(near) as events, relayed(near, far) as pair:
        dials = notes_dials(near)
        for punch in range(3):
            await open_exchange(pair.inbound, [closed_address()])
            await until(lambda count=punch: len(dials) > count)  # type: ignore[misc]
        event = await failed(events)
        assert event.attempts == 3
        assert len(event.reasons) == 3
        assert not pair.outbound.closed


async def test_a_dial_that_is_taken_and_dropped_is_a_failed_one() -> None:
    near, far = punching(1, settle_time=0.01, max_attempts=1)[0], BaseHost(key(2), listen=[LOOPBACK])

    async def leave(stream: Stream) -> None:
        stream.connection.abort(P2PError("dropped"))

    far.handle(IDENTIFY, leave)
    async with outcomes(near) as events, relayed(near, far) as pair:
        await open_exchange(pair.inbound, far.addresses)
        event = await failed(events)
        assert [str(reason) for reason in event.reasons] == [
            f"can't dial {far.peer_id}: the direct connection ended at once"
        ]
        assert not pair.outbound.closed


async def test_of_two_connections_one_may_be_dropped() -> None:
    (near, punches), far = punching(1), BaseHost(key(2), listen=[LOOPBACK])
    far.handle(IDENTIFY, says_nothing_at_first())
    async with relayed(near, far):
        waiting = asyncio.ensure_future(punches.upgrade(far.peer_id))
        await asyncio.sleep(0)
        connections = [await far.dial_direct(near.peer_id, near.addresses) for _ in range(2)]
        await until(lambda: len(near.connections(far.peer_id)) == 3)
        connections[0].abort(P2PError("dropped"))
        direct = await waiting
        assert direct.remote_address == connections[1].local_address


async def test_a_peer_that_asks_no_more_is_waited_for_only_so_long() -> None:
    (near, _), far = punching(1, settle_time=0.01, patience=0.1), BaseHost(key(2), listen=[LOOPBACK])
    async with outcomes(near) as events, relayed(near, far) as pair:
        await open_exchange(pair.inbound, [closed_address()])
        event = await failed(events)
        assert event.attempts == 1
        assert [type(reason) for reason in event.reasons] == [DialError, DeadlineExceeded]


async def test_a_direct_connection_that_the_peer_makes_is_as_good() -> None:
    (near, punches), far = punching(1), BaseHost(key(2), listen=[LOOPBACK])
    far.handle(IDENTIFY, says_nothing_at_first())
    async with relayed(near, far):
        waiting = asyncio.ensure_future(punches.upgrade(far.peer_id))
        await asyncio.sleep(0)
        first = await far.dial_direct(near.peer_id, near.addresses)
        first.abort(P2PError("dropped"))
        await first.wait_closed()
        second = await far.dial_direct(near.peer_id, near.addresses)
        direct = await waiting
        assert direct.remote_address == second.local_address
        assert not direct.closed


# -- both


@pytest.mark.req("DCUTR-02", "DCUTR-03", "DCUTR-07", "DCUTR-08")
async def test_two_hosts_that_let_in_only_who_they_dial_meet() -> None:
    gates = Closed(), Closed()
    near, far = (punching(number, gate=gate)[0] for number, gate in zip((1, 2), gates, strict=True))
    gates[0].hosts.append(far)
    gates[1].hosts.append(near)
    async with outcomes(near) as near_events, outcomes(far) as far_events, relayed(near, far) as pair:
        for events, host, other in ((near_events, near, far), (far_events, far, near)):
            event = await punched(events)
            assert event.attempts >= 1
            assert event.connection.machine.initiator is (host is near)
            assert host.network.best(other.peer_id) is event.connection
        await until(lambda: pair.inbound.closed and pair.outbound.closed)


@pytest.mark.req("DCUTR-09")
async def test_where_both_have_dialled_each_other_one_follows() -> None:
    gates = Closed(), Closed()
    near, far = (punching(number, gate=gate)[0] for number, gate in zip((1, 2), gates, strict=True))
    gates[0].hosts.append(far)
    gates[1].hosts.append(near)
    async with outcomes(near) as near_events, outcomes(far) as far_events, behind_relay(near, far) as circuit:
        await asyncio.gather(dial_behind(near, far, circuit), dial_behind(far, near, circuit))
        await punched(near_events)
        await punched(far_events)
        for host, other in ((near, far), (far, near)):
            assert any(not each.relayed for each in host.connections(other.peer_id))


async def test_a_host_that_is_closed_meanwhile_leaves_nothing_behind() -> None:
    async def silent(stream: Stream, _: int) -> None:
        await stream.read_to_end(MAX_MESSAGE)

    near, (far, punches) = answering(silent), punching(2)
    async with relayed(near, far):
        waiting = asyncio.ensure_future(punches.upgrade(near.peer_id))
        await until(lambda: [each for each in near.connections(far.peer_id) if each.streams])
        await far.close()
        with pytest.raises(HolePunchError):
            await waiting
