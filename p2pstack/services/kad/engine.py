"""What the parts of a DHT service share: the machines, and how lookups are run on them (specs/kad.md)."""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from dataclasses import replace
from functools import lru_cache
from time import monotonic, time
from typing import Any

from p2pstack.aio.tasks import background
from p2pstack.errors import DeadlineExceeded, HostClosed
from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import Contact
from p2pstack.kad.events import QueryEvent
from p2pstack.kad.filters import allows
from p2pstack.kad.keyspace import position
from p2pstack.kad.providers import Providers
from p2pstack.kad.query import Query
from p2pstack.kad.refresh import Refresh
from p2pstack.kad.responder import Responder
from p2pstack.kad.signed_records import SignedRecordValidator
from p2pstack.kad.store import MemoryStore, Store
from p2pstack.kad.table import RoutingTable
from p2pstack.kad.validators import Validator, Validators
from p2pstack.kad.values import Values
from p2pstack.services.kad.config import KademliaConfig
from p2pstack.services.kad.lookup import Lookup
from p2pstack.services.kad.members import Members
from p2pstack.services.kad.messenger import Messenger
from p2pstack.services.kad.server import Server
from p2pstack.services.standard import Host

__all__ = ["Engine", "OnEvent", "QueryMaker"]

OnEvent = Callable[[QueryEvent], None]

QueryMaker = Callable[[KadConfig, list[Contact], float], Query]
"""Makes a query of a configuration, the peers to begin with, and the time."""

_NO_WAIT = 0.01
_SHORTEST = 0.001
"""Seconds."""


class Engine:
    """The machines of one DHT, and what runs."""

    def __init__(
        self, host: Host, config: KademliaConfig, validators: Mapping[str, Validator], store: Store | None
    ) -> None:
        self.host = host
        self.config = config
        self.counters: Counter[str] = Counter()
        self.validators = Validators({"p2pstack": SignedRecordValidator(), **validators})
        self.table = RoutingTable(host.peer_id, config.kad)
        held = store if store is not None else MemoryStore()
        self.values = Values(held, self.validators, config.kad, self.table.position)
        self.providers = Providers(held, config.kad, self.table.position)
        self.refresh = Refresh(self.table, config.kad, monotonic())
        self.messenger = Messenger(host, config, self.counters)
        self.members = Members(host, config, self.table, self.refresh, self.messenger, self.counters)
        responder = Responder(self.table, self.values, self.providers, config.kad, self._known)
        self.server = Server(responder, config, self.counters)
        self.lookups: set[Lookup] = set()
        self.running = False
        self._turns = asyncio.Semaphore(config.max_lookups)
        self._tasks: set[asyncio.Task[None]] = set()

    # -- who is where

    def own_contact(self) -> Contact:
        """Return this host as others are told of it, with the addresses that the network admits."""
        admitted = [each for each in self.host.identify.addresses if allows(self.config.kad.network, each)]
        return Contact(self.host.peer_id, tuple(admitted[: self.config.kad.max_addresses]))

    def _known(self, peer: PeerId) -> Contact | None:
        """Return what is known of any peer (KAD-04)."""
        if peer == self.host.peer_id:
            return self.own_contact()
        addresses = self.host.peerstore.addresses(peer, monotonic())
        return Contact(peer, tuple(addresses[: self.config.kad.max_addresses])) if addresses else None

    # -- lookups

    def check_running(self) -> None:
        """Say so where nothing can be done.

        Raises:
            HostClosed: the DHT does not run.
        """
        if not self.running:
            raise HostClosed("the DHT is not running")

    @contextlib.asynccontextmanager
    async def lookup(
        self, key: bytes, timeout: float, make: QueryMaker, on_event: OnEvent | None = None
    ) -> AsyncIterator[Lookup]:
        """Run a lookup of at most ``timeout`` seconds, its turn included; nothing is left of it behind the block.

        Raises:
            HostClosed: the DHT does not run.
            DeadlineExceeded: it had no turn in this time.
        """
        self.check_running()
        until = monotonic() + timeout
        try:
            async with asyncio.timeout(timeout):
                await self._turns.acquire()
        except TimeoutError as error:
            raise DeadlineExceeded(f"{self.config.max_lookups} other lookups ran for {timeout:g} s") from error
        lookup = None
        try:
            lookup = self._begin(key, timeout, until, make, on_event)
            self.lookups.add(lookup)
            yield lookup
        finally:
            if lookup is not None:
                self.lookups.discard(lookup)
                await lookup.end()
            self._turns.release()

    def _begin(self, key: bytes, timeout: float, until: float, make: QueryMaker, on_event: OnEvent | None) -> Lookup:
        now = monotonic()
        left = until - now
        # Where there was no waiting, the configuration is one that was made before.
        kad = _limited(self.config.kad, timeout if left > timeout - _NO_WAIT else max(left, _SHORTEST))
        seeds = self.table.closest(position(key), kad.k, failing=True)
        query = make(kad, seeds, now)
        return Lookup(query, self.messenger, self.members, patience=kad.patience, on_event=on_event)

    def nearest_query(self, key: bytes) -> QueryMaker:
        """Return what makes a lookup of the peers nearest to ``key``."""
        own = self.host.peer_id
        return lambda kad, seeds, now: Query(own=own, key=key, seeds=seeds, config=kad, now=now)

    def sweep(self) -> None:
        """Forget what is over."""
        now = time()
        self.values.sweep(now)
        self.providers.sweep(now)

    # -- tasks

    def spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Run something in the background, until the service stops."""
        task = background(coroutine, "the DHT")
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def stop(self) -> None:
        """End everything."""
        self.running = False
        for lookup in list(self.lookups):
            lookup.stop()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        await self.members.stop()
        self.messenger.close()
        self.server.reset()


@lru_cache(maxsize=64)
def _limited(kad: KadConfig, timeout: float) -> KadConfig:
    return replace(kad, query_timeout=timeout)
