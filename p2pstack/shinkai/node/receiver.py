"""What a node does with messages that were verified: acknowledges, answers, and tells (SHK-82, SHK-90, SHK-92)."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Coroutine
from typing import Any

from p2pstack.errors import P2PError
from p2pstack.identity.peer_id import PeerId
from p2pstack.shinkai.builder import ShinkaiMessageBuilder
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.keys import NodeKeys, key_of_name
from p2pstack.shinkai.message import EncryptedBody, ShinkaiMessage
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.network.handler import Arrival, ShinkaiMessageHandler, Via
from p2pstack.shinkai.network.profiles import Profile
from p2pstack.shinkai.node.acks import acknowledged_key, make_ack
from p2pstack.shinkai.node.events import MessageAccepted, NodeEvent
from p2pstack.shinkai.node.outgoing import Outgoing
from p2pstack.shinkai.node.sender import Notifier, Sender, SendOptions
from p2pstack.shinkai.node.stages import Arrived, Stage, stage_of
from p2pstack.shinkai.node.store import StoredMessage
from p2pstack.shinkai.storage.retry_queue import RetryQueue
from p2pstack.storage.database import Database

__all__ = ["Receiver"]

logger = logging.getLogger("p2pstack.shinkai")

_BELIEVED_EVERY = 600.0
"""Seconds between two times that a seed peer's word makes us try what waits for its node."""

_MAX_BELIEVED = 1_024

_MAX_ANSWERS = 1_000
"""Acknowledgements and Pongs that are on their way; further ones are dropped, and their messages come again."""


class Receiver:
    """Takes what the job manager has verified; the dispatch of one node."""

    def __init__(
        self,
        name: ShinkaiName,
        keys: NodeKeys,
        *,
        database: Database,
        handler: ShinkaiMessageHandler,
        outgoing: Outgoing,
        sender: Sender,
        queue: RetryQueue,
        backlog: set[str],
        clock: Callable[[], float],
        entropy: Callable[[int], bytes],
        emit: Callable[[NodeEvent], None],
    ) -> None:
        self.notifier: Notifier | None = None
        self._name = name
        self._keys = keys
        self._database = database
        self._handler = handler
        self._outgoing = outgoing
        self._sender = sender
        self._queue = queue
        self._backlog = backlog
        self._clock = clock
        self._entropy = entropy
        self._emit = emit
        self._believed: OrderedDict[str, float] = OrderedDict()
        self._tasks: set[asyncio.Task[None]] = set()

    async def on_ping(self, sender: IdentityRecord) -> None:
        """Answer with a message of our own; there is no answer to the request (facts of both eras)."""
        self._spawn(self._pong(sender.name))
        await self.seen(sender.name)

    async def on_ack(self, sender: IdentityRecord, arrived: Arrived) -> None:
        """A node has acknowledged something."""
        try:
            await self._sender.acknowledged(sender.name, acknowledged_key(arrived.message))
        except P2PError as error:
            logger.warning("an acknowledgement of %s can't be noted: %s", sender.name, error)

    async def on_stored(self, sender: IdentityRecord, stored: StoredMessage, *, by_libp2p: bool) -> None:
        """A message is in the inbox: tell, and acknowledge it."""
        event = MessageAccepted(key=stored.key, sender=sender.name.full_name, inbox=stored.inbox, via=stored.via)
        self._emit(event)
        if self.notifier is not None:
            self.notifier.notify(stored.inbox, stored.message)
        ack = self.ack(sender.name, stored.key)
        if not self._handler.answer(stored.key, ack):
            self._spawn(self._outgoing.acknowledge(ack, sender.name, by_libp2p=by_libp2p))
        await self.seen(sender.name)

    def on_question(self, sender: IdentityRecord, key: str) -> None:
        """Acknowledge a relay's question; what came by other ways than a request gets no answer."""
        self._handler.answer(key, self.ack(sender.name, key))

    def answer_nothing(self, key: str) -> None:
        """Nothing will be said about this job."""
        self._handler.answer(key, None)

    async def on_duplicate(self, arrival: Arrival) -> ShinkaiMessage | None:
        """Acknowledge a message that was accepted before: its first acknowledgement was lost (SHK-92).

        Raises:
            P2PError: the file can't be read.
        """
        message = arrival.message
        if await self._is_waiting(arrival.key):
            return None
        if not await self._was_accepted(arrival.key, message):
            self._handler.answer(arrival.key, None)
            return None
        sender = message.sender_node
        ack = self.ack(sender, arrival.key)
        if arrival.via is Via.DIRECT:
            return ack
        self._spawn(self._outgoing.acknowledge(ack, sender, by_libp2p=arrival.via is Via.GOSSIP))
        return None

    async def _is_waiting(self, key: str) -> bool:
        """Whether a message is still to be worked on; its acknowledgement then serves every copy."""
        return await self._database.run(
            lambda connection: (
                connection.execute("SELECT 1 FROM job WHERE key = ? AND dead = ''", (key,)).fetchone() is not None
            )
        )

    async def _was_accepted(self, key: str, message: ShinkaiMessage) -> bool:
        """Whether a message was accepted, and is one of those that are acknowledged.

        What was refused is not among those that are known; what was put aside is, and still in the queue.
        """
        if not isinstance(message.body, EncryptedBody) and stage_of(message) not in {Stage.MESSAGE, Stage.JOB}:
            return False

        def operation(connection: sqlite3.Connection) -> bool:
            known = connection.execute("SELECT 1 FROM seen WHERE key = ?", (key,)).fetchone()
            return known is not None and not connection.execute("SELECT 1 FROM job WHERE key = ?", (key,)).fetchone()

        return await self._database.run(operation)

    def ack(self, recipient: ShinkaiName, key: str) -> ShinkaiMessage:
        """Return the acknowledgement of a message."""
        return make_ack(
            self._keys, self._name.node, recipient.node_name, key, time=self._clock(), entropy=self._entropy
        )

    async def seen(self, name: ShinkaiName) -> None:
        """A node has shown up: what waits for it is tried now."""
        if name.node_name not in self._backlog:
            return
        self._backlog.discard(name.node_name)
        try:
            await self._queue.hasten(name.node_name)
        except P2PError as error:
            logger.warning("what waits for %s can't be hastened: %s", name, error)

    async def showed_up(self, profile: Profile, peer: PeerId, name: ShinkaiName) -> None:
        """A peer that calls itself ``name`` is connected: what waits for that node is tried, if that is likely true.

        Each attempt counts, so a stranger must not be able to use them up. In head the directory knows the peer's id.
        In seed anybody can have the id of any name, and is believed once in a while.
        """
        if name.node_name not in self._backlog:
            return
        if profile is Profile.HEAD:
            try:
                route = await self._outgoing.route(name)
            except P2PError:
                return
            if route.record.peer_id != peer:
                return
        else:
            now = asyncio.get_running_loop().time()
            if peer != key_of_name(name).peer_id or now < self._believed.get(name.node_name, 0.0):
                return
            self._believed.pop(name.node_name, None)
            self._believed[name.node_name] = now + _BELIEVED_EVERY
            if len(self._believed) > _MAX_BELIEVED:
                self._believed.popitem(last=False)
        await self.seen(name)

    async def close(self) -> None:
        """End the answers that are on their way."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def _pong(self, name: ShinkaiName) -> None:
        builder = ShinkaiMessageBuilder(
            self._keys, self._name.node_name, name.node_name, time=self._clock(), entropy=self._entropy
        )
        await self._sender.send(builder.pong().build(), SendOptions(save=False))

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        if len(self._tasks) >= _MAX_ANSWERS:
            coroutine.close()
            return
        task = asyncio.get_running_loop().create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
