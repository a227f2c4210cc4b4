"""Peers on disk: what the host learns of peers is written, and known again after a restart (specs/peers.md).

The host's events are watched; nothing that passes on a connection waits for this. What was learned is noted in memory,
and written every few seconds, a bounded number of peers a commit.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from time import monotonic

from p2pstack.aio.tasks import background
from p2pstack.errors import DeadlineExceeded, DialError, LimitExceeded, LocalError, P2PError
from p2pstack.host.events import ConnectionOpened, DialFailed, EventStream, PeerDisconnected
from p2pstack.host.host import BaseHost
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.events import PeerIdentified
from p2pstack.services.life import HostService
from p2pstack.services.peers.attempts import judge
from p2pstack.services.peers.config import PeersConfig
from p2pstack.services.peers.dialling import KnownPeerDialler
from p2pstack.services.peers.entries import KnownPeer
from p2pstack.services.peers.events import PeerForgotten, PeersLoaded, PeersUnavailable
from p2pstack.services.peers.ledger import Forgotten, Ledger
from p2pstack.services.peers.table import PeerTable
from p2pstack.storage.components import NETWORK_SCHEMA
from p2pstack.storage.config import StorageConfig
from p2pstack.storage.database import Database
from p2pstack.storage.errors import StorageError

__all__ = ["PersistentPeers"]

logger = logging.getLogger("p2pstack.peers")

_FileError = (StorageError, DeadlineExceeded, LimitExceeded, LocalError)
"""What reading and writing may fail with."""


class _Connected:
    """The connected peers of a host, to be asked one by one."""

    def __init__(self, host: BaseHost) -> None:
        self._host = host

    def __contains__(self, peer: object) -> bool:
        return isinstance(peer, PeerId) and bool(self._host.connections(peer))


class PersistentPeers(HostService):
    """Keeps what is known of peers in ``storage``: a file of its own, or an open database that others use too.

    ``name`` tells the peers of several hosts apart that share a file.
    Make it before the host is started, and the host starts and ends it; or use it with ``async with``. ::

        host = Host()
        peers = PersistentPeers(host, "peers.db")
        async with host:
            ...

    A file that can't be used costs nothing but the memory: ``error`` says why, :class:`PeersUnavailable` tells it, and
    the host starts and runs as one without a file (PEERS-08).
    """

    _label = "the known peers"

    def __init__(
        self,
        host: BaseHost,
        storage: Database | Path | str,
        *,
        name: str = "",
        config: PeersConfig | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.config = config or PeersConfig()
        self.error: P2PError | None = None
        """Why the file is not read or written; None while it is."""
        self._host = host
        self._storage = storage
        self._name = name
        self._clock = clock
        self._ledger = Ledger(self.config, _Connected(host))
        self._dialler = KnownPeerDialler(host, self._ledger, self.config, clock, self._failed)
        self._table: PeerTable | None = None
        self._own: Database | None = None
        self._writing = asyncio.Lock()
        self._events: EventStream | None = None
        self._watching: asyncio.Task[None] | None = None
        self._tasks: list[asyncio.Task[None]] = []
        super().__init__(host)

    # -- life

    async def _begin(self) -> None:
        """Load what is known, and begin."""
        self._events = self._host.events(PeerIdentified, ConnectionOpened, PeerDisconnected, DialFailed)
        await self._load()
        for connection in self._host.connections():
            self._tell(self._ledger.connected(connection.peer_id, connection.dialled, self._clock()))
        self._watching = background(self._watch(self._events), self._label)
        self._tasks = [background(self._dialler.run(), self._label)]
        if self._table is not None:
            self._tasks.append(background(self._write_again_and_again(), self._label))

    async def _end(self) -> None:
        """Write what is left, and end."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        if self._events is not None:
            self._events.close()
        if self._watching is not None:
            await self._watching  # to the end of what has been told already
        await self._finish()

    # -- what programs do

    def __len__(self) -> int:
        """How many peers are remembered."""
        return len(self._ledger)

    def __contains__(self, peer: object) -> bool:
        return peer in self._ledger

    def get(self, peer: PeerId) -> KnownPeer | None:
        """Return what is remembered of ``peer``, to be read only, or None."""
        return self._ledger.get(peer)

    def newest(self) -> list[KnownPeer]:
        """Return who is remembered, to be read only: those first that we reached last, then those met last."""
        return sorted(self._ledger.peers(), key=lambda each: (each.last_success, each.last_seen), reverse=True)

    def forget(self, peer: PeerId) -> bool:
        """Forget ``peer``, here, in the peerstore, and soon in the file; whether it was remembered."""
        self._host.peerstore.forget(peer)
        return self._ledger.forget(peer)

    async def flush(self) -> None:
        """Write now what has been learned; it is in the file when this returns. Where there is no file, do nothing.

        Raises:
            StorageError: the file can't be written.
            DeadlineExceeded: it took too long.
            LimitExceeded: too much waits for the file.
            LocalError: the file is closed.
        """
        if self._table is None:
            return
        async with self._writing:
            for _ in range(self._ledger.pending):  # each round writes at least one
                changed, gone = self._ledger.drain(self.config.max_batch)
                if not changed and not gone:
                    break
                try:
                    await self._table.write(changed, gone)
                except BaseException:
                    self._ledger.put_back(changed, gone)
                    raise

    # -- the file

    async def _load(self) -> None:
        try:
            database = await self._open()
            table = PeerTable(database, self._name)
            entries, skipped = await table.load()
        except _FileError as error:
            self._unavailable(error)
            await self._close()
            return
        self._table = table
        now = self._clock()
        self._tell(self._ledger.restore(entries, now))
        offset = monotonic() - now
        for entry in self._ledger.peers():
            self._fill_peerstore(entry, offset)
        if skipped:
            logger.warning("rows of known peers that could not be read: %d", skipped)
        self._host.emit(PeersLoaded(peers=len(self._ledger), skipped=skipped))

    async def _open(self) -> Database:
        if isinstance(self._storage, Database):
            return self._storage
        config = StorageConfig(close_timeout=self.config.close_timeout)
        self._own = await Database.open(Path(self._storage), NETWORK_SCHEMA, config)
        return self._own

    def _fill_peerstore(self, entry: KnownPeer, offset: float) -> None:
        """Tell the peerstore, whose clock is ``offset`` ahead of ours (PEERS-03)."""
        store = self._host.peerstore
        for address, known in entry.addresses.items():
            store.add_addresses(entry.peer, [address], known.expires(self.config.address_lifetime) + offset)
        if entry.protocols is not None and store.protocols(entry.peer) is None:
            store.set_protocols(entry.peer, entry.protocols)
            store.set_agent(entry.peer, entry.agent, entry.protocol_version)
        if entry.record is not None:
            store.accept_record(entry.peer, entry.record, entry.record_seq)

    async def _write_again_and_again(self) -> None:
        while True:
            await asyncio.sleep(self.config.write_interval)
            self._tell(self._ledger.sweep(self._clock()))
            try:
                await self.flush()
            except _FileError as error:
                self._unavailable(error)
            else:
                self.error = None

    def _unavailable(self, error: P2PError) -> None:
        """Say once why nothing is read or written."""
        if self.error is None:
            path = self._storage.path if isinstance(self._storage, Database) else self._storage
            logger.warning("peers are not kept on disk in %s: %s", path, error)
            self._host.emit(PeersUnavailable(error=error))
        self.error = error

    async def _finish(self) -> None:
        now = self._clock()
        for peer in self._host.network.peers:
            self._ledger.disconnected(peer, now)
        try:
            async with asyncio.timeout(self.config.close_timeout):
                await self.flush()
        except _FileError as error:
            self._unavailable(error)
        except TimeoutError:
            self._unavailable(DeadlineExceeded(f"the last peers were not written in {self.config.close_timeout:g} s"))
        finally:
            await self._close()

    async def _close(self) -> None:
        if self._own is None:
            return
        database, self._own = self._own, None
        try:
            await database.close()
        except _FileError as error:
            self._unavailable(error)

    # -- what is learned

    async def _watch(self, events: EventStream) -> None:
        async for event in events:
            now = self._clock()
            if isinstance(event, PeerIdentified):
                self._tell(self._ledger.identified(event.info, now))
            elif isinstance(event, ConnectionOpened):
                connection = event.connection
                dialled = connection.dialled if connection.direction == "outbound" else None
                self._tell(self._ledger.connected(connection.peer_id, dialled, now))
            elif isinstance(event, PeerDisconnected):
                self._ledger.disconnected(event.peer, now)
                self._dialler.look()
            elif isinstance(event, DialFailed) and judge(event.error)[0]:
                self._failed(event.peer, event.error)

    def _failed(self, peer: PeerId, error: DialError | DeadlineExceeded) -> None:
        online = bool(self._host.network.peers)
        forgotten = self._ledger.failed(peer, judge(error)[1], self._clock(), online=online)
        if forgotten is not None:
            self._tell([forgotten])

    def _tell(self, forgotten: Iterable[Forgotten]) -> None:
        """Tell who is not remembered any more. The peerstore is left to its own rules: others may count on it."""
        for peer, reason in forgotten:
            self._host.emit(PeerForgotten(peer=peer, reason=reason))
