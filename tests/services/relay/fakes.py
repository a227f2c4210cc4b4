"""A relay that answers as a test tells it, and hosts that are its clients."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.host.host import BaseHost
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import Multiaddr, parse
from p2pstack.identity.peer_id import PeerId
from p2pstack.relay.messages import HopKind, HopMessage, Limit, Peer, Reservation, StopKind, StopMessage
from p2pstack.relay.protocols import HOP, MAX_MESSAGE, STOP
from p2pstack.relay.status import Status
from p2pstack.relay.voucher import Voucher
from p2pstack.services.relay.client import RelayClient
from p2pstack.services.relay.client_config import RelayClientConfig
from p2pstack.services.standard import Host
from p2pstack.wire.framing import encode_frame
from tests.host.hosts import key
from tests.services.hosts import LOOPBACK

__all__ = ["SOMEBODY", "FakeRelay", "client_of", "grant", "quick", "status"]

SOMEBODY = PrivateKey.from_seed(b"\x77" * 32).peer_id
"""A peer that is nowhere."""

Answer = Callable[[Stream, HopMessage], Awaitable[None]]


def status(number: int) -> bytes:
    """The frame of an answer that is a status alone."""
    return encode_frame(HopMessage(kind=HopKind.STATUS, status=number).encode())


def grant(
    relay: PrivateKey,
    peer: PeerId,
    *,
    seconds: float = 3_600,
    addresses: tuple[str, ...] = (),
    voucher: Voucher | bytes | None = None,
    limit: Limit | None = None,
) -> bytes:
    """The frame of an answer that grants a reservation; without ``voucher`` with a good one, with b"" without any."""
    expires = max(0, int(time.time() + seconds))
    sealed: bytes | None
    if voucher is None:
        voucher = Voucher(relay.peer_id, peer, expires)
    sealed = voucher.seal(relay).to_bytes() if isinstance(voucher, Voucher) else voucher or None
    reservation = Reservation(expires, tuple(map(parse, addresses)), sealed)
    return encode_frame(
        HopMessage(kind=HopKind.STATUS, status=Status.OK, reservation=reservation, limit=limit).encode()
    )


class FakeRelay:
    """A relay; ``answer`` says what it does with a request, ``requests`` are those that have come."""

    def __init__(self, number: int = 9) -> None:
        self.host = BaseHost(key(number), listen=[LOOPBACK])
        self.host.handle(HOP, self._serve)
        self.requests: list[HopMessage] = []
        self.answer: Answer = self.grants()

    @property
    def id(self) -> PeerId:
        return self.host.peer_id

    @property
    def address(self) -> Multiaddr:
        return self.host.full_addresses[0]

    @property
    def circuit(self) -> Multiaddr:
        """The address of what is behind it."""
        return parse(f"{self.address}/p2p-circuit")

    async def _serve(self, stream: Stream) -> None:
        request = HopMessage.decode(await stream.read_frame(MAX_MESSAGE))
        self.requests.append(request)
        await self.answer(stream, request)

    def grants(self, **changes: Any) -> Answer:
        async def answer(stream: Stream, _: HopMessage) -> None:
            stream.write(grant(self.host.key, stream.peer_id, **changes))

        return answer

    def says(self, data: bytes) -> Answer:
        async def answer(stream: Stream, _: HopMessage) -> None:
            stream.write(data)

        return answer

    async def silence(self, stream: Stream, _: HopMessage) -> None:
        """Say nothing until the other side gives up."""
        await stream.read()

    async def offer(self, peer: PeerId, initiator: PeerId | bytes, *, behind: bytes = b"") -> tuple[Stream, int]:
        """Offer ``peer`` a circuit; return the stream, and the status that came back.

        ``initiator`` may be the bytes of a whole message; ``behind`` follows it at once.
        """
        connection = self.host.connections(peer)[-1]
        stream = await connection.open_stream(STOP)
        message = initiator
        if isinstance(message, PeerId):
            message = StopMessage(kind=StopKind.CONNECT, peer=Peer(message)).encode()
        stream.write(encode_frame(message) + behind)
        return stream, int(StopMessage.decode(await stream.read_frame(MAX_MESSAGE)).status)


def quick(**changes: Any) -> RelayClientConfig:
    """A configuration that waits for little."""
    return RelayClientConfig(
        **{"timeout": 2.0, "min_renewal": 0.05, "max_renewal": 300.0, "retry_base": 0.05, "retry_max": 0.1, **changes}
    )


@contextlib.asynccontextmanager
async def client_of(relay: FakeRelay, **config: Any) -> AsyncIterator[tuple[Host, RelayClient]]:
    """Run a relay, and a host with a relay client that knows nothing of it yet."""
    host = Host(key(1))
    client = RelayClient(host, config=quick(**config))
    async with relay.host, host:
        yield host, client


async def reserved(relay: FakeRelay, client: RelayClient) -> Connection:
    """Reserve; return the relay's end of the connection."""
    await client.reserve(relay.address)
    return relay.host.connections(client.host.peer_id)[-1]


async def soon(awaitable: Awaitable[Any], seconds: float = 5.0) -> Any:
    """What it gives, if it does in time."""
    return await asyncio.wait_for(awaitable, seconds)
