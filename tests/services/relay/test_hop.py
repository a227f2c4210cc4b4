"""Dialling through a relay: what a relay may answer, and what comes of it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from p2pstack.aio.stream import Stream
from p2pstack.errors import (
    DeadlineExceeded,
    DecodeError,
    DialError,
    LocalError,
    P2PError,
    PeerIdMismatch,
    ProtocolNotSupported,
    ProtocolViolation,
    StreamError,
)
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import parse
from p2pstack.relay.messages import HopKind, HopMessage, Limit, Peer
from p2pstack.relay.protocols import HOP
from p2pstack.relay.status import Status
from p2pstack.services.relay.client import RelayClient
from p2pstack.services.relay.errors import RelayRefused
from p2pstack.services.relay.hop import Hops, violation
from p2pstack.services.relay.server import RelayServer
from p2pstack.services.standard import Host
from p2pstack.wire.framing import encode_frame
from tests.host.hosts import key
from tests.services.hosts import LOOPBACK, until
from tests.services.relay.fakes import SOMEBODY, FakeRelay, client_of, soon, status

MULTISTREAM = b"\x13/multistream/1.0.0\n"
OK = status(Status.OK)


def test_what_does_not_decode_is_a_violation() -> None:
    error = violation(DecodeError("no", requirement="RELAY-08"))
    assert (error.protocol, error.requirement) == (HOP, "RELAY-08")


@contextlib.asynccontextmanager
async def spliced(relay: FakeRelay, target: BaseHost) -> AsyncIterator[None]:
    """``relay`` leads everybody to ``target``, which needs no connection to it for that."""

    async def answer(stream: Stream, _: HopMessage) -> None:
        stream.write(OK)
        connection = await target.join_circuit(
            stream, circuit=relay.circuit, peer=stream.peer_id, initiator=False, timeout=5
        )
        await connection.wait_closed()

    relay.answer = answer
    async with target:
        yield


@pytest.mark.req("RELAY-05", "RELAY-10")
async def test_a_dial_through_a_relay() -> None:
    relay, target = FakeRelay(), BaseHost(key(3))
    async with client_of(relay) as (host, client), spliced(relay, target):
        connection = await client.dial(relay.circuit, target.peer_id, 5.0)
        assert relay.requests == [HopMessage(kind=HopKind.CONNECT, peer=Peer(target.peer_id))]
        assert connection.peer_id == target.peer_id
        assert connection.relayed
        assert connection.circuit == relay.circuit
        assert connection.direction == "outbound"
        assert host.connections(target.peer_id) == [connection]


@pytest.mark.req("RELAY-10")
async def test_the_host_dials_by_the_address() -> None:
    relay, target = FakeRelay(), BaseHost(key(3))
    async with client_of(relay) as (host, _), spliced(relay, target):
        connection = await host.connect(f"{relay.circuit}/p2p/{target.peer_id}")
        assert connection.relayed
        assert await host.connect(target.peer_id) is connection


async def test_dials_at_once_share_one_connection_to_the_relay() -> None:
    relay = FakeRelay()
    targets = [BaseHost(key(number)) for number in (3, 4, 5)]
    by_id = {target.peer_id: target for target in targets}

    async def answer(stream: Stream, request: HopMessage) -> None:
        assert request.peer is not None
        stream.write(OK)
        connection = await by_id[request.peer.id].join_circuit(
            stream, circuit=relay.circuit, peer=stream.peer_id, initiator=False, timeout=5
        )
        await connection.wait_closed()

    relay.answer = answer
    async with contextlib.AsyncExitStack() as stack:
        host, client = await stack.enter_async_context(client_of(relay))
        for target in targets:
            await stack.enter_async_context(target)
        await asyncio.gather(*(client.dial(relay.circuit, target.peer_id, 5.0) for target in targets))
        assert len(relay.host.connections()) == 1
        assert len(host.connections(relay.id)) == 1


@pytest.mark.req("RELAY-02")
@pytest.mark.parametrize("number", [201, 202, 203, 204, 400, 401, 0, 999])
async def test_a_refusal_names_its_status(number: int) -> None:
    relay = FakeRelay()
    relay.answer = relay.says(status(number))
    async with client_of(relay) as (host, _):
        with pytest.raises(DialError) as caught:
            await host.connect(f"{relay.circuit}/p2p/{SOMEBODY}")
        [(address, cause)] = caught.value.attempts
        assert address == str(relay.circuit)
        assert isinstance(cause, RelayRefused)
        assert cause.status == number
        await until(lambda: not relay.host.connections()[0].streams)


@pytest.mark.req("RELAY-01", "RELAY-11")
@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (encode_frame(HopMessage(kind=HopKind.RESERVE).encode()), ProtocolViolation),
        (encode_frame(HopMessage(kind=HopKind.CONNECT, peer=Peer(SOMEBODY)).encode()), ProtocolViolation),
        (encode_frame(b""), ProtocolViolation),
        (encode_frame(b"\xff\xff"), ProtocolViolation),
        (encode_frame(b"x" * 4_097), ProtocolViolation),
        (b"\xff\xff\xff\xff\xff\xff", ProtocolViolation),
        (b"\x05\x08", StreamError),
        (b"", StreamError),
    ],
)
async def test_garbage_in_place_of_an_answer(answer: bytes, error: type[P2PError]) -> None:
    relay = FakeRelay()
    relay.answer = relay.says(answer)
    async with client_of(relay) as (host, client):
        with pytest.raises(error):
            await client.dial(relay.circuit, SOMEBODY, 5.0)
        [connection] = host.connections()
        assert not connection.closed


@pytest.mark.req("GEN-03")
async def test_a_relay_that_never_answers() -> None:
    relay = FakeRelay()
    relay.answer = relay.silence
    async with client_of(relay) as (host, client):
        await host.connect(relay.id, relay.host.addresses)
        with pytest.raises(DeadlineExceeded, match="through"):
            await client.dial(relay.circuit, SOMEBODY, 0.2)
        await until(lambda: not relay.host.connections()[0].streams)


async def test_nothing_is_left_of_a_dial_that_is_cancelled() -> None:
    relay = FakeRelay()
    relay.answer = relay.silence
    async with client_of(relay) as (_, client):
        dial = asyncio.create_task(client.dial(relay.circuit, SOMEBODY, 30.0))
        await until(lambda: relay.requests)
        dial.cancel()
        await asyncio.wait([dial])
        await until(lambda: not relay.host.connections()[0].streams)


@pytest.mark.req("NOISE-07", "RELAY-10")
async def test_a_relay_that_leads_to_somebody_else() -> None:
    relay, target = FakeRelay(), BaseHost(key(3))
    async with client_of(relay) as (host, client), spliced(relay, target):
        with pytest.raises(PeerIdMismatch):
            await client.dial(relay.circuit, SOMEBODY, 5.0)
        assert [each.peer_id for each in host.connections()] == [relay.id]


@pytest.mark.req("GEN-03")
async def test_a_relay_that_leads_to_nobody() -> None:
    relay = FakeRelay()

    async def answer(stream: Stream, _: HopMessage) -> None:
        stream.write(OK)
        await stream.read_to_end(1_000)

    relay.answer = answer
    async with client_of(relay) as (host, client):
        await host.connect(relay.id, relay.host.addresses)
        with pytest.raises(DeadlineExceeded):
            await client.dial(relay.circuit, SOMEBODY, 0.2)
        assert [each.peer_id for each in host.connections()] == [relay.id]
        await until(lambda: not relay.host.connections()[0].streams)


@pytest.mark.req("RELAY-05")
async def test_what_comes_behind_the_status_belongs_to_the_connection() -> None:
    relay = FakeRelay()
    answered: list[bytes] = []

    async def answer(stream: Stream, _: HopMessage) -> None:
        stream.write(OK + MULTISTREAM + b"\x07/noise\n")
        for size in (len(MULTISTREAM), 8, 2 + 32):
            answered.append(await stream.read_exactly(size))

    relay.answer = answer
    async with client_of(relay) as (_, client):
        with pytest.raises(P2PError):
            await client.dial(relay.circuit, SOMEBODY, 5.0)
        # The dialer has taken our header and our agreement to Noise, and begun its handshake.
        assert answered[:2] == [MULTISTREAM, b"\x07/noise\n"]
        assert answered[2][:2] == b"\x00\x20"


@pytest.mark.req("RELAY-11")
async def test_the_limit_of_an_answer_changes_nothing() -> None:
    relay, target = FakeRelay(), BaseHost(key(3))
    limited = HopMessage(kind=HopKind.STATUS, status=Status.OK, limit=Limit(120, 1_000))

    async def answer(stream: Stream, _: HopMessage) -> None:
        stream.write_frame(limited.encode())
        connection = await target.join_circuit(
            stream, circuit=relay.circuit, peer=stream.peer_id, initiator=False, timeout=5
        )
        await connection.wait_closed()

    relay.answer = answer
    async with client_of(relay) as (_, client), target:
        assert (await client.dial(relay.circuit, target.peer_id, 5.0)).relayed


async def test_a_peer_that_is_no_relay() -> None:
    other = BaseHost(key(3), listen=[LOOPBACK])
    host = Host(key(1))
    client = RelayClient(host)
    async with other, host:
        with pytest.raises(ProtocolNotSupported):
            await client.dial(parse(f"{other.full_addresses[0]}/p2p-circuit"), SOMEBODY, 5.0)


@pytest.mark.req("RELAY-10")
async def test_addresses_that_lead_nowhere() -> None:
    relay = FakeRelay()
    async with client_of(relay) as (host, client):
        own = parse(f"/ip4/127.0.0.1/tcp/1/p2p/{host.peer_id}/p2p-circuit")
        for address, peer, error in (
            (own, SOMEBODY, LocalError),
            (relay.circuit, host.peer_id, LocalError),
            (relay.circuit, relay.id, LocalError),
            (parse(f"{relay.circuit}/p2p/{host.peer_id}"), SOMEBODY, DecodeError),
            (parse(f"{relay.circuit}/p2p/{SOMEBODY}/p2p-circuit"), host.peer_id, DecodeError),
            (relay.address, SOMEBODY, DecodeError),
        ):
            with pytest.raises(error):
                await client.dial(address, peer, 5.0)
        assert relay.requests == []


@pytest.mark.req("RELAY-10")
async def test_two_relays_that_name_each_other_as_their_way() -> None:
    first, second = key(5).peer_id, key(6).peer_id
    async with Host(key(1)) as host, RelayClient(host):
        host.remember(first, [f"/p2p/{second}/p2p-circuit"])
        host.remember(second, [f"/p2p/{first}/p2p-circuit"])
        with pytest.raises(DialError):
            await soon(host.connect(f"/p2p/{first}/p2p-circuit/p2p/{SOMEBODY}"))


@pytest.mark.req("RELAY-10")
async def test_a_relay_that_is_connected_through_a_relay_is_dialled() -> None:
    """Its relayed connection does not do to relay over; neither does it keep us from making a direct one."""
    far, near = Host(key(5), listen=[LOOPBACK]), Host(key(6), listen=[LOOPBACK])
    RelayServer(far)
    RelayServer(near)
    host = Host(key(1))
    client = RelayClient(host)
    RelayClient(near)
    async with far, near, host:
        await client.reserve(far.full_addresses[0])
        await near.connect(host.full_addresses[0])
        await until(lambda: host.connections(near.peer_id))
        assert [each.relayed for each in host.connections(near.peer_id)] == [True]
        hops = Hops(host)
        reached = await asyncio.gather(*(hops.reach(near.peer_id, [near.full_addresses[0]]) for _ in range(3)))
        assert len(set(reached)) == 1
        assert not reached[0].relayed


@pytest.mark.req("RELAY-10")
async def test_a_dial_that_is_joined_may_come_to_a_relayed_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    relay, target = FakeRelay(), BaseHost(key(3))
    async with client_of(relay) as (host, client), spliced(relay, target):
        connection = await client.dial(relay.circuit, target.peer_id, 5.0)

        async def connect(*_: object, **__: object) -> object:
            return connection

        monkeypatch.setattr(host, "connect", connect)
        with pytest.raises(LocalError, match="through a relay"):
            await Hops(host).reach(target.peer_id, [])


@pytest.mark.req("GEN-03")
async def test_a_dial_of_the_relay_that_takes_too_long_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    async with Host(key(1)) as host, RelayClient(host) as client:

        async def connect(*_: object, **__: object) -> object:
            raise DeadlineExceeded("dialling took too long")

        monkeypatch.setattr(host, "connect", connect)
        circuit = parse(f"/ip4/127.0.0.1/tcp/1/p2p/{SOMEBODY}/p2p-circuit")
        with pytest.raises(DeadlineExceeded, match="dialling"):
            await client.dial(circuit, key(3).peer_id, 5.0)
        with pytest.raises(DeadlineExceeded, match="dialling"):
            await client.reserve(SOMEBODY)


@pytest.mark.req("RELAY-10")
async def test_a_relay_that_is_only_known_behind_a_relay_is_not_reached() -> None:
    far, near = Host(key(5), listen=[LOOPBACK]), Host(key(6))
    RelayServer(far)
    host = Host(key(1))
    client = RelayClient(host)
    RelayClient(near)
    async with far, near, host:
        await client.reserve(far.full_addresses[0])
        await near.connect(host.full_addresses[0])
        await until(lambda: host.connections(near.peer_id))
        with pytest.raises(DialError):
            await Hops(host).reach(near.peer_id, [])
