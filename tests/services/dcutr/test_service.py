"""What begins and answers upgrades, what is refused, and the end of relayed connections."""

from __future__ import annotations

import asyncio

import pytest

from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.dcutr.messages import DCUTR, MAX_MESSAGE
from p2pstack.errors import (
    DeadlineExceeded,
    HolePunchError,
    HostClosed,
    LimitExceeded,
    LocalError,
    P2PError,
    StreamError,
    StreamReset,
)
from p2pstack.host.host import BaseHost
from p2pstack.identity.circuits import split_circuit
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.services.dcutr.events import HolePunched, HolePunchFailed
from p2pstack.services.dcutr.upgrade import Upgrade
from p2pstack.services.identify_message import IDENTIFY
from p2pstack.services.standard import Host
from p2pstack.wire import uvarint
from p2pstack.yamux.frames import RESET_RESOURCE_LIMIT
from tests.host.hosts import closed_address
from tests.services.dcutr.behind import (
    LOOPBACK,
    PUBLIC_RELAY,
    SYNC,
    behind_relay,
    connect,
    dial_behind,
    key,
    notes_dials,
    punching,
    relayed,
    serve_stop,
)
from tests.services.hosts import next_event, until


async def silent(stream: Stream) -> None:
    """A peer that takes part and says nothing."""
    await stream.read_to_end(MAX_MESSAGE)


def by_hand(number: int) -> BaseHost:
    return BaseHost(key(number), listen=[LOOPBACK])


async def refused(connection: Connection, *frames: bytes) -> None:
    """Send messages on a stream for hole punching, which has to be reset; the connection has to stay."""
    stream = await connection.open_stream(DCUTR, lazy=True)
    for frame in frames:
        stream.write_frame(frame)
    with pytest.raises(StreamReset):
        await stream.read_to_end(MAX_MESSAGE)
    assert not connection.closed


async def sync(connection: Connection, *addresses: Multiaddr) -> None:
    """Lead an exchange to its end."""
    async with await connection.open_stream(DCUTR) as stream:
        stream.write_frame(connect(*addresses))
        await stream.read_frame(MAX_MESSAGE)
        stream.write_frame(SYNC)


# -- life


async def test_it_has_the_host_dial_from_its_own_port_and_serves_the_protocol() -> None:
    host, _ = punching(1)
    async with host:
        assert host.reuse_port
        assert DCUTR in host.protocols


async def test_once_it_has_stopped_nothing_is_begun() -> None:
    (near, punches), far = punching(1), by_hand(2)
    async with relayed(near, far):
        await punches.stop()
        with pytest.raises(HostClosed):
            await punches.upgrade(far.peer_id)


# -- what programs ask


async def test_without_any_connection_there_is_nothing_to_upgrade() -> None:
    host, punches = punching(1)
    async with host:
        with pytest.raises(LocalError, match="no connection"):
            await punches.upgrade(key(2).peer_id)


@pytest.mark.req("DCUTR-09")
async def test_a_direct_connection_is_returned_as_it_is() -> None:
    (near, punches), far = punching(1), Host(key(2), listen=[LOOPBACK])
    async with near, far:
        direct = await near.connect(far.full_addresses[0])
        assert await punches.upgrade(far.peer_id) is direct


@pytest.mark.req("DCUTR-09")
async def test_who_asks_for_an_upgrade_that_is_under_way_joins_it() -> None:
    near, (far, punches) = Host(key(1), listen=[LOOPBACK]), punching(2)
    async with far.events(HolePunched) as events, relayed(near, far):
        first, second = await asyncio.gather(punches.upgrade(near.peer_id), punches.upgrade(near.peer_id))
        assert first is second
        assert (await next_event(events, HolePunched)).connection is first
        assert len([each for each in far.connections(near.peer_id) if not each.relayed]) == 1


@pytest.mark.req("DCUTR-06")
async def test_a_failed_upgrade_can_be_asked_for_again() -> None:
    near, (far, punches) = by_hand(1), punching(2, settle_time=0.01)
    async with far.events(HolePunchFailed) as events, relayed(near, far):
        await next_event(events, HolePunchFailed)
        with pytest.raises(HolePunchError, match="supports none of") as caught:
            await punches.upgrade(near.peer_id)
        assert caught.value.peer == near.peer_id
        assert len(caught.value.reasons) == 1


async def test_the_side_that_dialled_waits_for_the_other_and_not_for_ever() -> None:
    (near, punches), far = punching(1), by_hand(2)
    async with relayed(near, far):
        with pytest.raises(HolePunchError, match=r"within 0\.05 s"):
            await punches.upgrade(far.peer_id, timeout=0.05)


@pytest.mark.misbehave
async def test_no_more_upgrades_run_at_once_than_may() -> None:
    (near, punches), far, another = punching(1, max_active=1), by_hand(2), by_hand(3)
    async with relayed(near, far) as pair, another:
        way = split_circuit(pair.circuit)
        assert way.relay_address is not None
        await another.connect(way.relay, [way.relay_address])
        serve_stop(another, near, pair.circuit)
        await dial_behind(near, another, pair.circuit)
        waiting = asyncio.ensure_future(punches.upgrade(another.peer_id, timeout=0.5))
        await until(lambda: punches._upgrades)
        with pytest.raises(LimitExceeded, match="max_active"):
            await punches.upgrade(far.peer_id)
        await refused(pair.inbound, connect(closed_address()), SYNC)
        with pytest.raises(HolePunchError):
            await waiting


# -- what begins by itself


@pytest.mark.req("DCUTR-09")
async def test_a_second_relayed_connection_begins_no_second_upgrade() -> None:
    asked = 0

    async def answer(stream: Stream) -> None:
        nonlocal asked
        asked += 1
        await silent(stream)

    near, (far, punches) = by_hand(1), punching(2)
    near.handle(DCUTR, answer, relayed=True)
    async with relayed(near, far) as pair:
        await until(lambda: asked)
        await pair.again()
        await until(lambda: len(far.connections(near.peer_id)) == 2)
        assert len(punches._upgrades) == 1
        assert asked == 1


@pytest.mark.misbehave
@pytest.mark.req("DCUTR-05")
async def test_a_peer_that_comes_again_and_again_is_left_alone() -> None:
    near, (far, punches) = by_hand(1), punching(2, settle_time=0.01, peer_burst=2, peer_interval=1000.0)
    async with far.events(HolePunchFailed) as events, relayed(near, far) as pair:
        kinds = [type((await next_event(events, HolePunchFailed)).reasons[-1]).__name__]
        for _ in range(2):
            await pair.again()
            kinds.append(type((await next_event(events, HolePunchFailed)).reasons[-1]).__name__)
        assert kinds == ["ProtocolNotSupported", "ProtocolNotSupported", "LimitExceeded"]
        assert not punches._upgrades


@pytest.mark.req("DCUTR-09")
async def test_where_there_is_a_direct_connection_nothing_begins() -> None:
    near, (far, punches) = Host(key(1), listen=[LOOPBACK]), punching(2)
    async with behind_relay(near, far) as circuit:
        direct = await near.connect(far.full_addresses[0])
        await until(lambda: far.connections(near.peer_id))
        await dial_behind(near, far, circuit)
        await until(lambda: len(far.connections(near.peer_id)) == 2)
        assert not punches._upgrades
        assert not direct.closed


@pytest.mark.req("DCUTR-08")
async def test_a_direct_connection_that_somebody_makes_anyhow_ends_the_relayed_one() -> None:
    near, far = punching(1)[0], by_hand(2)
    async with near.events(HolePunched) as events, relayed(near, far) as pair:
        await far.dial_direct(near.peer_id, near.addresses)
        event = await next_event(events, HolePunched)
        assert event.attempts == 0
        assert not event.connection.relayed
        await until(lambda: pair.outbound.closed)


@pytest.mark.misbehave
async def test_where_as_many_upgrades_run_as_may_a_direct_connection_is_just_that() -> None:
    (near, punches), far = punching(1, max_active=1), by_hand(2)
    async with relayed(near, far) as pair:
        punches._upgrades[key(9).peer_id] = Upgrade(near, key(9).peer_id, punches.config, lambda: None)
        await far.dial_direct(near.peer_id, near.addresses)
        await until(lambda: len(near.connections(far.peer_id)) == 2)
        assert far.peer_id not in punches._upgrades
        assert not pair.outbound.closed


@pytest.mark.misbehave
@pytest.mark.req("GEN-03")
async def test_a_peer_that_connects_and_leaves_for_ever_keeps_no_place() -> None:
    """Each direct connection is gone before the peer has said who it is on it."""
    near, far = punching(1, longest_upgrade=1.0)[0], by_hand(2)

    async def leave(stream: Stream) -> None:
        if not stream.connection.relayed:
            stream.connection.abort(P2PError("gone again"))
        stream.reset()

    async def come_and_go() -> None:
        while True:
            await (await far.dial_direct(near.peer_id, near.addresses)).wait_closed()

    far.handle(IDENTIFY, leave, relayed=True)
    async with near.events(HolePunchFailed) as events, relayed(near, far) as pair:
        coming = asyncio.create_task(come_and_go())
        event = await next_event(events, HolePunchFailed)
        coming.cancel()
        await asyncio.wait([coming])
        assert isinstance(event.reasons[-1], DeadlineExceeded)
        assert not pair.outbound.closed


@pytest.mark.misbehave
@pytest.mark.req("DCUTR-08", "GEN-04")
async def test_further_direct_connections_begin_nothing_while_the_relayed_one_is_given_up() -> None:
    (near, punches), far = punching(1, relay_grace=30.0), by_hand(2)
    far.handle("/hold", silent, relayed=True)
    async with near.events(HolePunched) as events, relayed(near, far) as pair:
        await pair.outbound.open_stream("/hold")
        await far.dial_direct(near.peer_id, near.addresses)
        await next_event(events, HolePunched)
        for count in range(3, 6):
            await far.dial_direct(near.peer_id, near.addresses)
            await until(lambda count=count: len(near.connections(far.peer_id)) == count)
        assert not punches._upgrades
        assert len(punches._tasks) == 1
        assert not pair.outbound.closed


# -- what is refused


@pytest.mark.misbehave
@pytest.mark.req("DCUTR-04")
async def test_a_punch_is_not_asked_for_on_a_direct_connection() -> None:
    near, far = punching(1)[0], by_hand(2)
    async with near, far:
        dials = notes_dials(near)
        await near.connect(far.full_addresses[0])
        await until(lambda: far.connections(near.peer_id))
        (inbound,) = far.connections(near.peer_id)
        await refused(inbound, connect(*far.addresses), SYNC)
        assert dials == []


@pytest.mark.misbehave
@pytest.mark.req("DCUTR-04")
async def test_nor_on_a_relayed_one_that_the_other_side_has_dialled() -> None:
    near, far = by_hand(1), punching(2)[0]
    near.handle(DCUTR, silent, relayed=True)
    async with relayed(near, far) as pair:
        dials = notes_dials(far)
        await refused(pair.outbound, connect(*near.addresses), SYNC)
        assert dials == []


@pytest.mark.misbehave
@pytest.mark.req("DCUTR-09")
async def test_nor_where_there_is_a_direct_connection() -> None:
    near, far = punching(1, relay_grace=5.0)[0], by_hand(2)
    async with relayed(near, far) as pair:
        await far.dial_direct(near.peer_id, near.addresses)
        await until(lambda: any(not each.relayed for each in near.connections(far.peer_id)))
        dials = notes_dials(near)
        await refused(pair.inbound, connect(*far.addresses), SYNC)
        assert dials == []


@pytest.mark.misbehave
@pytest.mark.req("DCUTR-01", "DCUTR-03", "DCUTR-05")
@pytest.mark.parametrize(
    "frames",
    [
        (SYNC,),
        (connect(LOOPBACK.replace("/0", "/4001")), connect(LOOPBACK.replace("/0", "/4001"))),
        (connect(),),
        (connect("/ip4/127.0.0.1/udp/4001/quic-v1"),),
        (connect(PUBLIC_RELAY.encapsulate(Multiaddr("/p2p-circuit"))),),
        (b"\xff",),
        (b"",),
        (bytes(MAX_MESSAGE + 1),),
    ],
    ids=["sync", "connect twice", "no address", "no tcp", "relay", "no message", "no type", "too long"],
)
async def test_an_exchange_that_breaks_the_rules_resets_the_stream_and_dials_nobody(frames: tuple[bytes, ...]) -> None:
    (near, punches), far = punching(1), by_hand(2)
    async with relayed(near, far) as pair:
        dials = notes_dials(near)
        await refused(pair.inbound, *frames)
        assert dials == []
        assert not punches._upgrades


@pytest.mark.misbehave
@pytest.mark.req("GEN-03")
async def test_an_exchange_that_stands_still_is_given_up() -> None:
    near, far = punching(1, exchange_timeout=0.1)[0], by_hand(2)
    async with relayed(near, far) as pair:
        await refused(pair.inbound)
        await refused(pair.inbound, connect(*far.addresses))
        stream = await pair.inbound.open_stream(DCUTR)
        stream.write(uvarint.encode(100) + b"a")
        with pytest.raises(StreamReset):
            await stream.read()


@pytest.mark.misbehave
@pytest.mark.req("DCUTR-05", "GEN-04")
async def test_a_flood_of_exchanges_is_cut_down_to_few_dials() -> None:
    near, far = punching(1, settle_time=0.01, peer_burst=3, peer_interval=1000.0)[0], by_hand(2)
    async with near.events(HolePunchFailed) as events, relayed(near, far) as pair:
        dials = notes_dials(near)
        for _ in range(3):
            await sync(pair.inbound, closed_address())
        await next_event(events, HolePunchFailed)
        for _ in range(20):
            await refused(pair.inbound, connect(closed_address()), SYNC)
        assert len(dials) <= 3


@pytest.mark.misbehave
@pytest.mark.req("GEN-04")
async def test_of_exchanges_at_once_only_two_are_served() -> None:
    near, far = punching(1)[0], by_hand(2)
    async with relayed(near, far) as pair:
        streams = [await pair.inbound.open_stream(DCUTR) for _ in range(2)]
        for _ in range(10):
            stream = await pair.inbound.open_stream(DCUTR, lazy=True)
            with pytest.raises(StreamReset) as caught:
                await stream.read_to_end(MAX_MESSAGE)
            assert caught.value.code == RESET_RESOURCE_LIMIT
        assert all(stream.failure is None for stream in streams)


async def test_a_direct_connection_that_opens_during_the_exchange_makes_the_dial_needless() -> None:
    near, far = punching(1, relay_grace=5.0)[0], by_hand(2)
    async with near.events(HolePunched) as events, relayed(near, far) as pair:
        dials = notes_dials(near)
        stream = await pair.inbound.open_stream(DCUTR)
        stream.write_frame(connect(*far.addresses))
        await stream.read_frame(MAX_MESSAGE)
        await far.dial_direct(near.peer_id, near.addresses)
        await until(lambda: any(not each.relayed for each in near.connections(far.peer_id)))
        stream.write_frame(SYNC)
        assert await stream.read() == b""
        assert dials == []
        assert (await next_event(events, HolePunched)).attempts == 0


# -- the end of relayed connections


@pytest.mark.req("DCUTR-08")
async def test_a_relayed_connection_goes_when_its_streams_have_ended_or_their_grace_is_over() -> None:
    async def hold(stream: Stream) -> None:
        await stream.read()

    near, (far, punches) = Host(key(1), listen=[LOOPBACK]), punching(2, relay_grace=0.3)
    far.handle("/hold", hold, relayed=True)
    async with relayed(near, far) as pair:
        held = await pair.outbound.open_stream("/hold")
        direct = await punches.upgrade(near.peer_id)
        assert not pair.inbound.closed
        with pytest.raises(StreamError):
            await held.read()
        await until(lambda: pair.inbound.closed and pair.outbound.closed)
        assert not direct.closed
        stream = await far.open_stream(near.peer_id, "/ipfs/ping/1.0.0")
        assert stream.connection is direct


@pytest.mark.req("DCUTR-08")
async def test_where_the_direct_connection_is_lost_the_relayed_one_stays() -> None:
    near, (far, punches) = Host(key(1), listen=[LOOPBACK]), punching(2, relay_grace=0.1)
    async with relayed(near, far) as pair:
        direct = await punches.upgrade(near.peer_id)
        await direct.close()
        await until(lambda: not punches._tasks)
        assert not pair.inbound.closed
