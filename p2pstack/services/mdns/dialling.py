"""Connecting to the peers that mDNS finds: few at a time, not too often (MDNS-07)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from time import monotonic

from p2pstack.aio.tasks import background
from p2pstack.errors import P2PError
from p2pstack.host.host import BaseHost
from p2pstack.identity.peer_id import PeerId
from p2pstack.mdns.config import MdnsConfig
from p2pstack.services.pace import Pace

__all__ = ["FoundPeerDialler"]

logger = logging.getLogger("p2pstack.mdns")


class FoundPeerDialler:
    """Dials peers that are there and not connected. ``found`` are those that are there, whenever it is asked."""

    def __init__(self, host: BaseHost, config: MdnsConfig, found: Iterable[PeerId]) -> None:
        self._host = host
        self._config = config
        self._found = found
        self._pace = Pace(config.dial_burst, config.dial_interval)
        self._waiting: dict[PeerId, None] = {}
        self._dialling: dict[PeerId, asyncio.Task[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._again: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Dial again, from time to time, who is there and not connected."""
        self._again = asyncio.get_running_loop().call_later(self._config.redial_interval, self._look)

    async def stop(self) -> None:
        """Dial no more."""
        for timer in (self._timer, self._again):
            if timer is not None:
                timer.cancel()
        self._waiting.clear()
        tasks = list(self._dialling.values())
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)

    def want(self, peer: PeerId) -> None:
        """Dial ``peer`` when it is its turn, unless it is connected, or too many wait already."""
        if len(self._waiting) < self._config.max_waiting and peer not in self._dialling:
            self._waiting[peer] = None
            self._next()

    def forget(self, peer: PeerId) -> None:
        """Do not dial ``peer`` any more: it is gone."""
        self._waiting.pop(peer, None)

    def _look(self) -> None:
        self.start()
        for peer in self._found:
            if not self._host.connections(peer):
                self.want(peer)

    def _next(self) -> None:
        """Begin the dials whose turn it is."""
        loop = asyncio.get_running_loop()
        while self._waiting and len(self._dialling) < self._config.max_dials:
            peer = next(iter(self._waiting))
            if self._host.connections(peer) or self._enough():
                del self._waiting[peer]
                continue
            now = monotonic()
            if not self._pace.allow(now):
                if self._timer is not None:
                    self._timer.cancel()
                self._timer = loop.call_later(self._pace.delay(now), self._next)
                return
            del self._waiting[peer]
            task = self._dialling[peer] = background(self._dial(peer), "mDNS")
            task.add_done_callback(lambda _, peer=peer: self._ended(peer))  # type: ignore[misc]

    def _enough(self) -> bool:
        connected = sum(bool(self._host.connections(peer)) for peer in self._found)
        return connected >= self._config.max_connected

    def _ended(self, peer: PeerId) -> None:
        del self._dialling[peer]
        self._next()

    async def _dial(self, peer: PeerId) -> None:
        try:
            await self._host.connect(peer, timeout=self._config.dial_timeout)
        except P2PError as error:
            logger.info("%s was found on the local network, and can't be reached: %s", peer, error)
