"""A way into the network: connections to some of a list of peers, for as long as the host has few (specs/peers.md)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic

from p2pstack.aio.tasks import background
from p2pstack.aio.waiting import WaitingList
from p2pstack.errors import ConfigError, DeadlineExceeded, DialError, HostClosed, P2PError
from p2pstack.host.events import Event, EventStream, PeerConnected, PeerDisconnected
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.bootstrap_targets import Place, Targets
from p2pstack.services.life import HostService

__all__ = ["Bootstrap", "BootstrapConfig", "BootstrapConnected", "BootstrapFailed"]

logger = logging.getLogger("p2pstack.bootstrap")

_TAG = "bootstrap"


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapConfig:
    """How many connections are wanted, and when to try again. Times are seconds."""

    wanted: int = 2
    """Peers of the list to be connected to, or all where it has fewer."""

    enough: int = 64
    """Peers of the host, whoever they are, from which on nobody of the list is dialled any more."""

    max_found: int = 64
    """Peers that one name may stand for; further ones are left out. Against records without end."""

    backoff_base: float = 5.0
    """For which a place is left alone after its first failure ..."""

    backoff_factor: float = 2.0
    """... which grows by this with each further one ..."""

    backoff_max: float = 600.0
    """... up to this."""

    jitter: float = 0.25
    """The share by which each such time is made longer or shorter, so that those who lost a peer at the same moment do
    not come back at the same moment."""

    refresh_interval: float = 3_600.0
    """For which the peers of a name count before it is resolved again."""

    def __post_init__(self) -> None:
        """Refuse values that can't work.

        Raises:
            ConfigError: naming the field.
        """
        for name in ("wanted", "enough", "max_found", "backoff_base", "refresh_interval"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive")
        if self.backoff_factor < 1.0:
            raise ConfigError("backoff_factor must be at least 1")
        if self.backoff_max < self.backoff_base:
            raise ConfigError("backoff_max must be at least backoff_base")
        if not 0.0 <= self.jitter < 1.0:
            raise ConfigError("jitter must be from 0 to below 1")

    def backoff(self, failures: int) -> float:
        """Return the seconds for which a place is left alone, before the jitter."""
        return min(self.backoff_base * self.backoff_factor ** min(failures - 1, 64), self.backoff_max)


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapConnected(Event):
    """A peer of the list was reached; ``address`` is the one of the list that led to it."""

    peer: PeerId
    address: Multiaddr


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapFailed(Event):
    """An address of the list led to nobody, for the reason ``error``; it is tried again in ``retry_in`` seconds.

    ``peer`` is who was asked for, or None where anybody would have done. ``failures`` counts those in a row.
    """

    address: Multiaddr
    peer: PeerId | None
    error: P2PError
    failures: int
    retry_in: float


class Bootstrap(HostService):
    """Keeps connections to ``wanted`` of the peers that ``addresses`` lead to, while the host has not enough peers.

    Addresses end with ``/p2p`` and an id, or without, where anybody who answers is taken; ``/dnsaddr`` may stand for
    many peers. Make it before the host is started, and the host starts and ends it; or use it with ``async with``. ::

        host = Host()
        bootstrap = Bootstrap(host, ["/dnsaddr/bootstrap.example.org"])
        async with host:
            await bootstrap.wait()

    Raises:
        ConfigError: the list is empty, or holds an address that can't be dialled.
        DecodeError: one can't be read.
    """

    _label = "the bootstrap"

    def __init__(
        self, host: BaseHost, addresses: Sequence[str | Multiaddr], *, config: BootstrapConfig | None = None
    ) -> None:
        self.config = config or BootstrapConfig()
        self._host = host
        self._targets = Targets(addresses, host.peer_id, self.config.max_found)
        self._attempts: dict[Place, asyncio.Task[None]] = {}
        self._protected: set[PeerId] = set()
        self._news = asyncio.Event()
        self._waiting = WaitingList()
        self._events: EventStream | None = None
        self._tasks: list[asyncio.Task[None]] = []
        super().__init__(host)

    # -- life

    async def _begin(self) -> None:
        """Begin."""
        self._events = self._host.events(PeerConnected, PeerDisconnected)
        self._tasks = [background(self._watch(self._events), self._label), background(self._work(), self._label)]

    async def _end(self) -> None:
        """End; the connections stay."""
        try:
            if self._events is not None:
                self._events.close()
            ending = [*self._tasks, *self._attempts.values()]
            for task in ending:
                task.cancel()
            if ending:
                await asyncio.wait(ending)
            self._protect([])
        finally:
            self._waiting.wake()

    # -- what programs do

    @property
    def connected(self) -> list[PeerId]:
        """The peers of the list that are connected now, whoever has dialled."""
        return sorted(peer for peer in self._targets.peers() if self._host.network.best(peer) is not None)

    @property
    def failing(self) -> list[BootstrapFailed]:
        """What leads to nobody at the moment, and why; ``retry_in`` counts from now."""
        now = monotonic()
        return [
            BootstrapFailed(
                address=place.origin,
                peer=place.peer,
                error=place.error,
                failures=place.failures,
                retry_in=max(place.retry_at - now, 0.0),
            )
            for place in self._targets.failing(self.connected)
            if place.error is not None
        ]

    async def wait(self, timeout: float = 30.0) -> list[PeerId]:
        """Return the connected peers of the list, as soon as there is one.

        Raises:
            DeadlineExceeded: there is none within ``timeout`` seconds.
            HostClosed: it was stopped.
        """
        try:
            async with asyncio.timeout(timeout):
                while not (connected := self.connected):
                    if self._stopped is not None:
                        raise HostClosed("the bootstrap was stopped")
                    await self._waiting.join(asyncio.get_running_loop())
        except TimeoutError as error:
            raise DeadlineExceeded(f"no bootstrap peer was reached within {timeout:g} s") from error
        return connected

    # -- how it works

    async def _watch(self, events: EventStream) -> None:
        async for _ in events:
            self._news.set()

    async def _work(self) -> None:
        while True:
            self._news.clear()
            pause = self._look()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._news.wait()

    def _look(self) -> float | None:
        """Start what is missing; return in how many seconds to look again, None: when there is news."""
        connected = self.connected
        if connected:
            self._waiting.wake()
        self._protect(connected[: self.config.wanted])
        missing = self.config.wanted - len(connected) - len(self._attempts)
        if missing <= 0 or len(self._host.network.peers) >= self.config.enough:
            return None
        now = monotonic()
        due = [place for place in self._targets.due(now, connected) if place not in self._attempts]
        # In any order: not every node of a network shall come to the first of the list.
        chosen = random.sample(due, min(missing, len(due)))
        for place in chosen:
            self._attempts[place] = background(self._try(place), self._label)
        return None if self._attempts else self._targets.next_due(now, connected)

    def _protect(self, peers: Sequence[PeerId]) -> None:
        """Have the connection manager spare these, and no others."""
        for peer in self._protected.difference(peers):
            self._host.unprotect(peer, _TAG)
        for peer in peers:
            self._host.protect(peer, _TAG)
        self._protected = set(peers)

    async def _try(self, place: Place) -> None:
        try:
            if place.is_list:
                await self._resolve(place)
            else:
                await self._dial(place)
        except P2PError as error:
            self._failed(place, error)
        finally:
            del self._attempts[place]
            self._news.set()

    async def _resolve(self, place: Place) -> None:
        """Find out whom a name stands for; they are tried at the next look.

        Raises:
            DialError: nobody.
        """
        count = self._targets.found(place, await self._host.resolve(place.origin))
        if not count:
            raise DialError(place.origin, [], "the name leads to no address with /p2p")
        place.worked(monotonic() + self.config.refresh_interval)

    async def _dial(self, place: Place) -> None:
        if place.peer is None:
            connection = await self._host.connect(place.origin)
        else:
            connection = await self._host.connect(place.peer, place.addresses)
        place.reached = connection.peer_id
        # Should it go at once, it is not dialled at once.
        place.worked(monotonic() + self._jittered(self.config.backoff_base))
        self._host.emit(BootstrapConnected(peer=connection.peer_id, address=place.origin))

    def _failed(self, place: Place, error: P2PError) -> None:
        pause = self._jittered(self.config.backoff(place.failures + 1))
        self._targets.failed(place, monotonic() + pause, error)
        logger.debug("%s led to nobody, again in %.1f s: %s", place.origin, pause, error)
        self._host.emit(
            BootstrapFailed(address=place.origin, peer=place.peer, error=error, failures=place.failures, retry_in=pause)
        )

    def _jittered(self, seconds: float) -> float:
        return seconds * random.uniform(1.0 - self.config.jitter, 1.0 + self.config.jitter)  # noqa: S311 - no secret
