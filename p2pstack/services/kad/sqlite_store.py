"""What a DHT node holds for others, kept over restarts (PEERS-10; specs/peers.md).

A store is asked within a request and answers at once, so this one is a :class:`MemoryStore`: all reading is of memory,
bounded by the caps of :class:`KadConfig`. It is filled from the file when it is opened, and what changes is written
behind, a moment later, many keys a commit. A key that changes ten times meanwhile is written once.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Self

from p2pstack.errors import DeadlineExceeded, LimitExceeded, LocalError, P2PError
from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.config import KadConfig
from p2pstack.kad.protocols import PROTOCOL
from p2pstack.kad.store import MemoryStore, StoredProvider, StoredValue
from p2pstack.services.kad.sqlite_config import SqliteStoreConfig
from p2pstack.services.kad.sqlite_rows import Changes, load, write
from p2pstack.storage.components import NETWORK_SCHEMA
from p2pstack.storage.config import StorageConfig
from p2pstack.storage.database import Database
from p2pstack.storage.errors import StorageError

__all__ = ["SqliteStore"]

logger = logging.getLogger("p2pstack.kad")

_FileError = (StorageError, DeadlineExceeded, LimitExceeded, LocalError)
"""What writing may fail with."""


class SqliteStore(MemoryStore):
    """A store that remembers.

    Made by :meth:`open`; close it before its database, or use it with ``async with``::

        config = KademliaConfig.private("/example/kad/1.0.0")
        async with await SqliteStore.open("dht.sqlite", config.kad, protocol=config.protocol) as store:
            dht = Kademlia(host, config, store=store)

    Where the file can't be written the node goes on from memory: ``error`` says why, and what could not be written is
    tried again with the next changes.
    """

    def __init__(self, database: Database, protocol: str, config: SqliteStoreConfig) -> None:
        super().__init__()
        self.config = config
        self.skipped = 0
        """Rows that were found in the file and not taken: over, too many, or damaged."""
        self.error: P2PError | None = None
        """Why the last changes were not written; None once they are."""
        self._database = database
        self._own = contextlib.AsyncExitStack()
        self._protocol = protocol
        self._changed_values: dict[bytes, None] = {}
        self._changed_keys: dict[bytes, None] = {}
        self._news = asyncio.Event()
        self._writing = asyncio.Lock()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls,
        storage: Database | Path | str,
        kad: KadConfig,
        *,
        protocol: str = PROTOCOL,
        config: SqliteStoreConfig | None = None,
        clock: Callable[[], float] = time.time,
    ) -> SqliteStore:
        """Return a store with what the file holds for the DHT that speaks ``protocol``.

        ``storage`` is an open file, perhaps with other things in it, or the path of one of the store's own, which is
        made if there is none and closed with the store.

        Raises:
            StorageError: the file can't be opened or read. Who can go without takes a :class:`MemoryStore` then.
            DeadlineExceeded: it took too long.
            LimitExceeded: too much waits for the file.
            LocalError: it is closed.
        """
        config = config or SqliteStoreConfig()
        async with contextlib.AsyncExitStack() as stack:
            if isinstance(storage, Database):
                database = storage
            else:
                limits = StorageConfig(close_timeout=config.close_timeout)
                database = await Database.open(Path(storage), NETWORK_SCHEMA, limits)
                await stack.enter_async_context(database)
            store = cls(database, protocol, config)
            found = await database.run(partial(load, dht=protocol, config=kad, now=clock()))
            store._own = stack.pop_all()
        store.skipped = found.skipped
        for value in found.values:
            MemoryStore.put_value(store, value)
        for key, provider in found.providers:
            MemoryStore.put_provider(store, key, provider)
        store._task = asyncio.get_running_loop().create_task(store._write_behind())
        return store

    async def close(self) -> None:
        """Write what is left, in at most ``close_timeout`` seconds, and end; a given file stays open. Idempotent."""
        if self._task is None:
            return
        task, self._task = self._task, None
        task.cancel()
        await asyncio.wait([task])
        try:
            async with asyncio.timeout(self.config.close_timeout):
                await self.flush()
        except _FileError as error:
            self._failed(error)
        except TimeoutError:
            self._failed(DeadlineExceeded(f"the last changes were not written in {self.config.close_timeout:g} s"))
        finally:
            await self._close_file()

    async def _close_file(self) -> None:
        """Close the file, if it was opened here."""
        try:
            await self._own.aclose()
        except _FileError as error:
            self._failed(error)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    # -- changes

    def put_value(self, value: StoredValue) -> None:
        """Keep a value, in place of the one that its key has."""
        super().put_value(value)
        self._note(self._changed_values, value.record.key)

    def drop_value(self, key: bytes) -> None:
        """Forget a value, if it is there."""
        super().drop_value(key)
        self._note(self._changed_values, key)

    def put_provider(self, key: bytes, provider: StoredProvider) -> None:
        """Keep a provider, in place of what the same peer has announced for this key before."""
        super().put_provider(key, provider)
        self._note(self._changed_keys, key)

    def drop_provider(self, key: bytes, peer: PeerId) -> None:
        """Forget a provider of a key, if it is there."""
        super().drop_provider(key, peer)
        self._note(self._changed_keys, key)

    @property
    def pending(self) -> int:
        """Keys that are not in the file as they are here."""
        return len(self._changed_values) + len(self._changed_keys)

    def _note(self, changed: dict[bytes, None], key: bytes) -> None:
        changed[key] = None
        if len(changed) > self.config.max_pending:
            del changed[next(iter(changed))]
        self._news.set()

    # -- writing

    async def flush(self) -> None:
        """Write all changes now; they are in the file when this returns.

        Raises:
            StorageError: the file can't be written.
            DeadlineExceeded: it took too long.
            LimitExceeded: too much waits for the file.
            LocalError: it is closed.
        """
        async with self._writing:
            for _ in range(self.pending):  # each round writes at least one
                values = list(islice(self._changed_values, self.config.max_batch))
                keys = list(islice(self._changed_keys, self.config.max_batch - len(values)))
                if not values and not keys:
                    break
                await self._write(values, keys)
        self.error = None

    async def _write(self, values: list[bytes], keys: list[bytes]) -> None:
        for key in values:
            del self._changed_values[key]
        for key in keys:
            del self._changed_keys[key]
        changes = Changes(
            values={key: self.value(key) for key in values}, providers={key: self.providers(key) for key in keys}
        )
        try:
            await self._database.run(partial(write, dht=self._protocol, changes=changes))
        except BaseException:
            self._changed_values.update(dict.fromkeys(values))
            self._changed_keys.update(dict.fromkeys(keys))
            raise

    async def _write_behind(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            await asyncio.sleep(self.config.write_interval)
            try:
                await self.flush()
            except _FileError as error:
                self._failed(error)

    def _failed(self, error: P2PError) -> None:
        if self.error is None:
            logger.warning("what the DHT holds is not kept on disk: %s", error)
        self.error = error
