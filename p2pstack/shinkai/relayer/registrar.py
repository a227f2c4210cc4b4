"""Registers the peers of a relay by what identify tells, and forgets them (SHK-101, SHK-102, SHK-109).

A peer is tried when it has told who it is, when it sends a message before that was looked at, and every so often while
it is refused. The directory is asked; nothing else waits for it.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from time import monotonic

from p2pstack.errors import GatedError, LimitExceeded, P2PError, ProtocolNotSupported
from p2pstack.host.events import Event, EventStream, PeerDisconnected
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.events import PeerIdentified
from p2pstack.services.standard import Host
from p2pstack.shinkai.directory.errors import DirectoryError
from p2pstack.shinkai.directory.interface import Directory
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.names import ShinkaiName, is_local
from p2pstack.shinkai.relayer.config import RelayerConfig
from p2pstack.shinkai.relayer.events import NodeRegistered, NodeUnregistered, RegistrationRefused, RelayerEvent
from p2pstack.shinkai.relayer.registrations import Registration, Registrations, claim_of, key_of

__all__ = ["Registrar"]

logger = logging.getLogger("p2pstack.shinkai")

UNAVAILABLE = "directory-unavailable"
WRONG_KEY = "wrong-key"
OUR_NAME = "our-name"

_TAG = "shinkai-registered"

_PINGS = 32
"""Peers that are pinged at the same time."""


class Registrar:
    """Keeps the table of one relay. ``counters`` counts registrations, their ends, and those refused by reason."""

    def __init__(
        self,
        name: ShinkaiName,
        host: Host,
        directory: Directory,
        table: Registrations,
        config: RelayerConfig,
        *,
        counters: Counter[str],
        emit: Callable[[RelayerEvent], None],
    ) -> None:
        self.table = table
        self._name = name
        self._host = host
        self._directory = directory
        self._config = config
        self._counters = counters
        self._emit = emit
        self._lookups = asyncio.Semaphore(config.max_lookups)
        self._tasks: dict[PeerId, asyncio.Task[None]] = {}
        self._tried: dict[PeerId, float] = {}
        self._failed_pings: Counter[PeerId] = Counter()

    def events(self) -> EventStream:
        """Return what :meth:`follow` wants, from now on."""
        return self._host.events(PeerIdentified, PeerDisconnected)

    async def follow(self, events: EventStream) -> None:
        """Follow the host's events until they end."""
        dropped = 0
        async for event in events:
            self._take(event)
            if events.dropped != dropped:
                dropped = events.dropped
                self._sweep()

    async def look_again(self) -> None:
        """Try those again that are not registered, and ask the directory again for those that are, until cancelled."""
        while True:
            await asyncio.sleep(self._config.try_interval)
            self._sweep()
            for connection in self._host.connections():
                info = self._host.identify.info(connection)
                if info is not None:
                    self._try(info.peer, info.agent)

    async def ping(self) -> None:
        """Ping registered peers, and disconnect those that don't answer, until cancelled (SHK-109)."""
        while True:
            await asyncio.sleep(self._config.ping_interval)
            waiting = iter(self.table.all)
            await asyncio.gather(*(self._ping_each(waiting) for _ in range(_PINGS)))

    async def settled(self, peer: PeerId) -> Registration | None:
        """Return a peer's registration; of one that is being registered, once that is decided or took too long."""
        found = self.table.of(peer)
        if found is not None:
            return found
        seconds = self._config.settle_timeout
        connection = self._host.network.best(peer)
        if connection is not None:
            try:
                async with asyncio.timeout(seconds):
                    info = await self._host.identify.wait(connection, seconds)
                    task = self._try(peer, info.agent)
                    if task is not None:
                        await asyncio.wait((task,))
            except (P2PError, TimeoutError) as error:
                logger.debug("%s is not registered in time: %s", peer, error)
        return self.table.of(peer)

    async def close(self) -> None:
        """End the attempts that are under way."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    # -- registering

    def _take(self, event: Event) -> None:
        if isinstance(event, PeerIdentified):
            self._try(event.peer, event.info.agent)
        elif isinstance(event, PeerDisconnected):
            self._look_for_end(event.peer)

    def _try(self, peer: PeerId, agent: str) -> asyncio.Task[None] | None:
        """Begin to register a peer, unless that was tried a moment ago; return what is under way."""
        running = self._tasks.get(peer)
        if running is not None or not self._host.connections(peer):
            return running
        claim = claim_of(agent)
        if claim is None:
            return None
        now = monotonic()
        pause = self._config.try_interval if self.table.of(peer) is None else self._config.recheck_interval
        if now < self._tried.get(peer, -pause) + pause:
            return None
        self._tried[peer] = now
        task = asyncio.get_running_loop().create_task(self._register(peer, claim))
        self._tasks[peer] = task
        task.add_done_callback(lambda _: self._tasks.pop(peer))
        return task

    async def _register(self, peer: PeerId, claim: ShinkaiName) -> None:
        record, reason = await self._check(peer, claim)
        if not self._host.connections(peer):
            return
        if not reason:
            reason = self._enter(peer, claim, record)
        if reason:
            self._refuse(peer, claim, reason)

    async def _check(self, peer: PeerId, claim: ShinkaiName) -> tuple[IdentityRecord | None, str]:
        """Return the directory's record of a claimed name, if it has to have one, and why the claim does not hold."""
        if claim == self._name:
            return None, OUR_NAME
        if is_local(claim):
            return None, ""
        try:
            async with self._lookups, asyncio.timeout(self._config.lookup_timeout):
                record = await self._directory.lookup(claim)
        except DirectoryError as error:
            return None, error.reason
        except (P2PError, TimeoutError):
            return None, UNAVAILABLE
        return record, "" if record.peer_id == peer else WRONG_KEY

    def _enter(self, peer: PeerId, name: ShinkaiName, record: IdentityRecord | None) -> str:
        """Put a peer into the table; return why that can't be, or an empty text."""
        former = self.table.of(peer)
        key = key_of(peer)
        if key is None:
            return WRONG_KEY  # of a kind that no node has
        try:
            registration, replaced = self.table.register(peer, name, key, record, monotonic())
        except LimitExceeded as error:
            return error.name
        if replaced is not None:
            self._ended(replaced, "replaced")
            self._cut(replaced.peer, f"{name} is registered by another peer now")
        if former is None or former.name != name:
            self._host.protect(peer, _TAG)
            self._counters["registered"] += 1
            self._emit(NodeRegistered(peer=peer, name=name.node_name, local=registration.local))
        return ""

    def _refuse(self, peer: PeerId, name: ShinkaiName, reason: str) -> None:
        self._counters[f"registration-refused.{reason}"] += 1
        self._emit(RegistrationRefused(peer=peer, name=name.node_name, reason=reason))
        logger.info("%s is not registered as %s: %s", peer, name, reason)
        # Whoever was registered stays it while nobody knows better.
        if reason != UNAVAILABLE and (gone := self.table.unregister(peer)) is not None:
            self._ended(gone, reason)

    # -- forgetting

    def _sweep(self) -> None:
        for peer in [*self._tried]:
            self._look_for_end(peer)

    def _look_for_end(self, peer: PeerId) -> None:
        if self._host.connections(peer):
            return
        self._tried.pop(peer, None)
        gone = self.table.unregister(peer)
        if gone is not None:
            self._ended(gone, "disconnected")

    def _ended(self, gone: Registration, reason: str) -> None:
        self._host.unprotect(gone.peer, _TAG)
        self._failed_pings.pop(gone.peer, None)
        self._counters["unregistered"] += 1
        self._emit(NodeUnregistered(peer=gone.peer, name=gone.name.node_name, reason=reason))

    def _cut(self, peer: PeerId, why: str) -> None:
        for connection in self._host.connections(peer):
            connection.abort(GatedError(why))

    async def _ping_each(self, waiting: Iterator[Registration]) -> None:
        for each in waiting:
            await self._ping(each.peer)

    async def _ping(self, peer: PeerId) -> None:
        if not self._host.connections(peer):
            return
        try:
            await self._host.ping(peer, timeout=self._config.ping_timeout)
        except ProtocolNotSupported:
            return
        except P2PError as error:
            if self.table.of(peer) is not None:
                self._failed(peer, error)
            return
        self._failed_pings.pop(peer, None)

    def _failed(self, peer: PeerId, error: P2PError) -> None:
        self._failed_pings[peer] += 1
        if self._failed_pings[peer] >= self._config.ping_failures:
            logger.info("%s does not answer pings: %s", peer, error)
            self._counters["dead"] += 1
            self._cut(peer, "it does not answer pings")
