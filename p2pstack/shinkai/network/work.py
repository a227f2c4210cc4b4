"""Working on the events of a manager's channel, each in a task of its own (SHK-70; specs/shinkai.md).

In the original an event whose handler fails ends the loop, and with it all sending. Here it ends its own task.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from p2pstack.errors import HostClosed, LocalError, P2PError
from p2pstack.shinkai.network.channel import EventChannel
from p2pstack.shinkai.network.events import (
    AddPeer,
    BroadcastMessage,
    ConnectToDiscoveredPeer,
    DiscoverPeers,
    NetworkEvent,
    PingPeer,
    SendDirectMessage,
    SendMessage,
    SendResponse,
    TryDirectConnectionUpgrade,
)
from p2pstack.shinkai.network.gossip import direct_topic
from p2pstack.shinkai.network.profiles import Profile

if TYPE_CHECKING:
    from p2pstack.shinkai.network.manager import LibP2PManager

__all__ = ["EventWorker"]

logger = logging.getLogger("p2pstack.shinkai")


class EventWorker:
    """Takes events from the channel of one manager, and does what they ask for."""

    def __init__(self, manager: LibP2PManager, channel: EventChannel, counters: Counter[str]) -> None:
        self._manager = manager
        self._channel = channel
        self._counters = counters
        self._running: set[asyncio.Task[object]] = set()

    async def run(self) -> None:
        """Work until the channel is closed; then end what is under way."""
        loop = asyncio.get_running_loop()
        limit = self._manager.config.max_running
        try:
            while (event := await self._channel.get()) is not None:
                task = loop.create_task(self._do(event))
                self._running.add(task)
                task.add_done_callback(partial(self._ended, event))
                while len(self._running) >= limit:
                    await asyncio.wait(self._running, return_when=asyncio.FIRST_COMPLETED)
        finally:
            tasks = list(self._running)
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)

    async def _do(self, event: NetworkEvent) -> object:
        """Do what one event asks for; return its result."""
        manager = self._manager
        match event:
            case SendDirectMessage() | SendMessage():
                return await self._send(event)
            case BroadcastMessage():
                return await manager.broadcast(event.topic, event.message)
            case SendResponse():
                return event.channel.send(event.message)
            case AddPeer():
                return await manager.add_peer(event.address, event.peer_id)
            case PingPeer():
                return await manager.ping(event.peer_id)
            case DiscoverPeers():
                return await manager.discover()
            case TryDirectConnectionUpgrade():
                return await manager.upgrade(event.peer_id)
            case ConnectToDiscoveredPeer():
                return await manager.connect_identity(event.identity)
            case _:
                raise LocalError(f"a manager does not know what to do with {type(event).__name__}")

    async def _send(self, event: SendDirectMessage | SendMessage) -> object:
        if self._manager.profile is Profile.SEED:
            return await self._manager.broadcast(direct_topic(event.peer_id), event.message)
        addresses = event.addresses if isinstance(event, SendDirectMessage) else ()
        return await self._manager.send_direct(event.peer_id, event.message, addresses)

    def _ended(self, event: NetworkEvent, task: asyncio.Task[object]) -> None:
        """Tell the sender of an event what became of it."""
        self._running.discard(task)
        if task.cancelled():
            self.settle(event, error=HostClosed("the manager was stopped"))
            return
        error = task.exception()
        if error is None:
            self.settle(event, value=task.result())
            return
        self._counters["event-failed"] += 1
        name = type(event).__name__
        if isinstance(error, P2PError):
            logger.info("%s: %s", name, error)
        else:
            logger.error("%s failed", name, exc_info=error)
        self.settle(event, error=error)

    @staticmethod
    def settle(event: NetworkEvent, *, value: object = None, error: BaseException | None = None) -> None:
        """Give the future of an event its result, or its error; nothing where there is none, or it was given up."""
        result = event.result
        if result is None or result.done():
            return
        if error is None:
            result.set_result(value)
        else:
            result.set_exception(error)
            # Who does not look was told by the log: it is not an error of the loop's.
            result.exception()
