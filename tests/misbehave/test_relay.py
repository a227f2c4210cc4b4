"""Peers that misuse circuits: whatever they do, nothing is left of it in the relay, nor in who listens behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.errors import P2PError, StreamError
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import Multiaddr, parse
from p2pstack.relay.config import RelayConfig
from p2pstack.relay.messages import HopKind, HopMessage
from p2pstack.relay.protocols import HOP
from p2pstack.relay.status import Status
from p2pstack.services.relay.client import RelayClient
from p2pstack.services.relay.client_config import RelayClientConfig
from p2pstack.services.relay.server import RelayServer
from p2pstack.services.standard import Host
from tests.misbehave.arena import ECHO, PATIENCE, descriptors, echo, limits_of, says_back, settings
from tests.services.hosts import LOOPBACK, until
from tests.services.relay.relaying import RESERVE, Target, ask, circuit, connect_request, reserve

pytestmark = [pytest.mark.misbehave, pytest.mark.deadline(60)]

GARBAGE = b"\x13/multistream/1.0.0\n\x07/noise\n\x00\x20" + bytes(range(32)) + b"\xff\xff" + bytes(40_000)


class Scene:
    """A relay, and who listens behind it."""

    def __init__(self, relay: RelayServer, listener: Host) -> None:
        self.relay = relay
        self.listener = listener

    @property
    def way(self) -> Multiaddr:
        """The address behind the relay."""
        return parse(f"{self.relay.host.full_addresses[0]}/p2p-circuit")

    async def circuit(self, attacker: BaseHost) -> Stream:
        """A circuit to the listener, on which nobody has said anything yet."""
        return await circuit(attacker, self.relay, self.listener.peer_id)

    async def join(self, attacker: BaseHost) -> Connection:
        """A relayed connection to the listener."""
        stream = await self.circuit(attacker)
        return await attacker.join_circuit(stream, circuit=self.way, peer=self.listener.peer_id, initiator=True)

    def state(self) -> tuple[object, ...]:
        """What an attack must not change, once its peers are gone."""
        hosts = (self.relay.host, self.listener)
        return (
            [limits_of(host) for host in hosts],
            self.relay.usage(),
            [set(host.network.every_connection()) for host in hosts],
            [len(each.streams) for host in hosts for each in host.network.every_connection()],
            self.relay.reservations,
            len(self.relay.circuits),
            descriptors(),
        )


@asynccontextmanager
async def scene(client: dict[str, Any] | None = None, **limits: Any) -> AsyncIterator[Scene]:
    """Let the test attack, then show that all is as before, and that an honest peer's stream still echoes."""
    host, listener, bystander = (
        Host(listen=[LOOPBACK] if at else (), config=settings()) for at in (True, False, False)
    )
    relay = RelayServer(host, RelayConfig(**limits))
    behind = RelayClient(listener, config=RelayClientConfig(**client or {}))
    RelayClient(bystander)
    listener.handle(ECHO, echo, relayed=True)
    async with host, listener, bystander:
        await behind.reserve(host.full_addresses[0])
        await bystander.connect(listener.full_addresses[0])
        stream = await bystander.open_stream(listener.peer_id, ECHO, relayed=True)
        await says_back(stream, b"before")
        place = Scene(relay, listener)
        before, tasks = await _at_rest(place), asyncio.all_tasks()
        yield place
        await until(lambda: place.state() == before and asyncio.all_tasks() <= tasks)
        await says_back(stream, b"after")
        await stream.close()


async def _at_rest(place: Scene) -> tuple[object, ...]:
    """The state once identify is through: the circuit and the echo alone are open, and nothing changes."""
    hosts = (place.relay.host, place.listener)
    await until(lambda: all(len(each.streams) == 1 for host in hosts for each in host.connections()))
    async with asyncio.timeout(PATIENCE):
        state, same = place.state(), 0
        while same < 100:
            await asyncio.sleep(0)
            state, same = place.state(), same + 1 if place.state() == state else 0
    return state


Leave = Callable[[BaseHost, Connection], Awaitable[None]]


async def close(attacker: BaseHost, connection: Connection) -> None:
    await connection.close()


async def abort(attacker: BaseHost, connection: Connection) -> None:
    connection.abort(P2PError("gone"))


async def cut_the_way(attacker: BaseHost, connection: Connection) -> None:
    """End the connection to the relay, on which the others run."""
    for each in attacker.connections():
        if not each.relayed:
            each.abort(P2PError("gone"))


async def leave(attacker: BaseHost, connection: Connection) -> None:
    await attacker.close()


@pytest.mark.req("GEN-01", "GEN-04", "RELAY-06", "RELAY-09")
@pytest.mark.parametrize("end", [close, abort, cut_the_way, leave], ids=lambda end: end.__name__)
async def test_nothing_is_left_of_relayed_connections(end: Leave) -> None:
    async with scene() as place:
        for _ in range(4):
            async with BaseHost() as attacker:
                connections = [await place.join(attacker) for _ in range(3)]
                for connection in connections:
                    await says_back(await connection.open_stream(ECHO), b"hello")
                for connection in connections:
                    await end(attacker, connection)


@pytest.mark.req("GEN-01", "GEN-03", "RELAY-09")
@pytest.mark.parametrize("said", [b"", b"\x13/multistream/1.0.0\n", GARBAGE], ids=["nothing", "hello", "garbage"])
@pytest.mark.parametrize("stay", [False, True])
async def test_nothing_is_left_of_circuits_on_which_nobody_proves_who_he_is(said: bytes, stay: bool) -> None:
    async with scene({"upgrade_timeout": 0.3}) as place, BaseHost() as attacker:
        streams = [await place.circuit(attacker) for _ in range(10)]
        for stream in streams:
            stream.write(said)
            if not stay:
                stream.reset()
        if stay:  # the listener ends them
            for stream in streams:
                with pytest.raises(StreamError):
                    while await stream.read():
                        pass
                    raise StreamError("an end in good order")


@pytest.mark.req("GEN-04", "RELAY-06", "RELAY-07")
async def test_a_flood_of_circuits_of_many_peers() -> None:
    """More than the listener takes, at once, and again and again; the relay and the honest peer do not notice."""

    async def flood(place: Scene) -> int:
        refused = 0
        async with BaseHost() as attacker:
            connection = await attacker.connect(place.relay.host.full_addresses[0])
            for _ in range(4):
                streams = [await ask(connection, connect_request(place.listener.peer_id)) for _ in range(8)]
                for stream in streams:
                    try:
                        frame = await stream.read_frame(4_096)
                    except StreamError:
                        refused += 1  # as many hop streams have said nothing yet as may
                        continue
                    refused += len(frame) < 8  # a bare status: no limit of the circuit in it
                    stream.write(GARBAGE)
                    stream.reset()
        return refused

    async with scene({"max_circuits": 4}) as place:
        refused = await asyncio.gather(*(flood(place) for _ in range(6)))
        assert all(refused)
        assert place.listener.usage()["inbound_connections"].current <= 5


@pytest.mark.req("RELAY-06", "GEN-04")
async def test_a_peer_that_asks_for_much_and_reads_nothing_meets_the_limit_of_its_circuit() -> None:
    async with scene(circuit_bytes=50_000) as place, BaseHost() as attacker:
        connection = await place.join(attacker)
        stream = await connection.open_stream(ECHO)
        with pytest.raises(StreamError):
            while True:
                stream.write(bytes(10_000))
                await stream.drain()
                await asyncio.sleep(0)
        await connection.wait_closed()


@pytest.mark.req("RELAY-04", "RELAY-07", "GEN-04")
async def test_a_flood_of_peers_that_reserve_and_leave() -> None:
    async with scene(max_reservations=5) as place:
        for _ in range(5):
            crowd = [BaseHost() for _ in range(8)]
            for attacker in crowd:
                await attacker.start()
                connection = await attacker.connect(place.relay.host.full_addresses[0])
                await (await ask(connection, RESERVE)).read_frame(4_096)
            assert len(place.relay.reservations) == 5
            for attacker in crowd:
                for connection in attacker.connections():
                    connection.abort(P2PError("gone"))
            await until(lambda: len(place.relay.reservations) == 1)
            assert not any(place.relay.host._manager.is_protected(attacker.peer_id) for attacker in crowd)
            assert set(place.relay._ways) == {place.listener.peer_id}
            for attacker in crowd:
                await attacker.close()


@pytest.mark.req("RELAY-05", "RELAY-07", "GEN-04")
@pytest.mark.parametrize("who", ["initiator", "target"])
async def test_a_target_that_does_not_answer_while_somebody_leaves(who: str) -> None:
    asked = asyncio.Event()

    async def nothing(stream: Stream) -> None:
        await stream.read_frame(4_096)
        asked.set()
        await stream.wait_to_read()

    async with scene() as place, Target(nothing) as target, BaseHost() as attacker:
        await reserve(target, place.relay)
        connection = await attacker.connect(place.relay.host.full_addresses[0])
        await ask(connection, connect_request(target.peer_id))
        await asked.wait()
        assert place.relay.usage()["relay.max_circuits"].current == 2
        leaving = attacker if who == "initiator" else target
        leaving.connections()[0].abort(P2PError("gone"))
        await until(lambda: place.relay.usage()["relay.max_circuits"].current == 1)


@pytest.mark.req("RELAY-10")
async def test_hop_requests_through_a_circuit_are_refused() -> None:
    """A relay that listens behind another one relays nothing to whoever comes that way."""
    async with scene() as place:
        RelayServer(place.listener)
        async with BaseHost() as attacker:
            connection = await place.join(attacker)
            for request in (RESERVE, connect_request(place.relay.host.peer_id)):
                stream = await connection.open_stream(HOP, lazy=True)
                stream.write_frame(request.encode())
                answer = HopMessage.decode(await stream.read_frame(4_096))
                assert (answer.kind, answer.status) == (HopKind.STATUS, Status.PERMISSION_DENIED)
        place.listener.unhandle(HOP)
