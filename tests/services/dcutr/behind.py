"""Two hosts with a relay between them: a host of the tests' own that joins streams, and knows no limits.

``relayed(near, far)`` runs all three; ``near`` has dialled ``far`` through the relay. A NAT is played by
:class:`Closed`, which lets in only what comes from the listening port of a host that one has dialled or may dial.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.dcutr.config import DcutrConfig
from p2pstack.dcutr.messages import HolePunch, Kind
from p2pstack.errors import P2PError
from p2pstack.host.gate import ConnectionGate
from p2pstack.host.host import BaseHost
from p2pstack.identity.circuits import circuit_address, is_circuit, split_circuit
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import Multiaddr, parse
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.dcutr.service import HolePunching
from p2pstack.services.standard import Host
from tests.aio.shell import until

__all__ = [
    "LOOPBACK", "PUBLIC_RELAY", "SYNC", "Closed", "Pair", "behind_relay", "connect", "dial_behind", "key",
    "notes_dials", "punching", "quick", "relayed", "serve_stop",
]  # fmt: skip

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
PUBLIC_RELAY = parse("/ip4/5.10.0.1/tcp/4001")
HOP, STOP = "/test/hop", "/test/stop"


def key(number: int) -> PrivateKey:
    return PrivateKey.from_seed(bytes([number]) * 32)


def quick(**settings: Any) -> DcutrConfig:
    """A configuration that does not wait long."""
    times = {"exchange_timeout": 2.0, "direct_timeout": 1.0, "dial_timeout": 0.5, "settle_time": 0.2, "patience": 2.0}
    return DcutrConfig(**{**times, "relay_grace": 0.05, **settings})


class Closed(ConnectionGate):
    """Lets nobody in but from ``hosts``, and those from the ports that they listen on."""

    def __init__(self) -> None:
        self.hosts: list[BaseHost] = []

    def allow_inbound(self, address: Multiaddr) -> bool:
        return is_circuit(address) or any(address in host.addresses for host in self.hosts)


def punching(number: int, *, gate: ConnectionGate | None = None, **settings: Any) -> tuple[Host, HolePunching]:
    """A host that punches holes, not started yet."""
    host = Host(key(number), listen=[LOOPBACK], gate=gate)
    return host, HolePunching(host, quick(**settings))


async def _pump(source: Stream, sink: Stream) -> None:
    while data := await source.read():
        sink.write(data)
        await sink.drain()
    sink.close_write()


def _make_relay() -> BaseHost:
    """A host that joins a stream to one that it opens to the peer that is named on the first."""
    relay = BaseHost(key(30), listen=[LOOPBACK])

    async def join(stream: Stream) -> None:
        other = await relay.open_stream(PeerId(await stream.read_frame(100)), STOP)
        stream.timeout = other.timeout = None
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(_pump(stream, other))
                group.create_task(_pump(other, stream))
        except* P2PError:
            stream.reset()
            other.reset()

    relay.handle(HOP, join)
    return relay


@dataclass
class Pair:
    """Both ends of a connection through a relay: ``outbound`` is that of ``near``, who dialled."""

    near: BaseHost
    far: BaseHost
    circuit: Multiaddr
    outbound: Connection
    inbound: Connection

    async def again(self) -> Connection:
        """Dial once more; return ``near``'s end."""
        return await dial_behind(self.near, self.far, self.circuit)


async def dial_behind(near: BaseHost, far: BaseHost, circuit: Multiaddr) -> Connection:
    """Have ``near`` dial ``far`` through the relay; return its end of the connection."""
    stream = await near.open_stream(split_circuit(circuit).relay, HOP)
    stream.write_frame(far.peer_id.to_bytes())
    return await near.join_circuit(stream, circuit=circuit, peer=far.peer_id, initiator=True)


def serve_stop(host: BaseHost, other: BaseHost, circuit: Multiaddr) -> None:
    """Let ``other`` reach ``host`` through the relay."""

    async def accept(stream: Stream) -> None:
        connection = await host.join_circuit(stream, circuit=circuit, peer=other.peer_id, initiator=False)
        await connection.wait_closed()

    host.handle(STOP, accept)


@asynccontextmanager
async def behind_relay(near: BaseHost, far: BaseHost, where: Multiaddr | None = None) -> AsyncIterator[Multiaddr]:
    """Run both hosts, connected to a relay and not to each other; give the way through it.

    ``where`` is what they hold for its address.
    """
    relay = _make_relay()
    async with relay, far, near:
        circuit = circuit_address(where or relay.addresses[0], relay.peer_id)
        serve_stop(far, near, circuit)
        serve_stop(near, far, circuit)
        for host in (near, far):
            await host.connect(relay.full_addresses[0])
        await until(lambda: len(relay.connections()) == 2)
        yield circuit


@asynccontextmanager
async def relayed(near: BaseHost, far: BaseHost, where: Multiaddr | None = None) -> AsyncIterator[Pair]:
    """The same, and ``near`` dials ``far`` through the relay."""
    async with behind_relay(near, far, where) as circuit:
        outbound = await dial_behind(near, far, circuit)
        await until(lambda: [each for each in far.connections(near.peer_id) if each.relayed])
        inbound = next(each for each in far.connections(near.peer_id) if each.relayed)
        yield Pair(near, far, circuit, outbound, inbound)


def notes_dials(host: BaseHost) -> list[tuple[list[Multiaddr], dict[str, Any]]]:
    """Note whom ``host`` dials directly from here on, and how."""
    noted: list[tuple[list[Multiaddr], dict[str, Any]]] = []
    dial = host.dial_direct

    async def note(peer: PeerId, addresses: Sequence[Multiaddr], **options: Any) -> Connection:
        noted.append((list(addresses), options))
        return await dial(peer, addresses, **options)

    host.dial_direct = note  # type: ignore[method-assign]
    return noted


def connect(*addresses: Multiaddr | str) -> bytes:
    """A CONNECT."""
    return HolePunch(Kind.CONNECT, tuple(parse(address).to_bytes() for address in addresses)).encode()


SYNC = HolePunch(Kind.SYNC).encode()
