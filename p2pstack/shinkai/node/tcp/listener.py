"""The node's port: frames of other nodes, and libp2p connections for the host (SHK-84 to SHK-87)."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Protocol

from p2pstack.aio.connection import Connection
from p2pstack.aio.tcp import close_servers, serve_tcp
from p2pstack.errors import LimitExceeded, LocalError, P2PError
from p2pstack.shinkai.endpoints import Endpoint
from p2pstack.shinkai.frames import Frame, MessageType
from p2pstack.shinkai.limits.connection_rate import ConnectionRate, source_of
from p2pstack.shinkai.node.config import TcpConfig
from p2pstack.shinkai.node.tcp.connection import AcceptedConnection

__all__ = ["Adopter", "TcpListener"]

logger = logging.getLogger("p2pstack.shinkai")


class Adopter(Protocol):
    """Who goes on with libp2p connections: a host."""

    def adopt(self, transport: asyncio.Transport, data: bytes = b"") -> Connection:
        """Take a connected socket, of which ``data`` was read."""

    def share(self, server: asyncio.Server) -> None:
        """Count the addresses of a listener as its own."""


class TcpListener:
    """Listens; gives each message to ``on_message`` (sender's address, payload), and libp2p to the host, if any.

    ``on_message`` is awaited, and raises nothing. ``refused`` counts why connections were ended, by reason.
    """

    def __init__(self, config: TcpConfig, on_message: Callable[[Endpoint, bytes], Awaitable[None]]) -> None:
        self.config = config
        self.refused: Counter[str] = Counter()
        self.accepted = 0
        self.frames = 0
        self._on_message = on_message
        self._rate = ConnectionRate(config.rate)
        self._server: asyncio.Server | None = None
        self._closing = False
        self._host: Adopter | None = None
        self._open: set[AcceptedConnection] = set()
        self._silent: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        """Connections that are open and bring frames, or nothing yet."""
        return len(self._open)

    @property
    def address(self) -> Endpoint:
        """Where it listens, with its real port.

        Raises:
            LocalError: it does not.
        """
        if self._server is None or not self._server.sockets:
            raise LocalError("the node's port is not open")
        host, port = self._server.sockets[0].getsockname()[:2]
        return Endpoint(host, port)

    async def start(self, endpoint: Endpoint) -> None:
        """Listen; port 0 picks a free one.

        Raises:
            OSError: the address is in use or not of this machine.
        """
        loop = asyncio.get_running_loop()
        self._server = await serve_tcp(loop, endpoint.host, endpoint.port, lambda: AcceptedConnection(self))

    def serve_host(self, host: Adopter | None) -> None:
        """Give libp2p connections to ``host`` from now on; None: to nobody, and they are closed."""
        self._host = host
        if host is not None and self._server is not None:
            host.share(self._server)

    async def close(self) -> None:
        """Close the port and all connections, and end what is being done with messages of theirs."""
        self._closing = True
        if self._server is not None:
            await close_servers([self._server])
        for connection in list(self._open):
            connection.close()
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)
        # Their sockets are closed by callbacks of the loop.
        await asyncio.sleep(0)

    # What connections ask of their owner

    def accept(self, connection: AcceptedConnection) -> P2PError | None:
        """Decide on a connection that has said nothing yet; an error refuses it."""
        if self._closing:  # the loop had accepted it before
            return LocalError("the node's port is closed")
        source = source_of(connection.peer.host)
        if len(self._open) >= self.config.max_connections:
            return LimitExceeded("max_connections", self.config.max_connections)
        if self._silent[source] >= self.config.max_silent and source != "loopback":
            return LimitExceeded("max_silent", self.config.max_silent)
        self._silent[source] += 1
        self._open.add(connection)
        return None

    def admit_frames(self, connection: AcceptedConnection) -> P2PError | None:
        """Decide on a connection whose first byte begins a frame; an error refuses it."""
        if not self.config.enabled:
            return LocalError("messages over plain TCP are switched off")
        refusal = self._rate.admit(connection.peer.host, asyncio.get_running_loop().time())
        if refusal is None:
            self._said_something(connection)
            self.accepted += 1
        return refusal

    def hand_over(self, connection: AcceptedConnection, transport: asyncio.Transport, data: bytes) -> bool:
        """Give a connection that speaks libp2p to the host; False where there is none."""
        if self._host is None:
            self.refused["no-libp2p"] += 1
            return False
        try:
            self._host.adopt(transport, data)
        except LocalError:
            self.refused["no-libp2p"] += 1
            return False
        return True

    def receive(self, connection: AcceptedConnection, frame: Frame) -> None:
        """Take a frame."""
        self.frames += 1
        if frame.type is not MessageType.SHINKAI_MESSAGE or not frame.payload:
            # A hello is for relays; a node ignores it, and frames without payload, as the original does.
            self.refused["no-message"] += 1
            connection.frame_done()
            return
        task = asyncio.get_running_loop().create_task(self._deliver(connection, frame.payload))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def refuse(self, reason: str) -> None:
        """Count a connection that broke the rules."""
        self.refused[reason] += 1

    def ended(self, connection: AcceptedConnection) -> None:
        """Forget a connection, which was handed over or is closed."""
        if connection not in self._open:
            return
        self._open.discard(connection)
        if connection.silent:
            self._said_something(connection)
        else:
            self._release(connection)

    def _release(self, connection: AcceptedConnection) -> None:
        source = source_of(connection.peer.host)
        if source != "loopback" or not self.config.rate.exempt_loopback:
            self._rate.release(connection.peer.host)

    def _said_something(self, connection: AcceptedConnection) -> None:
        source = source_of(connection.peer.host)
        self._silent[source] -= 1
        if self._silent[source] <= 0:
            del self._silent[source]

    async def _deliver(self, connection: AcceptedConnection, payload: bytes) -> None:
        try:
            await self._on_message(connection.peer, payload)
        finally:
            connection.frame_done()
