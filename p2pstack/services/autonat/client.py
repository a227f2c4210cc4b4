"""The client of AutoNAT: it has peers try the host's addresses, and believes what enough of them find."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Sequence
from time import monotonic

from p2pstack.aio.tasks import background
from p2pstack.autonat.protocols import DIAL_BACK
from p2pstack.autonat.reachability import Reachability
from p2pstack.autonat.tracker import ReachabilityTracker
from p2pstack.errors import P2PError
from p2pstack.host.events import AddressesChanged, ConnectionEnded, EventStream
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.services.autonat.asking import DialBacks, Verdict, ask_v1, ask_v2
from p2pstack.services.autonat.candidates import candidates
from p2pstack.services.autonat.config import AutonatClientConfig
from p2pstack.services.autonat.events import ReachabilityChanged
from p2pstack.services.autonat.places import ip_of
from p2pstack.services.autonat.servers import Server, Servers
from p2pstack.services.events import PeerIdentified
from p2pstack.services.standard import Host

__all__ = ["AutonatClient"]

logger = logging.getLogger("p2pstack.autonat")

_SOURCE = "autonat"
_SHORTEST_PAUSE = 0.1
"""Seconds between two looks at what is due: all connections are looked at, and many may come and go at once."""


class AutonatClient:
    """Finds out at which of its addresses a host can be dialled from outside, and has them advertised.

    Make it before the host is started, which starts and ends it then. Servers are asked as they are met; version 2
    where they speak it. A change of what is believed is a
    :class:`~p2pstack.services.autonat.events.ReachabilityChanged`.
    """

    def __init__(self, host: Host, config: AutonatClientConfig | None = None) -> None:
        self.config = config = config or AutonatClientConfig()
        self._host = host
        self._tracker = ReachabilityTracker(config.confidence)
        self._servers = Servers(host, retry_interval=config.retry_interval, private=config.private)
        self._backs = DialBacks(config)
        self._random = random.SystemRandom()
        self._told: tuple[Reachability, tuple[Multiaddr, ...]] = (Reachability.UNKNOWN, ())
        self._listening: list[Multiaddr] = []
        self._news = asyncio.Event()
        self._questions: set[asyncio.Task[None]] = set()
        self._tasks: list[asyncio.Task[None]] = []
        self._events: EventStream | None = None
        host.handle(DIAL_BACK, self._backs.serve, max_streams=2)
        host.services.append(self)

    # -- what programs ask

    @property
    def reachability(self) -> Reachability:
        """What is believed of the host as a whole."""
        return self._told[0]

    @property
    def public(self) -> tuple[Multiaddr, ...]:
        """The addresses at which it can be dialled from outside."""
        return self._told[1]

    def reachability_of(self, address: Multiaddr) -> Reachability:
        """Return what is believed of one address, without ``/p2p``."""
        return self._tracker.reachability_of(address)

    # -- life

    async def start(self) -> None:
        """Begin to ask; called by the host."""
        self._events = self._host.events(PeerIdentified, AddressesChanged, ConnectionEnded)
        self._tasks = [background(self._watch(self._events), "AutoNAT"), background(self._run(), "AutoNAT")]

    async def stop(self) -> None:
        """End all questions; called by the host."""
        if self._events is not None:
            self._events.close()
        tasks = [*self._tasks, *self._questions]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    async def _watch(self, events: EventStream) -> None:
        async for _ in events:
            self._news.set()

    async def _run(self) -> None:
        """Ask what is due, then wait until something else is, or has changed."""
        while True:
            self._news.clear()
            now = monotonic()
            self._listening = self._host.addresses
            self._tracker.follow(candidates(self._host, private=self.config.private), now)
            self._conclude()
            self._servers.look()
            while len(self._questions) < self.config.max_questions and self._ask_next(now):
                pass
            pause = self._pause(now)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._news.wait()
            await asyncio.sleep(max(0.0, now + _SHORTEST_PAUSE - monotonic()))

    # -- asking

    def _ask_next(self, now: float) -> bool:
        """Begin one question, if one is due and there is a server for it; whether one was begun."""
        wanted = self._tracker.wanted(now)
        server = self._servers.take(now, lambda each: self._is_of_use(each, wanted, now))
        if server is None:
            return False
        suitable = wanted if server.v2 and wanted else self._suitable(server, wanted)
        addresses = self._tracker.ordered(suitable, server.group, now)
        subject = addresses[0] if addresses else None
        self._tracker.begin(subject)
        task = background(self._ask(server, addresses), "AutoNAT")
        self._questions.add(task)

        def ended(task: asyncio.Task[None]) -> None:
            self._questions.discard(task)
            self._tracker.end(subject)
            self._news.set()

        task.add_done_callback(ended)
        return True

    def _is_of_use(self, server: Server, wanted: Sequence[Multiaddr], now: float) -> bool:
        """Whether there is something to ask a server now."""
        if server.v2 and wanted:
            return True
        if not server.v1:
            return False
        if not self._tracker.addresses:
            return bool(self._listening) and self._tracker.host_wanted(now)
        return bool(self._suitable(server, wanted))

    def _suitable(self, server: Server, wanted: Sequence[Multiaddr]) -> list[Multiaddr]:
        """Return what a server of version 1 can be asked about: it dials no IP but the one that it sees us at."""
        info = self._host.identify.info(server.connection)
        seen = ip_of(info.observed) if info is not None and info.observed is not None else None
        return [address for address in wanted if seen is not None and ip_of(address) == seen]

    async def _ask(self, server: Server, addresses: Sequence[Multiaddr]) -> None:
        """Ask one server, and take what it says."""
        config = self.config
        try:
            if server.v2 and addresses:
                verdicts = await ask_v2(
                    server.connection,
                    addresses,
                    self._backs,
                    timeout=config.timeout,
                    back_timeout=config.back_timeout,
                )
            else:
                asked = addresses or self._listening
                verdicts = await ask_v1(server.connection, self._host.peer_id, asked, timeout=config.timeout)
        except P2PError as error:
            logger.debug("%s could not tell whether we are reachable: %s", server.connection.peer_id, error)
            return
        self._take(server.group, verdicts)

    def _take(self, group: str, verdicts: Sequence[Verdict]) -> None:
        now = monotonic()
        for subject, reachable in verdicts:
            self._tracker.answer(subject, group, reachable=reachable, now=now, jitter=self._random.random())
        self._conclude()

    def _pause(self, now: float) -> float:
        """Return the seconds until something is due, without news."""
        due = self.config.follow_interval
        if len(self._questions) < self.config.max_questions:
            wanted = self._tracker.wanted(now)
            asked_next = self._servers.next_at(lambda each: self._is_of_use(each, wanted, now))
            upcoming = self._tracker.next_at() if self._tracker.addresses else self._tracker.host_next_at()
            due = min(due, asked_next - now, upcoming - now if upcoming > now else due)
        return max(0.0, due)

    # -- what follows

    def _conclude(self) -> None:
        """Advertise what is believed, and tell the listeners, where that has changed."""
        believed = (self._tracker.reachability, self._tracker.public)
        if believed == self._told:
            return
        self._told = believed
        self._host.advertise(_SOURCE, [address for address in believed[1] if address not in self._listening])
        self._host.emit(ReachabilityChanged(reachability=believed[0], addresses=believed[1]))
