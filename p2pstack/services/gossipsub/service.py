"""Pubsub on a host: what programs use (specs/gossipsub.md)."""

from __future__ import annotations

import asyncio
from collections import Counter

from p2pstack.aio.tasks import background
from p2pstack.errors import HostClosed, LocalError
from p2pstack.gossipsub.protocols import PROTOCOLS
from p2pstack.gossipsub.score.snapshot import ScoreSnapshot
from p2pstack.host.events import ConnectionEnded, EventStream
from p2pstack.host.host import BaseHost
from p2pstack.host.limits import Usage
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.events import PeerIdentified
from p2pstack.services.gossipsub.config import PubsubConfig
from p2pstack.services.gossipsub.engine import Engine
from p2pstack.services.gossipsub.inbound import MAX_STREAMS, Receiver
from p2pstack.services.gossipsub.publishing import Publisher, PublishResult
from p2pstack.services.gossipsub.subscription import Subscription
from p2pstack.services.gossipsub.validation import Validator, Validators
from p2pstack.services.gossipsub.verifier import Verifier
from p2pstack.services.life import HostService

__all__ = ["Gossipsub"]


class Gossipsub(HostService):
    """Publish and subscribe through the mesh of gossipsub, versions 1.0 to 1.3. A host has one.

    Make it before the host is started, which starts and ends it then; or use it with ``async with``, at any time::

        async with Host(listen=["/ip4/0.0.0.0/tcp/0"]) as host, Gossipsub(host) as pubsub:
            await host.connect("/ip4/192.0.2.1/tcp/4001/p2p/12D3KooW…")
            async with pubsub.subscribe("news") as subscription:
                await pubsub.publish("news", b"hello")
                async for message in subscription:
                    print(message.author, message.data)
    """

    _label = "pubsub"

    def __init__(self, host: BaseHost, *, config: PubsubConfig | None = None) -> None:
        self.config = config = config or PubsubConfig()
        self._host = host
        if any(isinstance(each, Gossipsub) for each in host.services):
            raise LocalError("the host has pubsub already")
        self._engine = Engine(host, config)
        self._validators = Validators(config, self._engine.counters, self._engine.settle, self._engine.flush_soon)
        self._verifier = Verifier(threads=config.verify_threads, inline=config.verify_inline, batch=config.verify_batch)
        self._publisher = Publisher(self._engine)
        self._events: EventStream | None = None
        self._watcher: asyncio.Task[None] | None = None
        receiver = Receiver(self._engine, self._verifier, self._validators)
        host.network.on_opened.append(self._engine.opened)
        for protocol in PROTOCOLS:
            host.handle(protocol, receiver.serve, eager=True, max_streams=MAX_STREAMS)
        super().__init__(host)

    # -- life

    async def _begin(self) -> None:
        """Begin."""
        self._engine.start()
        self._events = self._host.events(ConnectionEnded, PeerIdentified)
        self._watcher = background(self._watch(self._events), self._label)
        for connection in self._host.connections():
            if connection.peer_id not in self._engine.links and not connection.relayed:
                self._engine.opened(connection)
                self._engine.links[connection.peer_id].known_before = True

    async def _end(self) -> None:
        """Leave all topics and end all streams.

        What is queued still goes out, for at most ``close_timeout`` seconds. Iterations over subscriptions end.
        """
        engine = self._engine
        for subscriptions in list(engine.subscriptions.values()):
            for subscription in list(subscriptions):
                subscription.close()
        engine.stop()
        host = self._host
        host.network.on_opened.remove(engine.opened)
        for protocol in PROTOCOLS:
            host.unhandle(protocol)
        if self._events is not None:
            self._events.close()
        tasks: list[asyncio.Task[None]] = []
        try:
            await self._validators.stop()
            await engine.dials.stop()
            links = list(engine.links.values())
            if links:
                finishing = [asyncio.ensure_future(link.finish()) for link in links]
                _, late = await asyncio.wait(finishing, timeout=self.config.close_timeout)
                for task in late:
                    task.cancel()
                tasks += late
        finally:
            for peer in list(engine.links):
                tasks += engine.forget(peer)
            self._verifier.close()
        if self._watcher is not None:
            tasks.append(self._watcher)
        if tasks:
            await asyncio.wait(tasks)

    async def _watch(self, events: EventStream) -> None:
        """Forget peers that are gone, and try those again that tell of what they speak."""
        dropped = 0
        async for event in events:
            if isinstance(event, ConnectionEnded):
                self._engine.ended(event.connection.peer_id)
            elif isinstance(event, PeerIdentified) and any(each in PROTOCOLS for each in event.info.protocols):
                link = self._engine.links.get(event.peer)
                if link is not None:
                    link.start(anew=event.pushed)
            if events.dropped != dropped:
                dropped = events.dropped
                for peer in list(self._engine.links):
                    self._engine.ended(peer)

    # -- what programs do

    def subscribe(self, topic: str, *, max_messages: int = 4_096, max_bytes: int = 16 * 1024 * 1024) -> Subscription:
        """Join ``topic`` at once, and return an iterator over its messages from now on; see there.

        Several subscriptions of a topic each get every message. ``max_messages`` and ``max_bytes`` bound what waits to
        be read.

        Raises:
            LocalError: the name is longer than ``max_topic_size`` bytes.
            ConfigError: a bound is not positive, or the name is no text that bytes can hold.
            HostClosed: pubsub was stopped.
        """
        engine = self._engine
        if self._stopped is not None:
            raise HostClosed("pubsub was stopped")
        subscription = Subscription(
            topic,
            max_messages=max_messages,
            max_bytes=max_bytes,
            emit=self._host.emit,
            on_close=engine.unsubscribe,
        )
        engine.subscribe(subscription)
        return subscription

    async def publish(
        self, topic: str, data: bytes, *, peers: int = 1, timeout: float | None = None, drop_when_full: bool = False
    ) -> PublishResult:
        """Publish ``data`` in ``topic``, subscribed or not; our own subscriptions get it as well.

        Waits until at least ``peers`` peers of the topic are known (0: for none), which covers a publish right behind
        subscribe() or connect(); then until the queue of each peer that it goes to has room, unless ``drop_when_full``.
        Both together take at most ``timeout`` seconds (default ``publish_timeout``). A peer that has no room then is
        left out, and counted as ``dropped`` in the result where its queue is full. Messages of one topic go out in the
        order of the calls.

        Raises:
            NotEnoughPeers: fewer peers are known in the end; nothing was sent.
            LimitExceeded: the message is longer than ``max_rpc``, or the topic's name than ``max_topic_size``.
            LocalError: a message with this id was published before.
            HostClosed: pubsub is not running.
        """
        return await self._publisher.publish(topic, data, peers=peers, timeout=timeout, drop_when_full=drop_when_full)

    def validate(
        self, topic: str, validator: Validator, *, concurrency: int | None = None, timeout: float | None = None
    ) -> None:
        """Ask ``validator`` about each message of others in ``topic`` before it is delivered and sent on.

        It is given the message and returns a :class:`Verdict`, ``True`` for ACCEPT or ``False`` for REJECT; anything
        else is taken for IGNORE, and so is an error, which is logged. A plain function is called in the event loop, and
        has to be quick. An ``async def`` runs in a task a message: at most ``concurrency`` at once (default
        ``max_topic_validations``), for at most ``timeout`` seconds (default ``validation_timeout``); messages that come
        while so many run are dropped, without blame for anybody.

        Raises:
            LocalError: the topic has a validator.
            ConfigError: ``concurrency`` or ``timeout`` is not positive.
        """
        self._validators.add(topic, validator, concurrency=concurrency, timeout=timeout)

    def unvalidate(self, topic: str) -> None:
        """Have no validator for ``topic`` any more: what comes is good."""
        self._validators.remove(topic)

    # -- what there is

    @property
    def host(self) -> BaseHost:
        """The host that this is the pubsub of."""
        return self._host

    @property
    def topics(self) -> list[str]:
        """The topics that are subscribed to."""
        return self._engine.router.topics

    def peers(self, topic: str | None = None) -> list[PeerId]:
        """Return the peers that are subscribed to ``topic``; without one, all with which pubsub is spoken."""
        router = self._engine.router
        return router.peers if topic is None else router.peers_in(topic)

    def mesh(self, topic: str) -> list[PeerId]:
        """Return the peers in our mesh of ``topic``."""
        return self._engine.router.mesh(topic)

    def score(self, peer: PeerId) -> float:
        """Return the score of ``peer``; 0.0 where there is no scoring, or it is unknown."""
        return self._engine.router.score.score(peer)

    def scores(self) -> dict[PeerId, ScoreSnapshot]:
        """Return the scores of all peers, and what they are made of; empty where there is no scoring."""
        return self._engine.router.score.inspect_all()

    @property
    def counters(self) -> Counter[str]:
        """How often what was refused, dropped or cut short, by reason."""
        return self._engine.counters

    def usage(self) -> dict[str, Usage]:
        """Return, by name, how much of each limit is taken; of those for one peer, by the peer that has most."""
        engine = self._engine
        usage = {name: Usage(held, limit) for name, (held, limit) in engine.router.sizes().items()}
        queued = max((link.outbound.queued_bytes for link in engine.links.values()), default=0)
        usage["max_queue"] = Usage(queued, self.config.max_queue)
        usage["max_validations"] = Usage(self._validators.running, self.config.max_validations)
        usage["max_exchanged"] = Usage(len(engine.dials), self.config.router.max_exchanged)
        return usage
