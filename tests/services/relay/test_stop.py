"""What a relay passes on to us: taken from relays that we asked, for peers that prove who they are."""

from __future__ import annotations

import asyncio

import pytest

from p2pstack.aio.stream import Stream
from p2pstack.errors import DeadlineExceeded, P2PError, StreamEOF, StreamError
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import Multiaddr, parse
from p2pstack.relay.messages import Limit, Peer, StopKind, StopMessage
from p2pstack.relay.protocols import STOP
from p2pstack.relay.status import Status
from tests.host.hosts import key
from tests.services.hosts import LOOPBACK, backward, until
from tests.services.relay.fakes import SOMEBODY, FakeRelay, client_of, reserved, soon

ADDRESS = parse("/ip4/5.10.0.1/tcp/4001")
MULTISTREAM = b"\x13/multistream/1.0.0\n"


async def rest_of(stream: Stream) -> bytes:
    """Everything that still comes on a stream, to its orderly end."""
    return bytes(await soon(stream.read_to_end(10_000)))


@pytest.mark.req("RELAY-09", "RELAY-10")
async def test_a_peer_that_a_relay_passes_on() -> None:
    relay, initiator = FakeRelay(), BaseHost(key(3))
    async with client_of(relay) as (host, client), initiator:
        await reserved(relay, client)
        stream, answer = await relay.offer(host.peer_id, initiator.peer_id)
        assert answer == Status.OK
        far = await initiator.join_circuit(stream, circuit=relay.circuit, peer=host.peer_id, initiator=True, timeout=5)
        near = await backward(host, initiator)
        assert near.relayed
        assert near.direction == "inbound"
        assert near.circuit == relay.circuit
        # The handler, and with it the place that the circuit takes, lasts as long as the connection.
        [relay_connection] = host.connections(relay.id)
        assert len(relay_connection.handlers) == 1
        await far.close()
        await soon(near.wait_closed())
        await until(lambda: not relay_connection.handlers)
        assert not relay_connection.closed


@pytest.mark.req("RELAY-09")
async def test_a_relay_that_was_not_asked() -> None:
    relay = FakeRelay()
    async with client_of(relay) as (host, _):
        await relay.host.connect(await _listen(host))
        stream, answer = await relay.offer(host.peer_id, SOMEBODY)
        assert answer == Status.PERMISSION_DENIED
        assert await rest_of(stream) == b""


@pytest.mark.req("RELAY-09")
async def test_a_relay_whose_reservation_was_given_back() -> None:
    relay = FakeRelay()
    async with client_of(relay) as (host, client):
        await reserved(relay, client)
        await client.release(relay.id)
        _, answer = await relay.offer(host.peer_id, SOMEBODY)
        assert answer == Status.PERMISSION_DENIED


@pytest.mark.req("RELAY-09")
async def test_a_relay_that_has_just_been_asked() -> None:
    """Its first circuit may come with its answer."""
    relay = FakeRelay()
    relay.answer = relay.silence
    async with client_of(relay, timeout=1.0) as (host, client):
        asking = asyncio.create_task(client.reserve(relay.address))
        await until(lambda: relay.requests)
        _, answer = await relay.offer(host.peer_id, SOMEBODY)
        assert answer == Status.OK
        with pytest.raises(DeadlineExceeded):
            await asking
        _, answer = await relay.offer(host.peer_id, SOMEBODY)
        assert answer == Status.PERMISSION_DENIED


@pytest.mark.req("RELAY-09")
@pytest.mark.parametrize(
    ("message", "answer"),
    [
        (StopMessage(kind=StopKind.STATUS, status=Status.OK).encode(), Status.UNEXPECTED_MESSAGE),
        (StopMessage(kind=StopKind.CONNECT).encode(), Status.MALFORMED_MESSAGE),
        (b"\x08\x00\x12\x03\x0a\x01\x00", Status.MALFORMED_MESSAGE),
        (b"\x08\x09", Status.MALFORMED_MESSAGE),
        (b"", Status.MALFORMED_MESSAGE),
        (b"\xff\xff\xff", Status.MALFORMED_MESSAGE),
        (b"x" * 4_097, Status.MALFORMED_MESSAGE),
    ],
)
async def test_what_is_no_offer(message: bytes, answer: Status) -> None:
    relay = FakeRelay()
    async with client_of(relay) as (host, client):
        connection = await reserved(relay, client)
        stream, status = await relay.offer(host.peer_id, message)
        assert status == answer
        assert await rest_of(stream) == b""
        assert not connection.closed
        assert client.reservations[0].active


async def test_nobody_is_passed_on_to_himself() -> None:
    relay = FakeRelay()
    async with client_of(relay) as (host, client):
        await reserved(relay, client)
        _, answer = await relay.offer(host.peer_id, host.peer_id)
        assert answer == Status.MALFORMED_MESSAGE


async def test_addresses_and_limit_of_an_offer_are_no_matter() -> None:
    relay = FakeRelay()
    offer = StopMessage(kind=StopKind.CONNECT, peer=Peer(SOMEBODY, (ADDRESS,)), limit=Limit(1, 1))
    async with client_of(relay) as (host, client):
        await reserved(relay, client)
        _, answer = await relay.offer(host.peer_id, offer.encode())
        assert answer == Status.OK


@pytest.mark.req("NOISE-07", "RELAY-09")
async def test_another_peer_than_the_one_that_was_named() -> None:
    relay, initiator = FakeRelay(), BaseHost(key(3))
    async with client_of(relay) as (host, client), initiator:
        connection = await reserved(relay, client)
        stream, answer = await relay.offer(host.peer_id, SOMEBODY)
        assert answer == Status.OK
        with pytest.raises(P2PError):
            far = await initiator.join_circuit(
                stream, circuit=relay.circuit, peer=host.peer_id, initiator=True, timeout=5
            )
            # The initiator's handshake is over first; the refusal follows it.
            await soon(far.wait_closed())
            raise far.close_reason or AssertionError("it should not have ended well")
        assert host.connections(initiator.peer_id) == []
        assert not connection.closed
        await until(lambda: not host.connections(relay.id)[0].handlers)


@pytest.mark.req("GEN-03")
async def test_a_relay_that_does_not_say_who() -> None:
    relay = FakeRelay()
    async with client_of(relay, stop_timeout=0.2) as (_, client):
        connection = await reserved(relay, client)
        stream = await connection.open_stream(STOP)
        stream.write(b"\x10\x08")
        with pytest.raises(StreamError):
            await soon(stream.read_exactly(1))
        assert not connection.closed


@pytest.mark.req("GEN-03")
async def test_a_peer_that_never_proves_who_he_is() -> None:
    relay = FakeRelay()
    async with client_of(relay, upgrade_timeout=0.2) as (host, client):
        connection = await reserved(relay, client)
        stream, answer = await relay.offer(host.peer_id, SOMEBODY)
        assert answer == Status.OK
        with pytest.raises((StreamError, StreamEOF)):
            while True:
                await soon(stream.read_exactly(1))
        assert not connection.closed
        await until(lambda: not host.connections(relay.id)[0].handlers)


@pytest.mark.req("GEN-04")
async def test_a_relay_has_so_many_circuits_and_no_more() -> None:
    relay = FakeRelay()
    async with client_of(relay, max_circuits=2) as (host, client):
        connection = await reserved(relay, client)
        streams = []
        for expected in (Status.OK, Status.OK, Status.RESOURCE_LIMIT_EXCEEDED):
            stream, answer = await relay.offer(host.peer_id, SOMEBODY)
            assert answer == expected
            streams.append(stream)
        # Over another connection of the same relay it is the same.
        await relay.host.dial_direct(host.peer_id, [await _listen(host)])
        assert (await relay.offer(host.peer_id, SOMEBODY))[1] == Status.RESOURCE_LIMIT_EXCEEDED
        streams[0].reset()
        await until(lambda: len(host.connections(relay.id)[0].handlers) == 1)
        assert (await relay.offer(host.peer_id, SOMEBODY))[1] == Status.OK
        # Streams that say nothing are bounded as well, by those that the handler serves at once.
        silent = [await connection.open_stream(STOP, lazy=True) for _ in range(5)]
        await until(lambda: any(stream.failure for stream in silent))
        assert not connection.closed


@pytest.mark.req("RELAY-05")
async def test_what_comes_behind_the_offer_belongs_to_the_connection() -> None:
    relay = FakeRelay()
    async with client_of(relay) as (host, client):
        await reserved(relay, client)
        stream, answer = await relay.offer(host.peer_id, SOMEBODY, behind=MULTISTREAM + b"\x07/noise\n")
        assert answer == Status.OK
        assert await soon(stream.read_exactly(len(MULTISTREAM) + 8)) == MULTISTREAM + b"\x07/noise\n"


@pytest.mark.req("RELAY-10")
async def test_a_circuit_does_not_lead_through_a_circuit() -> None:
    """Who is connected through a relay can't act as one."""
    relay, initiator = FakeRelay(), BaseHost(key(3))
    async with client_of(relay) as (host, client), initiator:
        await reserved(relay, client)
        stream, _ = await relay.offer(host.peer_id, initiator.peer_id)
        far = await initiator.join_circuit(stream, circuit=relay.circuit, peer=host.peer_id, initiator=True, timeout=5)
        with pytest.raises(StreamError):
            await far.open_stream(STOP)


async def _listen(host: BaseHost) -> Multiaddr:
    await host.listen(LOOPBACK)
    return host.full_addresses[0]
