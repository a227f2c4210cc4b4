"""seed: messages as gossip, in a topic of everybody and in one of the recipient's (SHK-72; specs/shinkai.md).

Everybody gets everything that is in ``shinkai-network``; what is not for us is dropped by the handler. The original
subscribes to the topic of each recipient before it publishes there, and so gets other people's messages for ever; ours
publishes without that, which pubsub can.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections import Counter
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from time import monotonic
from typing import Any

from p2pstack.errors import DeadlineExceeded, DecodeError, P2PError
from p2pstack.gossipsub.incoming import Incoming
from p2pstack.host.events import EventStream
from p2pstack.host.host import BaseHost
from p2pstack.host.limits import Usage
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.gossipsub.events import PeerJoinedTopic
from p2pstack.services.gossipsub.publishing import NotEnoughPeers
from p2pstack.services.gossipsub.service import Gossipsub
from p2pstack.services.gossipsub.subscription import Subscription
from p2pstack.services.gossipsub.validation import Verdict
from p2pstack.shinkai.errors import MessageError
from p2pstack.shinkai.limits.bandwidth import Bandwidth, Priority
from p2pstack.shinkai.message import ShinkaiMessage
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.network import discovery
from p2pstack.shinkai.network.config import GossipConfig
from p2pstack.shinkai.network.handler import Received, ShinkaiMessageHandler, Via
from p2pstack.shinkai.network.turns import Turns

__all__ = ["NETWORK", "GossipMessages", "Published", "direct_topic", "own_topics", "topic_of"]

logger = logging.getLogger("p2pstack.shinkai")

NETWORK = "shinkai-network"
"""The topic of everybody."""

_IN_FLIGHT = 64
"""Messages that are being stored at once: they share commits, and keep their order."""


def topic_of(message: ShinkaiMessage) -> str:
    """Return the topic of a message: ``shinkai-`` and the recipient, as it stands there."""
    return "shinkai-" + message.external_metadata.recipient


def direct_topic(peer: PeerId) -> str:
    """Return the topic of one peer. Originals publish there and never listen; ours do both."""
    return f"shinkai-direct-{peer}"


def own_topics(name: ShinkaiName, peer: PeerId) -> tuple[str, ...]:
    """Return what a node subscribes to: everybody's topic, that of its name and of its node, and its peer's."""
    topics = (NETWORK, f"shinkai-{name.full_name}", f"shinkai-{name.node_name}", direct_topic(peer))
    return tuple(dict.fromkeys(topics))


@dataclass(frozen=True, slots=True, kw_only=True)
class Published:
    """What became of a message. That it went out does not say that it arrives: gossip knows no receipts.

    ``peers`` are those of the recipient's topic that it was queued for, ``network_peers`` those of everybody's topic;
    ``dropped`` is how many times a peer's queue had no room.
    """

    topic: str
    peers: int
    network_peers: int
    dropped: int


class GossipMessages:
    """Publishes messages, and hands what comes to the handler. Made before the host is started."""

    def __init__(
        self,
        host: BaseHost,
        name: ShinkaiName,
        handler: ShinkaiMessageHandler,
        config: GossipConfig,
        *,
        turns: Turns,
        incoming: Bandwidth,
        counters: Counter[str],
        on_received: Callable[[PeerId, Received], None],
        on_discovered: Callable[[PeerId, str], None],
    ) -> None:
        self.config = config
        self.topics = own_topics(name, host.peer_id)
        self.pubsub = Gossipsub(host, config=config.pubsub)
        self._host = host
        self._handler = handler
        self._turns = turns
        self._incoming = incoming
        self._counters = counters
        self._on_received = on_received
        self._on_discovered = on_discovered
        self._subscriptions: list[Subscription] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._storing = asyncio.Semaphore(_IN_FLIGHT)
        self._events: EventStream | None = None

    # -- life

    def start(self) -> None:
        """Subscribe, and announce us from now on; the host has been started."""
        for topic in self.topics:
            self.pubsub.validate(topic, self._judge)
            subscription = self.pubsub.subscribe(
                topic, max_messages=self.config.max_waiting, max_bytes=self.config.max_waiting_bytes
            )
            self._subscriptions.append(subscription)
            self._spawn(self._read(subscription))
        self._events = self._host.events(PeerJoinedTopic)
        self._spawn(self._greet(self._events))
        self._spawn(self._announce_often())

    async def stop(self) -> None:
        """Leave the topics, and end all tasks."""
        if self._events is not None:
            self._events.close()
        for subscription in self._subscriptions:
            subscription.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def usage(self) -> dict[str, Usage]:
        """Return, by name, how much of each limit is taken."""
        waiting = max((len(subscription) for subscription in self._subscriptions), default=0)
        usage = {f"pubsub.{name}": usage for name, usage in self.pubsub.usage().items()}
        return {**usage, "gossip.max_waiting": Usage(waiting, self.config.max_waiting)}

    @property
    def dropped(self) -> int:
        """Messages that were lost because nobody read them in time."""
        return sum(subscription.dropped for subscription in self._subscriptions)

    # -- sending

    async def publish(
        self, topic: str, data: bytes, *, timeout: float | None = None, priority: Priority = Priority.NORMAL
    ) -> Published:
        """Publish for everybody, then in ``topic``: a peer behind others that are not in it gets the former.

        Raises:
            NotEnoughPeers: nobody at all is known within ``timeout`` seconds (default ``publish_timeout``).
            DeadlineExceeded: what waits for this topic took longer.
            LimitExceeded: the message is longer than an RPC may be, or too much waits for the topic.
            HostClosed: the manager was stopped.
        """
        seconds = self.config.publish_timeout if timeout is None else timeout
        pubsub = self.pubsub
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        async with contextlib.AsyncExitStack() as stack:
            try:
                async with asyncio.timeout_at(end):
                    await stack.enter_async_context(self._turns.turn(topic, len(data), priority))
            except TimeoutError:
                raise DeadlineExceeded(f"the turn for {topic!r} has not come within {seconds:g} s") from None
            wanted = 0 if pubsub.peers(topic) else 1
            everybody = await pubsub.publish(NETWORK, data, peers=wanted, timeout=max(0.0, end - loop.time()))
            if topic == NETWORK:
                peers = everybody.peers
                return Published(topic=topic, peers=peers, network_peers=peers, dropped=everybody.dropped)
            own = await pubsub.publish(topic, data, peers=0, timeout=max(0.0, end - loop.time()))
        return Published(
            topic=topic,
            peers=own.peers if pubsub.peers(topic) else 0,
            network_peers=everybody.peers,
            dropped=everybody.dropped + own.dropped,
        )

    async def announce(self, kind: str = discovery.DISCOVERY) -> None:
        """Tell everybody that we are here; that nobody hears it is no error."""
        with contextlib.suppress(NotEnoughPeers):
            data = discovery.encode(kind, self._host.peer_id)
            await self.pubsub.publish(NETWORK, data, peers=0, drop_when_full=True)

    async def _announce_often(self) -> None:
        while True:
            await self._try(self.announce())
            await asyncio.sleep(self.config.discovery_interval)

    async def _greet(self, events: EventStream) -> None:
        """Say that we met somebody, once they can hear it; not for each of those who come together."""
        last = -self.config.join_interval
        async for event in events:
            if isinstance(event, PeerJoinedTopic) and event.topic == NETWORK:
                now = monotonic()
                if now - last >= self.config.join_interval:
                    last = now
                    await self._try(self.announce(discovery.PEER_JOINED))

    async def _try(self, coroutine: Coroutine[Any, Any, None]) -> None:
        try:
            await coroutine
        except P2PError as error:
            logger.debug("discovery: %s", error)

    # -- receiving

    def _judge(self, message: Incoming) -> Verdict:
        """Look at a message before it is handed on: only what is cheap, and what no honest node would send."""
        if not self._handler.admit(message.peer):
            return Verdict.IGNORE
        if self._incoming.take(message.peer, len(message.data), Priority.NORMAL, monotonic()):
            self._counters["gossip-bandwidth"] += 1
            return Verdict.IGNORE
        try:
            message.data.decode()
        except UnicodeDecodeError:
            self._counters["no-utf-8"] += 1
            return Verdict.REJECT
        return Verdict.ACCEPT

    async def _read(self, subscription: Subscription) -> None:
        async for message in subscription:
            if message.peer == self._host.peer_id:
                continue
            author = message.author
            if author is None:
                self._counters["no-author"] += 1
            elif discovery.looks_like(message.data):
                self._discovered(message.data)
            else:
                await self._storing.acquire()
                self._spawn(self._store(author, message.data))

    async def _store(self, author: PeerId, data: bytes) -> None:
        try:
            received = await self._handler.handle(author, data, via=Via.GOSSIP)
        finally:
            self._storing.release()
        self._on_received(author, received)

    def _discovered(self, data: bytes) -> None:
        if len(data) > self.config.max_discovery:
            self._counters["max_discovery"] += 1
            return
        try:
            found = discovery.decode(data)
        except (MessageError, DecodeError):
            self._counters["bad-discovery"] += 1
            return
        self._counters["discovery"] += 1
        self._on_discovered(*found)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
