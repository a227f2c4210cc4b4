"""Works on what came in: looks the sender up, verifies, decrypts, and hands on (SHK-88 to SHK-92).

Messages of one sender are worked on in order, those of several at the same time. A message leaves the job queue in the
same transaction in which the inbox gets it, and its sender is told after that: so nothing is lost, and nothing is there
twice, wherever the process ends.
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from p2pstack.errors import LimitExceeded, P2PError
from p2pstack.shinkai import json_form
from p2pstack.shinkai.directory.errors import DirectoryError, DirectoryUnavailable
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.errors import InvalidInbox, InvalidName, MessageError
from p2pstack.shinkai.keys import NodeKeys
from p2pstack.shinkai.message import ShinkaiMessage
from p2pstack.shinkai.names import ShinkaiName, is_local, is_valid
from p2pstack.shinkai.node.stages import (
    Arrived,
    Stage,
    check_recipient,
    inbox_of,
    is_question,
    open_message,
    peer_keys,
    strip_node_data,
)
from p2pstack.shinkai.node.store import Kind, MessageStore, StoredMessage
from p2pstack.shinkai.storage.job_queue import JobEntry, JobQueue
from p2pstack.shinkai.storage.leases import Table
from p2pstack.storage.database import Database

__all__ = ["Dispatch", "NetworkJobManager"]

logger = logging.getLogger("p2pstack.shinkai")

_WAIT = 60.0
"""Seconds that the manager waits for jobs at a time."""

_LANES_AHEAD = 4
"""Batches that may wait for their senders' turn before no more are taken."""

_SYNTHETIC = "127.211."
"""What every address starts with that stands for a libp2p peer with an Ed25519 key (SHK-09)."""


class Dispatch(Protocol):
    """Who takes messages that were verified: the node. Nothing of it raises but CancelledError."""

    async def on_ping(self, sender: IdentityRecord) -> None:
        """A node asks whether we are there."""

    async def on_ack(self, sender: IdentityRecord, arrived: Arrived) -> None:
        """A node has acknowledged something."""

    def on_question(self, sender: IdentityRecord, key: str) -> None:
        """A relay asks what this node offers: acknowledge it, as the original does that offers nothing."""

    async def on_stored(self, sender: IdentityRecord, stored: StoredMessage, *, by_libp2p: bool) -> None:
        """A message is in the inbox: acknowledge it. Called for a copy of one that was there, too."""

    def answer_nothing(self, key: str) -> None:
        """Nothing will be said about this job."""


@dataclass(slots=True)
class _Work:
    """A job on its way through the stages."""

    entry: JobEntry
    sender: ShinkaiName
    arrived: Arrived | None = None
    stored: StoredMessage | None = None
    reason: str = ""
    failure: str = ""

    @property
    def by_libp2p(self) -> bool:
        return self.entry.job.unsafe_sender_address.host.startswith(_SYNTHETIC)


class NetworkJobManager:
    """Takes jobs from the queue until :meth:`run` is cancelled. ``counters`` counts what became of them, by reason."""

    def __init__(
        self,
        *,
        name: ShinkaiName,
        keys: NodeKeys,
        database: Database,
        jobs: JobQueue,
        store: MessageStore,
        lookup: Callable[[ShinkaiName], Awaitable[IdentityRecord]],
        dispatch: Dispatch,
        workers: int,
        batch: int,
        clock: Callable[[], float],
    ) -> None:
        self.counters: Counter[str] = Counter()
        self._name = name
        self._keys = keys
        self._database = database
        self._jobs = jobs
        self._table = Table("job", (), jobs.config)
        self._store = store
        self._lookup = lookup
        self._dispatch = dispatch
        self.is_relay: Callable[[IdentityRecord], bool] = lambda _: False
        """Who is this node's relay: it may ask, and say whom a message is from to a node without a name of its own."""
        self._batch = batch
        self._clock = clock
        self._turns = asyncio.Semaphore(workers)
        self._lanes: dict[ShinkaiName, deque[_Work]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._waiting = 0
        self._room = asyncio.Event()
        self._room.set()

    @property
    def waiting(self) -> int:
        """Jobs that were taken and are not done."""
        return self._waiting

    async def run(self) -> None:
        """Work on jobs for ever; where the file fails, again after a second."""
        try:
            while True:
                await self._room.wait()
                try:
                    entries = await self._jobs.take(self._batch, timeout=_WAIT)
                    for entry in entries:
                        await self._sort(entry)
                except P2PError as error:
                    logger.warning("jobs can't be taken: %s", error)
                    await asyncio.sleep(1.0)
        finally:
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)

    async def _sort(self, entry: JobEntry) -> None:
        """Put a job behind the others of its sender."""
        try:
            sender = json_form.decode(entry.job.content, max_size=len(entry.job.content), bare=True).sender_node
        except MessageError as error:
            unreadable = [_Work(entry, self._name, reason=error.reason)]
            await self._settle(unreadable)
            await self._tell(None, unreadable)
            return
        lane = self._lanes.get(sender)
        if lane is None:
            lane = self._lanes[sender] = deque()
            task = asyncio.get_running_loop().create_task(self._work(sender, lane))
            self._tasks.add(task)
            task.add_done_callback(self._ended)
        lane.append(_Work(entry, sender))
        self._waiting += 1
        if self._waiting >= self._batch * _LANES_AHEAD:
            self._room.clear()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # The jobs come back when their leases are over, and are put aside after a few times.
            logger.error("working on messages failed", exc_info=error)

    async def _work(self, sender: ShinkaiName, lane: deque[_Work]) -> None:
        """Work on what one sender has sent, in order, until there is nothing left."""
        batch: list[_Work] = []
        try:
            while lane:
                async with self._turns:
                    batch = [lane.popleft() for _ in range(min(len(lane), self._batch))]
                    record = await self._open(sender, batch)
                    await self._settle(batch)
                    await self._tell(record, batch)
                self._finished(len(batch))
                batch = []
        finally:
            self._finished(len(batch) + len(lane))
            if self._lanes.get(sender) is lane:
                del self._lanes[sender]

    def _finished(self, count: int) -> None:
        self._waiting -= count
        if self._waiting < self._batch * _LANES_AHEAD:
            self._room.set()

    # The stages

    async def _open(self, sender: ShinkaiName, batch: Sequence[_Work]) -> IdentityRecord | None:
        """Verify and decrypt; each of the batch then has a message, a reason, or a failure to try again after."""
        try:
            record = await self._lookup(sender)
        except (DirectoryUnavailable, TimeoutError) as error:
            for work in batch:
                work.failure = f"{sender} can't be looked up: {error}"
            return None
        except DirectoryError as error:
            for work in batch:
                work.reason = "unknown-sender" if error.reason == "unknown-identity" else error.reason
            return None
        for work in batch:
            try:
                await self._open_one(work, record)
            except MessageError as error:
                work.reason = error.reason
                logger.info("a message from %s is refused, %s: %s", sender, error.reason, error)
        return record

    async def _open_one(self, work: _Work, record: IdentityRecord) -> None:
        job = work.entry.job
        message = json_form.decode(job.content, max_size=len(job.content), bare=True)
        check_recipient(message, self._name)
        behind = None
        external = message.external_metadata
        if external.intra_sender and not external.other:
            behind = await self._behind_relay(external.intra_sender)
        work.arrived = arrived = open_message(
            message, record, self._keys.encryption, peer_keys(message, record, behind)
        )
        if arrived.stage is Stage.MESSAGE and self.is_relay(record) and is_question(arrived.message):
            work.arrived = Arrived(arrived.message, Stage.QUESTION)
        elif arrived.stage in {Stage.MESSAGE, Stage.JOB}:
            work.stored = self._stored(work, arrived, record)

    async def _behind_relay(self, name: str) -> IdentityRecord | None:
        """Look up whom a relay has a message from; a profile or a peer id, which is no node's name, is nobody."""
        try:
            return await self._lookup(ShinkaiName.parse(name).node)
        except (DirectoryError, InvalidName, TimeoutError):
            return None

    def _stored(self, work: _Work, arrived: Arrived, record: IdentityRecord) -> StoredMessage:
        message = strip_node_data(arrived.message)
        try:
            inbox = inbox_of(message)
        except InvalidInbox:
            inbox = ""
        return StoredMessage(
            key=work.entry.key,
            inbox=inbox,
            sender=self._first_sender(message, record).full_name,
            recipient=message.external_metadata.recipient,
            via="libp2p" if work.by_libp2p else "tcp",
            message=json_form.encode(message),
            at=self._clock(),
            kind=Kind.JOB if arrived.stage is Stage.JOB else Kind.MESSAGE,
        )

    def _first_sender(self, message: ShinkaiMessage, record: IdentityRecord) -> ShinkaiName:
        """Return whom a message is from: for a node without a name the one that its relay names, else who signed it."""
        name = message.external_metadata.intra_sender
        if is_local(self._name) and is_valid(name) and self.is_relay(record):
            return ShinkaiName.parse(name).node
        return record.name

    async def _settle(self, batch: Sequence[_Work]) -> None:
        """Let jobs leave the queue, those with a message into the inbox, in one transaction."""

        def operation(connection: sqlite3.Connection) -> list[str]:
            return [self._settle_one(connection, work) for work in batch]

        failures = await self._database.run(operation)
        for work, failure in zip(batch, failures, strict=True):
            if failure:
                work.failure = failure
                work.stored = None
                await self._jobs.failed(work.entry.key, work.entry.attempts, failure)
        if any(work.stored is not None for work in batch):
            self._store.announce()

    def _settle_one(self, connection: sqlite3.Connection, work: _Work) -> str:
        """Return why a job has to wait, or an empty text."""
        if work.failure:
            return work.failure
        key = work.entry.key
        if work.stored is not None:
            try:
                self._store.insert(connection, work.stored)
            except LimitExceeded as error:
                return f"the inbox is full: {error}"
        elif work.reason:
            # What is refused is not known again: it must not take the place of those that have to be.
            connection.execute("DELETE FROM seen WHERE key = ?", (key,))
        self._table.remove(connection, key)
        return ""

    async def _tell(self, record: IdentityRecord | None, batch: Sequence[_Work]) -> None:
        """Tell senders, and whoever waits for the answer to a request."""
        for work in batch:
            arrived = work.arrived
            if work.failure or work.reason or arrived is None or record is None:
                self.counters["postponed" if work.failure else work.reason] += 1
                self._dispatch.answer_nothing(work.entry.key)
            elif work.stored is not None:
                self.counters[arrived.stage.value] += 1
                await self._dispatch.on_stored(record, work.stored, by_libp2p=work.by_libp2p)
            else:
                self.counters[arrived.stage.value] += 1
                if arrived.stage is Stage.QUESTION:
                    self._dispatch.on_question(record, work.entry.key)
                    continue
                self._dispatch.answer_nothing(work.entry.key)
                if arrived.stage is Stage.PING:
                    await self._dispatch.on_ping(record)
                elif arrived.stage is Stage.ACK:
                    await self._dispatch.on_ack(record, arrived)
