"""Dialling whom others name, and the peers that are always to be connected (GS11-01, GS11-07; specs/gossipsub.md)."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Sequence

from p2pstack.aio.tasks import background
from p2pstack.errors import P2PError
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.gossipsub.config import PubsubConfig

__all__ = ["Dials"]

logger = logging.getLogger("p2pstack.gossipsub")


class Dials:
    """Connects to peers, a few at a time; those that find no room among the waiting ones are dropped."""

    def __init__(self, host: BaseHost, config: PubsubConfig, counters: Counter[str]) -> None:
        self._host = host
        self._config = config
        self._counters = counters
        self._waiting: dict[PeerId, Sequence[Multiaddr]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, peer: PeerId, addresses: Sequence[Multiaddr] = (), *, wanted: bool = False) -> None:
        """Dial ``peer`` when its turn comes; always where we want it ourselves."""
        if self._host.network.best(peer) is not None or peer in self._waiting:
            return
        if not wanted and len(self._waiting) >= self._config.router.max_exchanged:
            self._counters["px-dropped"] += 1
            return
        self._waiting[peer] = addresses
        self._start()

    def _start(self) -> None:
        if self._waiting and len(self._tasks) < self._config.exchange_dials:
            task = background(self._work(), "pubsub")
            self._tasks.add(task)
            task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._start()

    async def _work(self) -> None:
        """Dial those that wait, the newest last, until none does."""
        while self._waiting:
            peer = next(iter(self._waiting))
            addresses = self._waiting.pop(peer)
            try:
                await self._host.connect(peer, addresses, timeout=self._config.exchange_timeout)
            except P2PError as error:
                self._counters["dial-failed"] += 1
                logger.debug("%s can't be connected to: %s", peer, error)

    async def stop(self) -> None:
        """End all dials."""
        self._waiting.clear()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
