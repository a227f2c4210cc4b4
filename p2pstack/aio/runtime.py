"""What all connections of a host share: the loop, the receive buffer, the handlers, and who is told of their fate."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Protocol

from p2pstack.aio.buffer import ReceiveBuffer
from p2pstack.aio.config import ShellConfig
from p2pstack.aio.spin import Spinner
from p2pstack.connection.machine import Endpoint
from p2pstack.connection.trace import TraceSink
from p2pstack.errors import P2PError

if TYPE_CHECKING:
    from p2pstack.aio.connection import Connection
    from p2pstack.aio.tasks import HandlerEntry

__all__ = ["Owner", "Runtime"]


class Owner(Protocol):
    """Who decides about connections and keeps them: the host. All three are called from callbacks of the loop."""

    def admit(self, connection: Connection) -> P2PError | None:
        """Decide on a connected socket, before any byte; an error refuses it."""

    def opened(self, connection: Connection) -> P2PError | None:
        """Take an upgraded connection, whose peer is known now; an error refuses it."""

    def ended(self, connection: Connection) -> None:
        """Forget a connection, admitted or not."""


class Runtime:
    """The common ground of a host's connections. Made inside the running loop."""

    __slots__ = ("buffer", "config", "endpoint", "handlers", "loop", "owner", "spinner", "trace")

    def __init__(
        self, owner: Owner, endpoint: Endpoint, config: ShellConfig, *, trace: TraceSink | None = None
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.owner = owner
        self.endpoint = endpoint
        self.config = config
        self.trace = trace
        self.buffer = ReceiveBuffer()
        self.handlers: dict[str, HandlerEntry] = {}
        self.spinner = Spinner(self.loop, config.spin_seconds) if config.spin_seconds else None
