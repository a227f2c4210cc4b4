"""Helpers of pubsub's tests: hosts with pubsub, and a peer that says on its streams whatever a test wants."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from itertools import pairwise
from typing import Any

from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.errors import StreamError
from p2pstack.gossipsub.codec import decode_rpc, encode_rpc
from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.incoming import Incoming
from p2pstack.gossipsub.protocols import PROTOCOLS
from p2pstack.gossipsub.signing import build
from p2pstack.gossipsub.values import Message, Rpc
from p2pstack.gossipsub.values import Subscription as Announcement
from p2pstack.host.host import BaseHost
from p2pstack.services.gossipsub.config import PubsubConfig
from p2pstack.services.gossipsub.service import Gossipsub
from p2pstack.services.gossipsub.subscription import Subscription
from p2pstack.services.standard import Host
from p2pstack.wire.framing import FrameReader
from tests.services.hosts import LOOPBACK, until

TOPIC = "news"
PATIENCE = 5.0


def config(*, router: dict[str, Any] | None = None, **settings: Any) -> PubsubConfig:
    """A configuration; ``router`` are settings of the router."""
    return PubsubConfig(router=GossipsubConfig(**(router or {})), **settings)


@asynccontextmanager
async def pubsubs(*configs: PubsubConfig | None, connect: bool = True) -> AsyncIterator[list[Gossipsub]]:
    """Run hosts with pubsub, in a row, each of which has dialled the one before."""
    async with AsyncExitStack() as stack:
        made: list[Gossipsub] = []
        for each in configs:
            host = await stack.enter_async_context(Host(listen=[LOOPBACK]))
            made.append(await stack.enter_async_context(Gossipsub(host, config=each)))
        if connect:
            for first, second in pairwise(made):
                await join(second, first)
        yield made


async def join(near: Gossipsub, far: Gossipsub) -> Connection:
    """Connect two, and wait until both can send."""
    connection = await host_of(near).connect(host_of(far).full_addresses[0])
    await until(lambda: host_of(far).peer_id in near.peers() and host_of(near).peer_id in far.peers())
    return connection


def host_of(pubsub: Gossipsub) -> BaseHost:
    return pubsub._host


def id_of(pubsub: Gossipsub) -> Any:
    return pubsub._host.peer_id


async def receive(subscription: Subscription, count: int = 1) -> list[Incoming]:
    """The next messages of a subscription."""
    async with asyncio.timeout(PATIENCE * 4):
        return [await anext(subscription) for _ in range(count)]


async def texts(subscription: Subscription, count: int = 1) -> list[bytes]:
    return [each.data for each in await receive(subscription, count)]


def pubsub_streams(host: BaseHost, direction: str) -> list[Stream]:
    """The streams of pubsub that are open, by who has opened them."""
    return [
        stream
        for connection in host.connections()
        for stream in connection.streams
        if stream.protocol in PROTOCOLS and stream.direction == direction and stream.failure is None
    ]


class Wild:
    """A peer whose pubsub the test plays. ``streams`` are those that were opened to it, the newest last."""

    def __init__(self, host: BaseHost) -> None:
        self.host = host
        self.streams: list[Stream] = []
        self.received: list[Rpc] = []
        self.out: Stream | None = None
        self.number = 0
        self.reading = True
        for protocol in PROTOCOLS:
            host.handle(protocol, self._take, max_streams=64)

    async def _take(self, stream: Stream) -> None:
        self.streams.append(stream)
        stream.timeout = None
        reader = FrameReader(1 << 24)
        limits = GossipsubConfig(max_rpc=1 << 22)
        try:
            while self.reading and (data := await stream.read()):
                self.received += [decode_rpc(frame, limits) for frame in reader.receive_data(data)]
            if not self.reading:
                await until(lambda: stream.failure is not None or stream.connection.closed, 30.0)
        except StreamError:
            return

    async def open(self, pubsub: Gossipsub, protocol: str = PROTOCOLS[0]) -> Stream:
        """Open a stream to ``pubsub``, on which :meth:`say` writes from now on."""
        await self.host.connect(host_of(pubsub).full_addresses[0])
        self.out = await self.host.open_stream(id_of(pubsub), protocol)
        return self.out

    def say(self, rpc: Rpc) -> None:
        assert self.out is not None
        for frame in encode_rpc(rpc):
            self.out.write(frame)

    def subscribe(self, *topics: str) -> None:
        self.say(Rpc(subscriptions=[Announcement(True, topic) for topic in topics]))

    def message(self, data: bytes, topic: str = TOPIC) -> Message:
        self.number += 1
        return build(topic, data, key=self.host.key, seqno=self.number)

    def publish(self, *data: bytes, topic: str = TOPIC) -> None:
        self.say(Rpc(publish=[self.message(each, topic) for each in data]))

    def heard(self, topic: str = TOPIC) -> list[bytes]:
        """The data of the messages that it was sent."""
        return [each.data for rpc in self.received for each in rpc.publish if each.topic == topic]

    def heard_of(self, topic: str = TOPIC) -> list[bool]:
        """What it was told of a topic: True for subscribed, False for unsubscribed."""
        return [each.subscribe for rpc in self.received for each in rpc.subscriptions if each.topic == topic]


@asynccontextmanager
async def wild(
    configuration: PubsubConfig | None = None, *, topics: Iterable[str] = (TOPIC,)
) -> AsyncIterator[tuple[Gossipsub, Wild]]:
    """A pubsub, and a wild peer that has dialled it, opened its stream and subscribed to ``topics``."""
    async with pubsubs(configuration) as (pubsub,), BaseHost() as host:
        peer = Wild(host)
        await peer.open(pubsub)
        await until(lambda: host.peer_id in pubsub.peers())
        if topics:
            peer.subscribe(*topics)
            await until(lambda: all(host.peer_id in pubsub.peers(topic) for topic in topics))
        yield pubsub, peer
