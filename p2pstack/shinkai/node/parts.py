"""What a running node is made of, and how its parts hold each other."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Sequence

from p2pstack.errors import P2PError
from p2pstack.shinkai.directory.interface import Directory
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.endpoints import Endpoint
from p2pstack.shinkai.keys import NodeKeys
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.network.handler import ShinkaiMessageHandler, Via
from p2pstack.shinkai.network.manager import LibP2PManager
from p2pstack.shinkai.node.config import NodeConfig
from p2pstack.shinkai.node.events import NodeEvent
from p2pstack.shinkai.node.jobs import NetworkJobManager
from p2pstack.shinkai.node.ledger import Ledger
from p2pstack.shinkai.node.outgoing import Outgoing
from p2pstack.shinkai.node.receiver import Receiver
from p2pstack.shinkai.node.retry import RetryWorker
from p2pstack.shinkai.node.sender import Notifier, Sender
from p2pstack.shinkai.node.stages import Stage
from p2pstack.shinkai.node.store import MessageStore
from p2pstack.shinkai.node.tcp.listener import TcpListener
from p2pstack.shinkai.storage.job_queue import JobQueue
from p2pstack.shinkai.storage.retry_queue import RetryQueue
from p2pstack.storage.database import Database

__all__ = ["NodeParts"]

logger = logging.getLogger("p2pstack.shinkai")


class NodeParts:
    """What a running node is made of."""

    def __init__(
        self,
        name: ShinkaiName,
        keys: NodeKeys,
        directory: Directory,
        config: NodeConfig,
        *,
        database: Database,
        store: MessageStore,
        proxy: ShinkaiName | None,
        notifier: Notifier | None,
        clock: Callable[[], float],
        entropy: Callable[[int], bytes],
        emit: Callable[[NodeEvent], None],
    ) -> None:
        self.database = database
        self.store = store
        self.jobs = JobQueue(database, config.jobs, clock=clock)
        self.handler = ShinkaiMessageHandler(name, self.jobs, config=config.handler, clock=clock)
        self.outgoing = Outgoing(directory, config)
        self.ledger = Ledger(database, RetryQueue(database, config.retry, clock=clock), store, clock=clock)
        self.sender = Sender(name, keys, self.outgoing, self.ledger, config, proxy=proxy, entropy=entropy, emit=emit)
        self.receiver = Receiver(
            name,
            keys,
            database=database,
            handler=self.handler,
            outgoing=self.outgoing,
            sender=self.sender,
            queue=self.ledger.queue,
            backlog=self.ledger.backlog,
            clock=clock,
            entropy=entropy,
            emit=emit,
        )
        self.receiver.notifier = notifier
        self.handler.on_duplicate = self.receiver.on_duplicate
        self.manager = NetworkJobManager(
            name=name,
            keys=keys,
            database=database,
            jobs=self.jobs,
            store=store,
            lookup=self.lookup,
            dispatch=self.receiver,
            workers=config.job_workers,
            batch=config.job_batch,
            clock=clock,
        )
        self.worker = self._make_worker(config)
        self.listener = TcpListener(config.tcp, self.on_frame) if config.tcp.enabled else None

    def _make_worker(self, config: NodeConfig) -> RetryWorker:
        return RetryWorker(
            self.ledger.queue,
            self.sender.retry,
            self.sender.give_up,
            batch=config.send.retry_batch,
            peers=config.send.retry_peers,
        )

    async def lookup(self, name: ShinkaiName) -> IdentityRecord:
        """Look a sender up; its proxy does not matter."""
        async with asyncio.timeout(self.outgoing.config.send.lookup_timeout):
            return await self.outgoing.directory.lookup(name)

    async def on_frame(self, source: Endpoint, payload: bytes) -> None:
        """Take a message that came over TCP."""
        if not self.handler.admit(source.host):
            return
        try:
            await self.handler.handle(source, payload, via=Via.TCP)
        except P2PError as error:
            logger.warning("a message from %s can't be taken: %s", source, error)

    def refused(self, managers: Sequence[LibP2PManager]) -> Counter[str]:
        """Count what was refused on the way in, by reason."""
        refused = Counter(self.handler.counters)
        del refused["accepted"]
        for reason, count in self.manager.counters.items():
            if reason not in {stage.value for stage in Stage}:
                refused[reason] += count
        if self.listener is not None:
            refused.update({f"tcp.{reason}": count for reason, count in self.listener.refused.items()})
        for manager in managers:
            refused.update({f"{manager.profile.value}.{reason}": n for reason, n in manager.counters.items()})
        return refused
