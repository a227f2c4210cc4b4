"""A Shinkai node: everything below it, started in order and ended in order (specs/shinkai.md).

::

    async with ShinkaiNode("@@alice.shinkai", keys=keys, directory=directory, data=Path("alice")) as node:
        result = await node.send_text("@@bob.shinkai", "Hello Bob")
        print(result.state, result.next_attempt)
        async for message in node.inbox():
            print(message.sender, message.text)
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import tempfile
import time
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from p2pstack.errors import LocalError
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.shinkai.builder import ShinkaiMessageBuilder
from p2pstack.shinkai.directory.interface import Directory
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.keys import EncryptionSecretKey, NodeKeys
from p2pstack.shinkai.message import ShinkaiMessage
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.network.handler import Via
from p2pstack.shinkai.network.profiles import Profile
from p2pstack.shinkai.node.base import NodeBase
from p2pstack.shinkai.node.config import NodeConfig
from p2pstack.shinkai.node.events import LibP2PUnavailable
from p2pstack.shinkai.node.handlers import MessageHandler, pump
from p2pstack.shinkai.node.inbox import InboxReader
from p2pstack.shinkai.node.libp2p import LibP2PHalf
from p2pstack.shinkai.node.listening import listen_endpoint
from p2pstack.shinkai.node.outgoing import peer_endpoint
from p2pstack.shinkai.node.parts import NodeParts
from p2pstack.shinkai.node.relays import relay_place
from p2pstack.shinkai.node.results import SendResult
from p2pstack.shinkai.node.sender import Notifier, SendOptions
from p2pstack.shinkai.node.store import Kind, MessageStore
from p2pstack.shinkai.storage.schema import open_database

__all__ = ["Node", "ShinkaiNode"]

logger = logging.getLogger("p2pstack.shinkai")

_FILE = "node.sqlite"


class ShinkaiNode(NodeBase):
    """A node of a Shinkai network. Use it with ``async with``; when the block is left nothing remains but its file.

    Args:
        name: the node's, such as ``@@alice.shinkai``; repaired where ``@@`` or the ending is missing.
        keys: what it signs with, and is written to with.
        directory: where names are looked up. It stays the caller's, and is not closed.
        data: the folder of the node's file, made if there is none. None: a temporary one, which goes with the node.
        config: limits and times.
        profile: HEAD as nodes of today, SEED as those of June 2025, or BOTH.
        listen: ``host:port`` or a multiaddr; one port for messages over TCP and for libp2p. Port 0 picks a free one.
        relay: a libp2p relay to stay connected to: its multiaddr, or its name, which is looked up until it is found.
        proxy: the name of the relay node that messages to and from nodes behind one go through.
        bootstrap: multiaddrs of peers to stay connected to, and to find all others by; ``/dnsaddr`` lists, too.
        ws_manager: told of every message that is stored: a started ``WsManager``, or anything with its ``notify``.
        clock: seconds since 1970.
        entropy: random bytes.

    Raises:
        InvalidName: ``name`` is none, or a relay's.
        ConfigError: ``listen`` is no address.
    """

    def __init__(  # noqa: PLR0913 - a node has many sides, and each has a default
        self,
        name: str | ShinkaiName,
        *,
        keys: NodeKeys,
        directory: Directory,
        data: Path | None = None,
        config: NodeConfig | None = None,
        profile: Profile = Profile.HEAD,
        listen: str = "0.0.0.0:9552",
        relay: str | Multiaddr | ShinkaiName | None = None,
        proxy: str | ShinkaiName | None = None,
        bootstrap: Sequence[str | Multiaddr] = (),
        ws_manager: Notifier | None = None,
        clock: Callable[[], float] = time.time,
        entropy: Callable[[int], bytes] = os.urandom,
    ) -> None:
        config = config or NodeConfig()
        super().__init__(_name(name), keys, config, profile, listen_endpoint(listen))
        self.directory = directory
        self._data = data
        self._relay = relay_place(relay, directory)
        self._proxy = None if proxy is None else _name(proxy)
        self._bootstrap = tuple(bootstrap)
        self._ws_manager = ws_manager
        self._clock = clock
        self._entropy = entropy
        self._libp2p = LibP2PHalf(
            profile,
            config,
            on_error=lambda reason: self._bus.emit(LibP2PUnavailable(reason=reason)),
            on_up=self._seen,
            on_answer=self._on_answer,
        )
        self._message_handler: MessageHandler | None = None
        self._job_handler: MessageHandler | None = None
        self._life = contextlib.AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self._idle = asyncio.Event()
        self._idle.set()

    # -- life

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Start, in this order: file, queues, inbox, TCP, jobs, retries, libp2p.

        A node whose libp2p does not start works over TCP; ``libp2p_error`` says why.

        Raises:
            StorageError: the file can't be opened; StorageLocked: another process has it.
            OSError: the address can't be listened on.
            LocalError: it was started before.
        """
        if self._parts is not None or self._closing:
            raise LocalError("a node is started once")
        try:
            await self._start()
        except BaseException:
            await self.close()
            raise

    async def _start(self) -> None:
        parts = self._parts = await self._make_parts()
        parts.manager.is_relay = self._is_relay
        if parts.listener is not None:
            self._life.push_async_callback(parts.listener.close)
            await parts.listener.start(self._endpoint)
            parts.handler.receiver = parts.listener.address
        self._spawn(parts.manager.run())
        self._spawn(parts.worker.run())
        self._start_pumps()
        if self.config.libp2p:
            await self._libp2p.start(
                self.name,
                self.keys,
                handler=parts.handler,
                listener=parts.listener,
                endpoint=self._endpoint,
                relay=self._relay,
                bootstrap=self._bootstrap,
                database=parts.database,
            )
            parts.outgoing.ways = self._libp2p.ways()
            parts.outgoing.relay_name = self._libp2p.relay_name
        else:
            self._libp2p.error = "it is switched off"

    async def _make_parts(self) -> NodeParts:
        database = await self._life.enter_async_context(await open_database(self._file(), self.config.storage))
        parts = NodeParts(
            self.name,
            self.keys,
            self.directory,
            self.config,
            database=database,
            store=await MessageStore.open(database, self.config.inbox, clock=self._clock),
            proxy=self._proxy,
            notifier=self._ws_manager,
            clock=self._clock,
            entropy=self._entropy,
            emit=self._bus.emit,
        )
        await parts.ledger.load()
        return parts

    def _file(self) -> Path:
        """Return the node's file, in its folder, which only its owner may enter."""
        folder = self._data
        if folder is None:
            folder = Path(self._life.enter_context(tempfile.TemporaryDirectory(prefix="p2pstack-")))
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        return folder / _FILE

    async def close(self) -> None:
        """End everything, in the reverse order; what was accepted stays in the file. Idempotent.

        Sends that are under way are given ``close_timeout`` seconds.
        """
        if self._closing:
            return
        self._closing = True
        parts = self._parts
        try:
            if self._sending:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(self.config.close_timeout):
                        await self._idle.wait()
            await self._libp2p.close()
            for task in self._tasks:
                task.cancel()
            if self._tasks:
                await asyncio.wait(self._tasks)
            if parts is not None:
                await parts.receiver.close()
                await parts.sender.close()
        finally:
            self._bus.close()
            await self._life.aclose()

    # -- sending

    async def send(
        self,
        message: ShinkaiMessage,
        encryption_key: EncryptionSecretKey | None = None,
        peer: object = None,
        proxy_info: str | ShinkaiName | None = None,
        db: MessageStore | None = None,
        identity_manager: Directory | None = None,
        ws_manager: Notifier | None = None,
        save_to_db: bool = True,  # noqa: FBT001, FBT002 - the original's argument, in its place
        retry: int | None = None,
    ) -> SendResult:
        """Send a message to the node that it names; return what became of it (SHK-80).

        A body in the clear is encrypted for the recipient's node, and what this node has not signed is signed. Then the
        message is on disk, and tried: by libp2p, then over TCP. What is not acknowledged stays, and is tried again with
        growing pauses, also after the process has ended by whatever signal. ACK, Ping and Pong are tried once.

        Args:
            message: from this node, or a profile of it.
            encryption_key: our key for its body; None: the node's.
            peer: where the recipient is, if not where the directory says: an Endpoint, ``"host:port"``,
                ``(host, port)``, or one of these with a name.
            proxy_info: the name of the relay node for a recipient behind one; None: the node's ``proxy``.
            db: where the sent message is saved; None: in the node's own store.
            identity_manager: where names are looked up; None: in the node's directory.
            ws_manager: told of the message once it is saved; None: the node's.
            save_to_db: save it among the messages of its inbox once it is delivered.
            retry: how often it was tried before; its pauses go on from there.

        Raises:
            LocalError: ``peer`` or ``retry`` is none.
            HostClosed: the node is not running.
        """
        parts = self._running()
        if retry is not None and not 0 <= retry < self.config.retry.max_attempts:
            raise LocalError(f"retry is 0 to {self.config.retry.max_attempts - 1}")
        options = SendOptions(
            encryption_key=encryption_key,
            address=peer_endpoint(peer),
            proxy=None if proxy_info is None else _name(proxy_info),
            store=db,
            directory=identity_manager,
            notifier=ws_manager or self._ws_manager,
            save=save_to_db,
            retry=retry,
        )
        self._sending += 1
        self._idle.clear()
        try:
            return await parts.sender.send(message, options)
        finally:
            self._sending -= 1
            if not self._sending:
                self._idle.set()

    async def send_text(self, to: str | ShinkaiName, text: str) -> SendResult:
        """Send a text to a node, or a profile of one (``@@bob.shinkai/main``); see :meth:`send`.

        Raises:
            InvalidName: ``to`` is no name.
            HostClosed: the node is not running.
        """
        return await self.send(self.builder(to).text(text).build())

    def builder(self, to: str | ShinkaiName) -> ShinkaiMessageBuilder:
        """Begin a message from this node to another, or a profile of one; :meth:`send` encrypts it.

        Raises:
            InvalidName: ``to`` is no name.
        """
        name = _name(to)
        return ShinkaiMessageBuilder(
            self.keys, self.name.node_name, name.node_name, time=self._clock(), entropy=self._entropy
        ).profiles(_below(self.name), _below(name))

    # -- receiving

    def inbox(self, name: str | None = None) -> InboxReader:
        """Return an async iterator over messages for this node, oldest first, of one inbox (by its name) or of all.

        Each comes until it was taken, also after a restart: by asking for the next one, or by ``await message.done()``.
        Several readers share what there is. Messages of jobs are left out if there is a handler for them.

        Raises:
            HostClosed: the node is not running.
        """
        kinds = tuple(Kind) if self._job_handler is None else (Kind.MESSAGE,)
        inbox = None if name is None else name.lower()
        return InboxReader(self._running().store, inbox=inbox, kinds=kinds, prefetch=self.config.inbox.prefetch)

    def on_message(self, handler: MessageHandler) -> MessageHandler:
        """Have ``handler``, an ``async def`` that takes a message, called with each; usable as a decorator.

        One after another. A message is taken when it returns, and comes again, later and a few times, when it raises.

        Raises:
            LocalError: there is one already.
        """
        if self._message_handler is not None:
            raise LocalError("there is a handler of messages already")
        self._message_handler = handler
        if self._parts is not None:
            self._start_pump(handler, self._message_kinds())
        return handler

    def on_job(self, handler: MessageHandler) -> MessageHandler:
        """The same for messages of jobs (JobMessageSchema, JobCreationSchema), which then go nowhere else.

        Raises:
            LocalError: there is one already, or the node has started with a handler of messages.
        """
        if self._job_handler is not None:
            raise LocalError("there is a handler of jobs already")
        if self._parts is not None and self._message_handler is not None:
            raise LocalError("a handler of jobs is named before the node starts, or before that of messages")
        self._job_handler = handler
        if self._parts is not None:
            self._start_pump(handler, (Kind.JOB,))
        return handler

    def _message_kinds(self) -> tuple[Kind, ...]:
        return tuple(Kind) if self._job_handler is None else (Kind.MESSAGE,)

    def _start_pumps(self) -> None:
        if self._job_handler is not None:
            self._start_pump(self._job_handler, (Kind.JOB,))
        if self._message_handler is not None:
            self._start_pump(self._message_handler, self._message_kinds())

    def _start_pump(self, handler: MessageHandler, kinds: Sequence[Kind]) -> None:
        self._spawn(pump(self._running().store, handler, kinds=kinds, prefetch=self.config.inbox.prefetch))

    # -- glue

    async def _seen(self, profile: Profile, peer: PeerId, name: ShinkaiName) -> None:
        if self._parts is not None:
            await self._parts.receiver.showed_up(profile, peer, name)

    def _is_relay(self, record: IdentityRecord) -> bool:
        return record.name == self._proxy or record.peer_id in self._libp2p.relays

    async def _on_answer(self, source: PeerId, message: ShinkaiMessage) -> None:
        await self._running().handler.handle(source, message, via=Via.DIRECT)

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self._tasks.append(asyncio.get_running_loop().create_task(coroutine))


def _name(name: str | ShinkaiName) -> ShinkaiName:
    return name if isinstance(name, ShinkaiName) else ShinkaiName.parse(name)


def _below(name: ShinkaiName) -> str:
    """Return what stands behind the node in a name."""
    return name.full_name.partition("/")[2]


Node = ShinkaiNode
"""The original's name of it."""
