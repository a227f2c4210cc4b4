"""Finding peers, values and providers (KAD-04 to KAD-06, KAD-16; specs/kad.md)."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from time import monotonic, time
from types import TracebackType
from typing import Self

from p2pstack.aio.connection import Connection
from p2pstack.errors import P2PError
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import Contact
from p2pstack.kad.events import PeerFound, ProviderFound, QueryEvent, Reason
from p2pstack.kad.provider_query import ProviderQuery
from p2pstack.kad.query import Query
from p2pstack.services.kad.engine import Engine
from p2pstack.services.kad.lookup import Lookup
from p2pstack.services.kad.results import FoundPeer, FoundPeers, Progress

__all__ = ["ProviderSearch", "find_closest", "find_peer"]


async def find_closest(engine: Engine, key: bytes, timeout: float) -> FoundPeers:
    """Look up the peers nearest to a key."""
    async with engine.lookup(key, timeout, engine.nearest_query(key)) as lookup:
        progress = await lookup.wait()
    return FoundPeers(peers=tuple(lookup.query.closest()), progress=progress)


async def find_peer(engine: Engine, peer: PeerId, timeout: float) -> FoundPeer:
    """Look for a peer until there is a connection to it, or the lookup has ended (KAD-16)."""
    engine.check_running()
    host = engine.host
    connection = host.network.best(peer)
    if connection is not None:
        return _found(engine, peer, connection, (), Progress(reason=Reason.ENOUGH))
    until = monotonic() + timeout
    reaching = _Reaching(engine, peer)
    async with engine.lookup(peer.to_bytes(), timeout, engine.nearest_query(peer.to_bytes()), reaching.told) as lookup:
        try:
            connection = await reaching.reach(lookup, until)
        finally:
            await reaching.end()
        lookup.stop()
        target = lookup.query.target
        progress = lookup.progress
    return _found(engine, peer, connection, () if target is None else target.addresses, progress)


def _found(
    engine: Engine, peer: PeerId, connection: Connection | None, told: tuple[Multiaddr, ...], progress: Progress
) -> FoundPeer:
    """Return what is known of a peer: where it was reached first, what it says itself, what others say."""
    addresses: list[Multiaddr] = []
    if connection is not None:
        if connection.dialled is not None:
            addresses.append(connection.dialled)
        addresses += engine.host.peerstore.addresses(peer, monotonic())
    addresses += told
    distinct = tuple(dict.fromkeys(addresses))[: engine.config.kad.max_addresses]
    return FoundPeer(peer=peer, addresses=distinct, connected=connection is not None, progress=progress)


class _Reaching:
    """Dials a peer at the addresses that a lookup is told, while it goes on: what liars tell leads nowhere."""

    def __init__(self, engine: Engine, peer: PeerId) -> None:
        self._host = engine.host
        self._peer = peer
        self._addresses: tuple[Multiaddr, ...] = ()
        self._news = asyncio.Event()
        self._dialled: tuple[Multiaddr, ...] = ()
        self._dialling: asyncio.Task[None] | None = None

    def told(self, event: QueryEvent) -> None:
        """Take what the lookup tells."""
        if isinstance(event, PeerFound):
            self._addresses = event.contact.addresses
            self._news.set()

    async def reach(self, lookup: Lookup, until: float) -> Connection | None:
        """Return a connection as soon as there is one; None when the lookup has ended, or time is over."""
        loop = asyncio.get_running_loop()
        ended = loop.create_task(lookup.wait())
        ended.add_done_callback(lambda _: self._news.set())
        try:
            async with asyncio.timeout_at(loop.time() + until - monotonic()):
                while (connection := self._host.network.best(self._peer)) is None:
                    if self._dialling is None:
                        if self._is_told():
                            self._dial()
                        elif ended.done():
                            return None
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError:
            return self._host.network.best(self._peer)
        else:
            return connection
        finally:
            ended.cancel()
            await asyncio.wait([ended])

    def _is_told(self) -> bool:
        """Whether there are addresses that were not dialled yet."""
        return self._addresses != self._dialled

    def _dial(self) -> None:
        self._dialled = self._addresses
        self._dialling = asyncio.get_running_loop().create_task(self._connect(self._addresses))

    async def _connect(self, addresses: tuple[Multiaddr, ...]) -> None:
        try:
            # A dial of the lookup's, which this one joins, may have begun with fewer addresses.
            for _ in range(2):
                with contextlib.suppress(P2PError):
                    await self._host.connect(self._peer, addresses, routed=False)
        finally:
            self._dialling = None
            self._news.set()

    async def end(self) -> None:
        """Dial no more."""
        dialling = self._dialling
        if dialling is not None:
            dialling.cancel()
            await asyncio.wait([dialling])


class ProviderSearch:
    """The providers of a key, as they are found: an async iterator of contacts, each peer once.

    Some come without addresses, which :meth:`Kademlia.find_peer` may find. It ends after ``count`` of them, when the
    lookup is over, or by ``aclose``, which ``async with`` calls. ``progress`` tells how far it got.
    """

    def __init__(self, engine: Engine, key: bytes, count: int, timeout: float) -> None:
        self._engine = engine
        self._key = key
        self._count = count
        self._timeout = timeout
        self._found: deque[Contact] = deque()
        self._seen: set[PeerId] = set()
        self._news = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._progress: Progress | None = None
        self._lookup: Lookup | None = None

    @property
    def progress(self) -> Progress:
        """How far it has got; while it runs it counts as stopped."""
        if self._progress is not None:
            return self._progress
        return self._lookup.progress if self._lookup is not None else Progress(reason=Reason.STOPPED)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Contact:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._run())
            self._task.add_done_callback(lambda _: self._news.set())
        while not self._found:
            if self._task.done():
                if not self._task.cancelled():
                    self._task.result()
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        return self._found.popleft()

    async def _run(self) -> None:
        engine = self._engine
        for contact in engine.providers.get(self._key, time()):
            self._take(contact)
        if self._is_full():
            self._progress = Progress(reason=Reason.ENOUGH)
            return
        async with engine.lookup(self._key, self._timeout, self._query, self._told) as lookup:
            self._lookup = lookup
            self._progress = await lookup.wait()

    def _query(self, kad: KadConfig, seeds: list[Contact], now: float) -> Query:
        own = self._engine.host.peer_id
        return ProviderQuery(own=own, key=self._key, seeds=seeds, config=kad, now=now, count=self._count)

    def _told(self, event: QueryEvent) -> None:
        if isinstance(event, ProviderFound):
            self._take(event.contact)
            if self._is_full() and self._lookup is not None:
                self._lookup.stop()

    def _take(self, contact: Contact) -> None:
        peer = contact.peer
        if peer in self._seen or peer == self._engine.host.peer_id or self._is_full():
            return
        self._seen.add(peer)
        self._found.append(contact)
        self._news.set()

    def _is_full(self) -> bool:
        return 0 < self._count <= len(self._seen)

    async def aclose(self) -> None:
        """End the search. Idempotent."""
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
        self._found.clear()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
