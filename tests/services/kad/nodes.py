"""Networks of DHT nodes in this process, over real sockets; and peers that lie."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

from p2pstack.aio.stream import Stream
from p2pstack.errors import DecodeError
from p2pstack.identity.keys import PrivateKey
from p2pstack.kad.config import KadConfig
from p2pstack.kad.messages import Message, decode
from p2pstack.services.kad.config import KademliaConfig, Mode
from p2pstack.services.kad.messenger import frame_of
from p2pstack.services.kad.service import Kademlia
from p2pstack.services.standard import Host
from tests.services.hosts import LOOPBACK, until

__all__ = ["PROTOCOL", "Greatest", "Liar", "chain", "liar", "network", "node", "settings"]

PROTOCOL = "/test/kad/1.0.0"


class Greatest:
    """The validator of ``/test/``: admits all but ``bad``; the greatest bytes win."""

    def validate(self, key: bytes, value: bytes) -> None:
        if value == b"bad":
            raise DecodeError("a bad value")

    def select(self, key: bytes, values: Sequence[bytes]) -> int:
        return max(range(len(values)), key=lambda number: values[number])


def settings(
    *,
    mode: Mode = Mode.SERVER,
    bootstrap: tuple[str, ...] = (),
    refresh: bool = False,
    protocol: str = PROTOCOL,
    kad: KadConfig | None = None,
) -> KademliaConfig:
    return KademliaConfig(
        protocol=protocol,
        mode=mode,
        bootstrap=bootstrap,
        refresh=refresh,
        kad=kad or KadConfig(peer_timeout=2.0, query_timeout=8.0),
    )


@asynccontextmanager
async def node(config: KademliaConfig | None = None, *, listen: bool = True) -> AsyncIterator[tuple[Host, Kademlia]]:
    """A host that takes part, a server without refreshes of its own by default."""
    host = Host(listen=[LOOPBACK] if listen else [])
    dht = Kademlia(host, config or settings(), validators={"test": Greatest()})
    async with host:
        yield host, dht


@asynccontextmanager
async def network(count: int) -> AsyncIterator[list[tuple[Host, Kademlia]]]:
    """Servers that have all entered by the first one."""
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(node()) for _ in range(count)]
        entrance = str(nodes[0][0].full_addresses[0])
        for _, dht in nodes[1:]:
            await dht.bootstrap([entrance])
        yield nodes


@asynccontextmanager
async def chain(count: int) -> AsyncIterator[list[tuple[Host, Kademlia]]]:
    """Servers of which each knows its neighbours alone."""
    async with AsyncExitStack() as stack:
        nodes = [await stack.enter_async_context(node()) for _ in range(count)]
        for (near, dht), (far, other) in itertools.pairwise(nodes):
            await near.connect(far.full_addresses[0])
            await until(lambda: far.peer_id in dht.routing_table and near.peer_id in other.routing_table)  # noqa: B023
        yield nodes


Answer = Callable[[Message, Stream], Awaitable[None]]


class Liar:
    """A host that speaks the protocol as ``answer`` wants; what it was asked is in ``requests``."""

    def __init__(self, answer: Answer) -> None:
        self.host = Host(PrivateKey.generate(), listen=[LOOPBACK])
        self.requests: list[Message] = []
        self._answer = answer
        self.host.handle(PROTOCOL, self._serve)

    async def _serve(self, stream: Stream) -> None:
        while True:
            request = decode(await stream.read_frame(65_536), KadConfig())
            self.requests.append(request)
            await self._answer(request, stream)


@asynccontextmanager
async def liar(answer: Answer) -> AsyncIterator[Liar]:
    made = Liar(answer)
    async with made.host:
        yield made


async def honest(request: Message, stream: Stream) -> None:
    """Answer with nobody."""
    stream.write(frame_of(Message(type=request.type, key=request.key)))


def seconds() -> float:
    return time.monotonic()


async def turns(count: int = 10) -> None:
    for _ in range(count):
        await asyncio.sleep(0)
