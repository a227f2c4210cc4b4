"""A relay with peers around it that speak its protocols message by message, as nobody's client would."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.host.host import BaseHost
from p2pstack.identity.peer_id import PeerId
from p2pstack.relay.config import RelayConfig
from p2pstack.relay.messages import HopKind, HopMessage, Peer, StopKind, StopMessage
from p2pstack.relay.protocols import HOP, MAX_MESSAGE, STOP
from p2pstack.relay.status import Status
from p2pstack.services.relay.server import RelayServer
from p2pstack.services.standard import Host
from tests.services.hosts import LOOPBACK

__all__ = ["Target", "answer_of", "ask", "circuit", "connect_request", "relaying", "reserve"]

RESERVE = HopMessage(kind=HopKind.RESERVE)
TAKEN = StopMessage(kind=StopKind.STATUS, status=Status.OK)


@asynccontextmanager
async def relaying(**settings: Any) -> AsyncIterator[RelayServer]:
    """A running relay."""
    host = Host(listen=[LOOPBACK])
    relay = RelayServer(host, RelayConfig(**settings))
    async with host:
        yield relay


class Target(BaseHost):
    """A peer that takes circuits: ``offers`` are what the relay has said, ``streams`` those that were taken.

    What it does with a stop stream can be replaced by ``behaviour``.
    """

    def __init__(self, behaviour: Callable[[Stream], Awaitable[None]] | None = None) -> None:
        super().__init__()
        self.offers: list[StopMessage] = []
        self.streams: asyncio.Queue[Stream] = asyncio.Queue(100)
        self.done = asyncio.Event()
        self.handle(STOP, behaviour or self.take)

    async def take(self, stream: Stream) -> None:
        """Take the circuit; it lasts until ``done`` is set."""
        self.offers.append(StopMessage.decode(await stream.read_frame(MAX_MESSAGE)))
        stream.write_frame(TAKEN.encode())
        self.streams.put_nowait(stream)
        await self.done.wait()

    async def taken(self) -> Stream:
        """The next circuit's stream."""
        return await asyncio.wait_for(self.streams.get(), 5)


def connect_request(target: PeerId) -> HopMessage:
    return HopMessage(kind=HopKind.CONNECT, peer=Peer(target))


async def ask(connection: Connection, request: HopMessage | bytes) -> Stream:
    """A hop stream with a request on it; bytes go out as they are."""
    stream = await connection.open_stream(HOP, lazy=True)
    stream.timeout = 10.0
    if isinstance(request, bytes):
        stream.write(request)
    else:
        stream.write_frame(request.encode())
    return stream


async def answer_of(stream: Stream) -> HopMessage:
    return HopMessage.decode(await stream.read_frame(MAX_MESSAGE))


async def reserve(host: BaseHost, relay: RelayServer) -> HopMessage:
    """The relay's answer to a reservation; it is dialled if need be."""
    connection = await host.connect(relay.host.full_addresses[0])
    stream = await ask(connection, RESERVE)
    answer = await answer_of(stream)
    assert await stream.read() == b""
    await stream.close()
    return answer


async def circuit(near: BaseHost, relay: RelayServer, target: PeerId) -> Stream:
    """A circuit's stream at its initiator, once the relay has said OK."""
    connection = await near.connect(relay.host.full_addresses[0])
    stream = await ask(connection, connect_request(target))
    answer = await answer_of(stream)
    assert answer.status == Status.OK, answer
    return stream
