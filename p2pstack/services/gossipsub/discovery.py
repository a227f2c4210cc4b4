"""Finding peers of topics: a node that knows one address ends in the mesh (specs/gossipsub.md).

For each topic that is subscribed to, this host is announced in every source; and while the topic has few peers, sources
are asked for others, which are connected to. The rest is the router's: it grafts whom it wants.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections import Counter
from collections.abc import Coroutine
from math import inf
from time import monotonic

from p2pstack.aio.tasks import background
from p2pstack.errors import ConfigError, DeadlineExceeded, P2PError
from p2pstack.host.events import EventStream
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.gossipsub.discovery_backoff import DialBackoff
from p2pstack.services.gossipsub.discovery_config import TopicDiscoveryConfig
from p2pstack.services.gossipsub.discovery_sources import TopicPeer, TopicSource
from p2pstack.services.gossipsub.events import PeerLeftTopic
from p2pstack.services.gossipsub.service import Gossipsub
from p2pstack.services.life import HostService

__all__ = ["TopicDiscovery"]

logger = logging.getLogger("p2pstack.gossipsub")


class _Topic:
    """A topic that we are subscribed to or seek: who announces it, and when it is searched for next."""

    __slots__ = ("advertisers", "dialled", "interval", "next_search", "search")

    def __init__(self, interval: float) -> None:
        self.advertisers: list[asyncio.Task[None]] = []
        self.search: asyncio.Task[None] | None = None
        self.dialled = 0
        self.interval = interval
        self.next_search = 0.0


class TopicDiscovery(HostService):
    """Finds peers of the topics that ``pubsub`` is subscribed to, and has them find us.

    Make it before the host is started, which starts and ends it then; or use it with ``async with``, at any time::

        async with Host(listen=["/ip4/0.0.0.0/tcp/0"]) as host, Gossipsub(host) as pubsub:
            rendezvous = RendezvousClient(host, ["/ip4/192.0.2.1/tcp/4001/p2p/12D3KooW…"])
            async with rendezvous, TopicDiscovery(pubsub, RendezvousSource(rendezvous)):
                async with pubsub.subscribe("news") as subscription: ...

    Topics that are only published in are named by :meth:`seek`.

    ``counters`` tells how often what was done: ``advertised``, ``advertise-failed``, ``searched``, ``search-failed``,
    ``found``, ``dialled``, ``dial-failed``.

    Raises:
        ConfigError: there is no source.
    """

    _label = "discovery"

    def __init__(self, pubsub: Gossipsub, *sources: TopicSource, config: TopicDiscoveryConfig | None = None) -> None:
        if not sources:
            raise ConfigError("discovery takes a source")
        self.config = config = config or TopicDiscoveryConfig()
        self.counters: Counter[str] = Counter()
        self.wanted = config.wanted if config.wanted is not None else pubsub.config.router.d
        """Peers of a topic below which more are looked for."""
        self._pubsub = pubsub
        self._host = pubsub.host
        self._sources = sources
        self._topics: dict[str, _Topic] = {}
        self._sought: set[str] = set()
        self._backoff = DialBackoff(config)
        self._dials: dict[PeerId, asyncio.Task[None]] = {}
        self._leaving: set[asyncio.Task[None]] = set()
        self._turns = asyncio.Semaphore(config.max_searches)
        self._events: EventStream | None = None
        self._tasks: list[asyncio.Task[None]] = []
        super().__init__(self._host)

    # -- life

    async def _begin(self) -> None:
        """Begin."""
        self._events = self._host.events(PeerLeftTopic)
        self._tasks = [background(self._watch(self._events), self._label), background(self._work(), self._label)]

    async def _end(self) -> None:
        """End, and leave the sources, for at most ``close_timeout`` seconds; connections stay."""
        if self._events is not None:
            self._events.close()
        ending = [*self._tasks, *self._dials.values()]
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending)
        for topic in list(self._topics):
            self._leave(topic)
        if self._leaving:
            _, late = await asyncio.wait(self._leaving, timeout=self.config.close_timeout)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late)

    # -- topics that we only publish in

    def seek(self, topic: str) -> None:
        """Look for peers of ``topic`` though we are not subscribed to it; it is announced while we are, as ever."""
        self._sought.add(topic)

    # -- what there is to do

    async def _watch(self, events: EventStream) -> None:
        """Where somebody has left a topic, look for others soon."""
        async for event in events:
            topic = self._topics.get(event.topic) if isinstance(event, PeerLeftTopic) else None
            if topic is not None:
                topic.interval = self.config.poll_interval
                topic.next_search = min(topic.next_search, monotonic() + topic.interval)

    async def _work(self) -> None:
        while True:
            self._look()
            await asyncio.sleep(self.config.poll_interval)

    def _look(self) -> None:
        """Start what has to be done."""
        subscribed = set(self._pubsub.topics)
        wanted = subscribed | self._sought
        for name, known in list(self._topics.items()):
            if name not in wanted or bool(known.advertisers) is not (name in subscribed):
                self._leave(name)
        now = monotonic()
        for name in wanted:
            topic = self._topics.get(name) or self._join(name, announced=name in subscribed)
            running = topic.search is not None and not topic.search.done()
            if not running and topic.next_search <= now and self._missing(name) > 0:
                topic.search = background(self._search(name, topic), self._label)

    def _join(self, name: str, *, announced: bool) -> _Topic:
        topic = self._topics[name] = _Topic(self.config.poll_interval)
        if announced:
            topic.advertisers = [background(self._advertise(source, name), self._label) for source in self._sources]
        return topic

    def _leave(self, name: str) -> None:
        """Announce a topic no more, and look for nobody."""
        task = background(self._withdraw(name, self._topics.pop(name)), self._label)
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)

    def _missing(self, name: str) -> int:
        return self.wanted - len(self._pubsub.peers(name))

    # -- being found

    async def _advertise(self, source: TopicSource, name: str) -> None:
        """Announce a topic in a source, again and again."""
        while True:
            try:
                async with self._turns:
                    pause = await _within(self.config.advertise_timeout, source.advertise(name))
                self.counters["advertised"] += 1
            except P2PError as error:
                logger.debug("topic %r could not be announced: %s", name, error)
                self.counters["advertise-failed"] += 1
                pause = self.config.advertise_retry
            if pause == inf:
                return
            await asyncio.sleep(pause)

    async def _withdraw(self, name: str, topic: _Topic) -> None:
        ending = [*topic.advertisers, *([topic.search] if topic.search is not None else [])]
        for task in ending:
            task.cancel()
        if ending:
            await asyncio.wait(ending)
        for source in self._sources if topic.advertisers else ():
            again = self._topics.get(name)
            if again is None or not again.advertisers:  # it may have been joined again meanwhile
                await source.withdraw(name)

    # -- finding others

    async def _search(self, name: str, topic: _Topic) -> None:
        """Look for peers of a topic, and dial as many as it lacks."""
        topic.dialled = 0
        async with self._turns:
            for source in self._sources:
                try:
                    async with asyncio.timeout(self.config.find_timeout):
                        await self._ask(source, name, topic)
                except (P2PError, TimeoutError) as error:
                    logger.debug("the search for peers of topic %r failed: %s", name, error)
                    self.counters["search-failed"] += 1
                if topic.dialled >= self._missing(name):
                    break
        self.counters["searched"] += 1
        config = self.config
        topic.interval = config.poll_interval if topic.dialled else min(topic.interval * 2, config.max_interval)
        topic.next_search = monotonic() + topic.interval

    async def _ask(self, source: TopicSource, name: str, topic: _Topic) -> None:
        """Ask one source until as many peers are dialled as the topic lacks."""
        async with contextlib.aclosing(source.find(name, self.config.find_count)) as found:
            async for each in found:
                self.counters["found"] += 1
                topic.dialled += self._dial_if_new(each)
                if topic.dialled >= self._missing(name) or len(self._dials) >= self.config.max_dials:
                    break

    def _dial_if_new(self, found: TopicPeer) -> bool:
        """Begin to dial a peer, unless it is ourselves, there, under way or left alone; whether it is dialled."""
        peer = found.peer
        now = monotonic()
        known = peer == self._host.peer_id or peer in self._dials or self._host.network.best(peer) is not None
        if known or len(self._dials) >= self.config.max_dials or not self._backoff.may_dial(peer, now):
            return False
        self._backoff.dialled(peer, random.random(), now)  # noqa: S311 - jitter is no secret
        self._dials[peer] = background(self._dial(found), self._label)
        return True

    async def _dial(self, found: TopicPeer) -> None:
        try:
            await self._host.connect(found.peer, found.addresses, timeout=self.config.dial_timeout)
        except P2PError as error:
            logger.debug("%s, a peer of our topics, can't be reached: %s", found.peer, error)
            self.counters["dial-failed"] += 1
        else:
            self._backoff.succeeded(found.peer)
            self.counters["dialled"] += 1
        finally:
            del self._dials[found.peer]


async def _within(seconds: float, work: Coroutine[None, None, float]) -> float:
    """Return what ``work`` does.

    Raises:
        DeadlineExceeded: it takes longer.
    """
    try:
        async with asyncio.timeout(seconds):
            return await work
    except TimeoutError as error:
        raise DeadlineExceeded(f"it took longer than {seconds:g} s") from error
