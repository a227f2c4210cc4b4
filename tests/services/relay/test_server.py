"""The relay: reservations, circuits, and everybody who wants more than he may have."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from p2pstack.aio.stream import Stream
from p2pstack.errors import ConnectionClosed, StreamError, StreamReset
from p2pstack.host.config import HostConfig
from p2pstack.host.host import BaseHost
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import parse, with_peer
from p2pstack.relay.config import Rate
from p2pstack.relay.messages import HopKind, HopMessage, Limit, Peer, StopKind, StopMessage
from p2pstack.relay.protocols import HOP, MAX_MESSAGE
from p2pstack.relay.status import Status
from p2pstack.relay.voucher import open_voucher
from p2pstack.services.relay import server
from p2pstack.services.relay.server import RelayServer
from p2pstack.services.relay.server_events import (
    CircuitClosed,
    CircuitOpened,
    ReservationEnd,
    ReservationEnded,
    ReservationMade,
)
from p2pstack.services.relay.splice import CircuitEnd
from p2pstack.services.scope import Scope
from p2pstack.services.standard import Host
from p2pstack.wire.framing import encode_frame
from tests.services.hosts import LOOPBACK, next_event, until
from tests.services.relay.relaying import (
    RESERVE,
    TAKEN,
    Target,
    answer_of,
    ask,
    circuit,
    connect_request,
    relaying,
    reserve,
)

STRANGER = PrivateKey.from_seed(b"\x77" * 32).peer_id


async def status_of(host: BaseHost, relay: RelayServer, request: HopMessage | bytes) -> int:
    """What the relay answers, and that it says nothing else."""
    connection = await host.connect(relay.host.full_addresses[0])
    stream = await ask(connection, request)
    answer = await answer_of(stream)
    assert answer.kind is HopKind.STATUS
    assert await stream.read() == b""
    await stream.close()
    return answer.status


# -- reservations


@pytest.mark.req("RELAY-03", "RELAY-08", "RELAY-13")
async def test_a_reservation_with_all_that_belongs_to_it() -> None:
    async with relaying() as relay, BaseHost() as peer, relay.host.events(ReservationMade) as events:
        before = time.time()
        answer = await reserve(peer, relay)
        reservation = answer.reservation
        assert answer.status == Status.OK
        assert answer.limit == Limit(120, 131_072)
        assert reservation is not None
        assert before + 3_600 <= reservation.expires <= time.time() + 3_601
        assert list(reservation.addresses) == relay.host.full_addresses
        assert reservation.voucher is not None
        voucher = open_voucher(reservation.voucher, relay=relay.host.peer_id, peer=peer.peer_id, now_unix=time.time())
        assert voucher.expires == reservation.expires
        made = await next_event(events, ReservationMade)
        assert (made.peer, made.expires, made.renewed) == (peer.peer_id, reservation.expires, False)
        assert relay.reservations == [peer.peer_id]


@pytest.mark.req("RELAY-03")
async def test_a_second_request_renews() -> None:
    async with relaying(max_reservations=1) as relay, BaseHost() as peer, relay.host.events(ReservationMade) as events:
        for renewed in (False, True):
            assert (await reserve(peer, relay)).status == Status.OK
            assert (await next_event(events, ReservationMade)).renewed is renewed
        assert len(relay.reservations) == 1


@pytest.mark.req("RELAY-13")
async def test_peers_from_the_internet_are_given_public_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "scope_of", lambda _: Scope.PUBLIC)
    public = parse("/ip4/8.8.4.4/tcp/2")
    async with relaying() as relay, BaseHost() as peer:
        relay.host.advertise("test", [parse("/ip4/10.0.0.1/tcp/1"), public])
        reservation = (await reserve(peer, relay)).reservation
        assert reservation is not None
        assert reservation.addresses == (with_peer(public, relay.host.peer_id),)


@pytest.mark.req("RELAY-13")
@pytest.mark.parametrize("tells", [True, False])
async def test_a_reservation_is_never_without_addresses(monkeypatch: pytest.MonkeyPatch, tells: bool) -> None:
    monkeypatch.setattr(server, "scope_of", lambda _: Scope.PUBLIC)
    async with relaying() as relay, Host() if tells else BaseHost() as peer:
        relay.host.advertise("test", [parse("/ip4/10.0.0.1/tcp/1")])
        await peer.connect(relay.host.full_addresses[0])
        await until(lambda: bool(relay.host.connections()))
        if tells:
            await relay.host.identify.wait(relay.host.connections()[0])
        reservation = (await reserve(peer, relay)).reservation
        assert reservation is not None
        # Where the peer has told at which address it reached the relay, that one; else all.
        expected = [with_peer(address, relay.host.peer_id) for address in relay.host.addresses]
        assert set(reservation.addresses) == set(expected if tells else relay.host.full_addresses)


@pytest.mark.req("RELAY-04")
async def test_a_reservation_ends_with_the_last_connection_of_its_peer() -> None:
    async with relaying() as relay, BaseHost() as peer, relay.host.events(ReservationEnded) as events:
        assert (await reserve(peer, relay)).status == Status.OK
        second = await peer.dial_direct(relay.host.peer_id, relay.host.addresses, timeout=5.0)
        (first,) = [each for each in peer.connections() if each is not second]
        await until(lambda: len(relay.host.connections()) == 2)
        await first.close()
        await until(lambda: len(relay.host.connections()) == 1)
        assert relay.reservations == [peer.peer_id]
        await second.close()
        ended = await next_event(events, ReservationEnded)
        assert (ended.peer, ended.reason) == (peer.peer_id, ReservationEnd.DISCONNECTED)
        assert relay.reservations == []
        assert not relay.host._manager.is_protected(peer.peer_id)


@pytest.mark.misbehave
@pytest.mark.req("RELAY-04")
async def test_many_that_leave_at_once_are_all_noticed() -> None:
    host = Host(listen=[LOOPBACK], config=HostConfig(event_queue=1))
    relay = RelayServer(host)
    async with host, Target() as stays:
        await reserve(stays, relay)
        peers = [BaseHost() for _ in range(5)]
        for peer in peers:
            await peer.start()
            assert (await reserve(peer, relay)).status == Status.OK
        for connection in host.connections():
            if connection.peer_id != stays.peer_id:
                connection.abort(ConnectionClosed())
        await until(lambda: relay.reservations == [stays.peer_id])
        for peer in peers:
            await peer.close()


@pytest.mark.req("RELAY-04")
async def test_a_reservation_expires() -> None:
    async with (
        relaying(reservation_lifetime=1.0) as relay,
        Target() as target,
        BaseHost() as peer,
        relay.host.events(ReservationEnded) as events,
    ):
        assert (await reserve(target, relay)).status == Status.OK
        assert relay.host._manager.is_protected(target.peer_id)
        ended = await next_event(events, ReservationEnded)
        assert (ended.peer, ended.reason) == (target.peer_id, ReservationEnd.EXPIRED)
        assert await status_of(peer, relay, connect_request(target.peer_id)) == Status.NO_RESERVATION
        assert (await reserve(target, relay)).status == Status.OK
        assert await circuit(peer, relay, target.peer_id)
        target.done.set()


@pytest.mark.misbehave
@pytest.mark.req("RELAY-07")
async def test_a_flood_of_peers_that_reserve() -> None:
    async with relaying(max_reservations=3) as relay:
        peers = [BaseHost() for _ in range(8)]
        for peer in peers:
            await peer.start()
        answers = await asyncio.gather(*(reserve(peer, relay) for peer in peers))
        statuses = sorted(answer.status for answer in answers)
        assert statuses == [Status.OK] * 3 + [Status.RESERVATION_REFUSED] * 5
        assert relay.usage()["relay.max_reservations"].current == 3
        assert relay.answers[HopKind.RESERVE, Status.RESERVATION_REFUSED] == 5
        for peer in peers:
            await peer.close()
        await until(lambda: not relay.reservations)
        assert not relay._ways


@pytest.mark.misbehave
@pytest.mark.req("RELAY-07")
async def test_a_flood_of_requests_of_one_peer() -> None:
    async with relaying(reservation_rate_per_peer=Rate(3, 1_000.0)) as relay, BaseHost() as peer:
        statuses = [(await reserve(peer, relay)).status for _ in range(6)]
        assert statuses == [Status.OK] * 3 + [Status.RESERVATION_REFUSED] * 3
        assert relay.reservations == [peer.peer_id], "what it has stays"
        assert len(relay._ways[peer.peer_id]) == 1


# -- what is no request


@pytest.mark.misbehave
@pytest.mark.req("RELAY-01", "RELAY-02")
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (encode_frame(b""), Status.MALFORMED_MESSAGE),
        (encode_frame(b"\xff\xff"), Status.MALFORMED_MESSAGE),
        (encode_frame(b"\x08\x07"), Status.MALFORMED_MESSAGE),
        (encode_frame(b"\x28\x64"), Status.MALFORMED_MESSAGE),
        (encode_frame(b"\x08\x01"), Status.MALFORMED_MESSAGE),
        (encode_frame(b"\x08\x01\x12\x04\x0a\x02ab"), Status.MALFORMED_MESSAGE),
        (b"\x81\x20", Status.MALFORMED_MESSAGE),
        (b"\xff\xff\xff\xff\xff", Status.MALFORMED_MESSAGE),
        (encode_frame(HopMessage(kind=HopKind.STATUS, status=Status.OK).encode()), Status.UNEXPECTED_MESSAGE),
    ],
)
async def test_what_is_no_request_is_answered_as_such(sent: bytes, status: Status) -> None:
    async with relaying() as relay, BaseHost() as peer:
        assert await status_of(peer, relay, sent) == status
        assert (await reserve(peer, relay)).status == Status.OK, "the connection is as good as before"


@pytest.mark.misbehave
@pytest.mark.req("GEN-03", "RELAY-01")
@pytest.mark.parametrize("sent", [b"", b"\x02", b"\x02\x08"])
async def test_a_request_that_does_not_come_whole_costs_its_stream(sent: bytes) -> None:
    async with relaying(request_timeout=0.1) as relay, BaseHost() as peer:
        connection = await peer.connect(relay.host.full_addresses[0])
        stream = await ask(connection, sent)
        with pytest.raises(StreamReset):
            await stream.read()
        assert (await reserve(peer, relay)).status == Status.OK
        assert relay.usage()["relay.max_requests"].current == 0


@pytest.mark.misbehave
@pytest.mark.req("RELAY-01")
async def test_a_stream_that_ends_before_its_request_is_reset() -> None:
    async with relaying() as relay, BaseHost() as peer:
        connection = await peer.connect(relay.host.full_addresses[0])
        stream = await ask(connection, b"\x02\x08")
        stream.close_write()
        with pytest.raises(StreamReset):
            await stream.read()


@pytest.mark.misbehave
@pytest.mark.req("GEN-04")
async def test_hop_streams_that_say_nothing_are_few() -> None:
    async with relaying(requests_per_peer=3) as relay, BaseHost() as peer, BaseHost() as other:
        connection = await peer.connect(relay.host.full_addresses[0])
        silent = [await ask(connection, b"\x02") for _ in range(3)]
        await until(lambda: relay.usage()["relay.max_requests"].current == 3)
        for _ in range(5):
            with pytest.raises(StreamReset):
                await (await ask(connection, RESERVE)).read()
        assert (await reserve(other, relay)).status == Status.OK, "others are served"
        for stream in silent:
            stream.reset()
        await until(lambda: relay.usage()["relay.max_requests"].current == 0)
        assert (await reserve(peer, relay)).status == Status.OK


# -- circuits


@pytest.mark.req("RELAY-05")
async def test_a_circuit() -> None:
    async with (
        relaying() as relay,
        Target() as target,
        BaseHost() as peer,
        relay.host.events(CircuitOpened, CircuitClosed) as events,
    ):
        await reserve(target, relay)
        connection = await peer.connect(relay.host.full_addresses[0])
        stream = await ask(connection, connect_request(target.peer_id))
        answer = await answer_of(stream)
        assert answer == HopMessage(kind=HopKind.STATUS, status=Status.OK, limit=Limit(120, 131_072))
        far = await target.taken()
        assert target.offers == [StopMessage(kind=StopKind.CONNECT, peer=Peer(peer.peer_id), limit=Limit(120, 131_072))]
        opened = await next_event(events, CircuitOpened)
        assert (opened.initiator, opened.target) == (peer.peer_id, target.peer_id)
        stream.write(b"there")
        assert await far.read_exactly(5) == b"there"
        far.write(b"and back")
        assert await stream.read_exactly(8) == b"and back"
        (running,) = relay.circuits
        assert (running.initiator, running.target) == (peer.peer_id, target.peer_id)
        assert (running.sent, running.received, running.end) == (5, 8, None)
        await stream.close()
        target.done.set()
        closed = await next_event(events, CircuitClosed)
        assert (closed.sent, closed.received, closed.reason) == (5, 8, CircuitEnd.FINISHED)
        assert relay.circuits == []
        assert relay.bytes_passed == 13
        assert relay.usage()["relay.max_circuits"].current == 0


@pytest.mark.req("RELAY-05")
async def test_bytes_behind_the_messages_belong_to_the_circuit() -> None:
    async def eager(stream: Stream) -> None:
        await stream.read_frame(MAX_MESSAGE)
        stream.write(encode_frame(TAKEN.encode()) + b"early answer")
        assert await stream.read_to_end(100) == b"early bytes"

    async with relaying() as relay, Target(eager) as target, BaseHost() as peer:
        await reserve(target, relay)
        connection = await peer.connect(relay.host.full_addresses[0])
        stream = await ask(connection, encode_frame(connect_request(target.peer_id).encode()) + b"early bytes")
        stream.close_write()
        assert (await answer_of(stream)).status == Status.OK
        assert await stream.read_to_end(100) == b"early answer"


@pytest.mark.misbehave
@pytest.mark.req("RELAY-05")
async def test_only_who_has_reserved_is_reached() -> None:
    async with relaying() as relay, Target() as target, BaseHost() as peer:
        await target.connect(relay.host.full_addresses[0])
        assert await status_of(peer, relay, connect_request(target.peer_id)) == Status.NO_RESERVATION
        assert await status_of(peer, relay, connect_request(STRANGER)) == Status.NO_RESERVATION
        assert await status_of(peer, relay, connect_request(relay.host.peer_id)) == Status.NO_RESERVATION
        await reserve(target, relay)
        await target.disconnect(relay.host.peer_id)
        await until(lambda: not relay.host.connections(target.peer_id))
        assert await status_of(peer, relay, connect_request(target.peer_id)) == Status.NO_RESERVATION
        assert not target.offers


@pytest.mark.misbehave
@pytest.mark.req("RELAY-05")
async def test_nobody_is_connected_to_himself() -> None:
    async with relaying() as relay, Target() as target:
        await reserve(target, relay)
        assert await status_of(target, relay, connect_request(target.peer_id)) == Status.PERMISSION_DENIED
        assert not target.offers


@pytest.mark.misbehave
@pytest.mark.req("RELAY-03", "RELAY-10")
async def test_nothing_is_relayed_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    way = parse(f"/ip4/192.0.2.1/tcp/1/p2p/{STRANGER}/p2p-circuit")
    async with relaying() as relay, Target() as target, BaseHost() as peer:
        await reserve(target, relay)
        await peer.connect(relay.host.full_addresses[0])
        await until(lambda: bool(relay.host.connections(peer.peer_id)))
        # The relay takes its connection to the peer for one that has come through another relay.
        monkeypatch.setattr(relay.host.connections(peer.peer_id)[0], "circuit", way)
        assert await status_of(peer, relay, RESERVE) == Status.PERMISSION_DENIED
        assert await status_of(peer, relay, connect_request(target.peer_id)) == Status.PERMISSION_DENIED
        assert relay.reservations == [target.peer_id]
        assert not target.offers


@pytest.mark.misbehave
@pytest.mark.req("RELAY-10")
async def test_a_target_that_is_left_behind_another_relay_is_not_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    way = parse(f"/ip4/192.0.2.1/tcp/1/p2p/{STRANGER}/p2p-circuit")
    async with relaying() as relay, Target() as target, BaseHost() as peer:
        await reserve(target, relay)
        second = await target.dial_direct(relay.host.peer_id, relay.host.addresses, timeout=5.0)
        first = next(each for each in target.connections() if each is not second)
        await until(lambda: len(relay.host.connections(target.peer_id)) == 2)
        reserved = relay._ways[target.peer_id][0]
        other = next(each for each in relay.host.connections(target.peer_id) if each is not reserved)
        monkeypatch.setattr(other, "circuit", way)
        await first.close()
        await until(lambda: not relay.reservations)
        assert await status_of(peer, relay, connect_request(target.peer_id)) == Status.NO_RESERVATION


async def refuses(stream: Stream) -> None:
    await stream.read_frame(MAX_MESSAGE)
    stream.write_frame(StopMessage(kind=StopKind.STATUS, status=Status.PERMISSION_DENIED).encode())


async def answers_with_an_offer(stream: Stream) -> None:
    stream.write_frame(await stream.read_frame(MAX_MESSAGE))


async def answers_nonsense(stream: Stream) -> None:
    stream.write_frame(b"\xff\xff")


async def answers_too_much(stream: Stream) -> None:
    stream.write(b"\xff\xff\x7f")


async def leaves(stream: Stream) -> None:
    await stream.read_frame(MAX_MESSAGE)


async def resets(stream: Stream) -> None:
    stream.reset()


async def disconnects(stream: Stream) -> None:
    await stream.connection.close()


async def says_nothing(stream: Stream) -> None:
    with pytest.raises(StreamReset):
        await stream.read_to_end(10_000)


@pytest.mark.misbehave
@pytest.mark.req("RELAY-05", "RELAY-09")
@pytest.mark.parametrize(
    "behaviour",
    [refuses, answers_with_an_offer, answers_nonsense, answers_too_much, leaves, resets, disconnects, says_nothing],
)
async def test_a_target_that_does_not_take_the_circuit(behaviour: Callable[[Stream], Awaitable[None]]) -> None:
    async with relaying(answer_timeout=0.2) as relay, Target(behaviour) as target, BaseHost() as peer:
        await reserve(target, relay)
        assert await status_of(peer, relay, connect_request(target.peer_id)) == Status.CONNECTION_FAILED
        assert relay.usage()["relay.max_circuits"].current == 0
        assert relay.circuits == []


@pytest.mark.misbehave
@pytest.mark.req("RELAY-05")
async def test_a_target_that_does_not_speak_the_protocol() -> None:
    async with relaying() as relay, BaseHost() as target, BaseHost() as peer:
        await reserve(target, relay)
        assert await status_of(peer, relay, connect_request(target.peer_id)) == Status.CONNECTION_FAILED


@pytest.mark.req("RELAY-05")
async def test_the_target_is_asked_on_the_connection_on_which_it_has_reserved() -> None:
    async with relaying() as relay, Target() as target, BaseHost() as peer:
        await target.connect(relay.host.full_addresses[0])
        second = await target.dial_direct(relay.host.peer_id, relay.host.addresses, timeout=5.0)
        stream = await ask(second, RESERVE)
        assert (await answer_of(stream)).status == Status.OK
        assert await circuit(peer, relay, target.peer_id)
        far = await target.taken()
        assert far.connection is second
        target.done.set()


@pytest.mark.misbehave
@pytest.mark.req("RELAY-07")
async def test_a_flood_of_circuits_to_one_peer() -> None:
    async with relaying(circuits_per_peer=2) as relay, Target() as target, BaseHost() as peer, BaseHost() as other:
        await reserve(target, relay)
        for _ in range(2):
            await circuit(peer, relay, target.peer_id)
        for host in (peer, other):
            request = connect_request(target.peer_id)
            assert await status_of(host, relay, request) == Status.RESOURCE_LIMIT_EXCEEDED
        assert relay.usage()["relay.circuits_per_peer"].current == 2
        (await target.taken()).reset()
        await until(lambda: relay.usage()["relay.circuits_per_peer"].current == 1)
        assert await circuit(other, relay, target.peer_id)
        target.done.set()


@pytest.mark.misbehave
@pytest.mark.req("RELAY-07")
async def test_circuits_that_wait_for_their_target_count() -> None:
    async with relaying(max_circuits=1) as relay, Target(says_nothing) as target, BaseHost() as peer:
        await reserve(target, relay)
        connection = await peer.connect(relay.host.full_addresses[0])
        waiting = await ask(connection, connect_request(target.peer_id))
        await until(lambda: relay.usage()["relay.max_circuits"].current == 1)
        request = connect_request(target.peer_id)
        assert await status_of(peer, relay, request) == Status.RESOURCE_LIMIT_EXCEEDED
        waiting.reset()


@pytest.mark.misbehave
@pytest.mark.req("RELAY-07")
async def test_a_flood_of_requests_for_circuits() -> None:
    async with relaying(circuit_rate_per_peer=Rate(2, 1_000.0)) as relay, BaseHost() as peer:
        statuses = [await status_of(peer, relay, connect_request(STRANGER)) for _ in range(4)]
        assert statuses == [Status.NO_RESERVATION] * 2 + [Status.RESOURCE_LIMIT_EXCEEDED] * 2


@pytest.mark.req("RELAY-04")
async def test_a_circuit_outlives_the_reservation() -> None:
    async with (
        relaying(reservation_lifetime=1.0) as relay,
        Target() as target,
        BaseHost() as peer,
        relay.host.events(ReservationEnded) as events,
    ):
        await reserve(target, relay)
        near = await circuit(peer, relay, target.peer_id)
        far = await target.taken()
        await next_event(events, ReservationEnded)
        near.write(b"still there")
        assert await far.read_exactly(11) == b"still there"
        target.done.set()


# -- the end


@pytest.mark.req("RELAY-06")
async def test_a_relay_that_is_stopped_ends_its_circuits_and_serves_no_more() -> None:
    async with relaying() as relay, Target() as target, BaseHost() as peer:
        await reserve(target, relay)
        near = await circuit(peer, relay, target.peer_id)
        far = await target.taken()
        async with relay.host.events(CircuitClosed) as events:
            await relay.stop()
            assert (await next_event(events, CircuitClosed)).reason is CircuitEnd.STOPPED
        for stream in (near, far):
            with pytest.raises(StreamReset):
                await stream.read()
        assert relay.reservations == []
        assert HOP not in relay.host.protocols
        assert not relay.host._manager.is_protected(target.peer_id)
        target.done.set()


async def test_a_host_that_is_closed_ends_its_circuits() -> None:
    async with Target() as target, BaseHost() as peer:
        async with relaying() as relay:
            await reserve(target, relay)
            near = await circuit(peer, relay, target.peer_id)
        with pytest.raises(StreamError):
            await near.read_exactly(1)
        target.done.set()
    assert relay.circuits == []
