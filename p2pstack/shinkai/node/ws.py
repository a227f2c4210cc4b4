"""Tells WebSocket clients of new messages: each is a JSON text with the fields of the original's (SHK-96).

A client says what it wants to hear of, with ``{"subscriptions": [{"topic": "inbox", "subtopic": "<inbox>"}]}``; without
a subtopic, all inboxes. ``unsubscriptions`` takes that back. Needs the extra ``websockets``.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
import logging
from collections import Counter
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from p2pstack.aio.tcp import close_servers
from p2pstack.errors import ConfigError, DecodeError, LocalError
from p2pstack.shinkai import json_text
from p2pstack.shinkai.errors import MessageError

if TYPE_CHECKING:
    from websockets.asyncio.server import Server, ServerConnection
    from websockets.http11 import Request, Response

__all__ = ["WsManager"]

logger = logging.getLogger("p2pstack.shinkai")

_MAX_REQUEST = 65_536
_MAX_SUBSCRIPTIONS = 256
_TOPIC = "inbox"

CLOSE_TIMEOUT = 1.0
"""Seconds for telling the clients good-bye. Against those that say nothing, or do not answer."""


class WsManager:
    """A WebSocket server for a node's own clients. Use it with ``async with``.

    Args:
        host: the address to listen on. Messages are told decrypted: keep it on this machine, or behind TLS.
        port: 0 picks a free one.
        token: clients have to send it, as ``Authorization: Bearer <token>``. Needed unless ``host`` is a loopback one.
        max_clients: further ones are refused.
        max_waiting: notices that a slow client may be behind; then it is dropped.

    Raises:
        ConfigError: others could connect, and there is no token.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        token: str | None = None,
        max_clients: int = 64,
        max_waiting: int = 256,
    ) -> None:
        if token is None and host not in {"127.0.0.1", "::1", "localhost"}:
            raise ConfigError("WebSocket clients of other machines need a token")
        self.counters: Counter[str] = Counter()
        self._host = host
        self._port = port
        self._token = token
        self._max_clients = max_clients
        self._max_waiting = max_waiting
        self._server: Server | None = None
        self._clients: dict[ServerConnection, _Client] = {}
        self._connections: set[ServerConnection] = set()

    def __len__(self) -> int:
        """Clients that are connected."""
        return len(self._clients)

    @property
    def port(self) -> int:
        """The port it listens on; 0 before the start."""
        if self._server is None:
            return self._port
        port: int = next(iter(self._server.sockets)).getsockname()[1]
        return port

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def start(self) -> None:
        """Listen.

        Raises:
            LocalError: the package ``websockets`` is not installed.
            OSError: the address is in use or not of this machine.
        """
        try:
            from websockets.asyncio.server import serve
        except ImportError as error:
            raise LocalError("WebSocket clients need the package websockets: pip install p2pstack[ws]") from error
        self._server = await serve(
            self._serve,
            self._host,
            self._port,
            process_request=self._admit,
            create_connection=_noted(self._connections),
            max_size=_MAX_REQUEST,
            max_queue=4,
            compression=None,
        )

    async def close(self) -> None:
        """Tell the clients good-bye, and end, within ``CLOSE_TIMEOUT`` seconds. Closing twice is fine."""
        server, self._server = self._server, None
        if server is None:
            return
        try:
            await close_servers([server])
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_TIMEOUT):
                    await server.wait_closed()
        finally:
            for connection in tuple(self._connections):
                connection.transport.abort()
        await server.wait_closed()

    def notify(self, inbox: str, message: bytes) -> int:
        """Tell who wants to hear of ``inbox`` of a message, its JSON; return how many that are. Never waits."""
        told = 0
        notice = ""
        for connection, client in list(self._clients.items()):
            if not client.wants(inbox):
                continue
            notice = notice or _notice(inbox, message)
            if client.put(notice):
                told += 1
            else:
                self.counters["slow"] += 1
                connection.transport.abort()
        self.counters["notices"] += told
        return told

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        """Refuse a client without the token, or beyond the limit."""
        if self._token is not None:
            given = request.headers.get("Authorization", "")
            if not hmac.compare_digest(given.encode(), f"Bearer {self._token}".encode()):
                self.counters["unauthorised"] += 1
                return connection.respond(401, "a token is needed\n")
        elif "Origin" in request.headers:
            # A page in the user's browser, of whatever site, can open connections to this machine.
            self.counters["origin"] += 1
            return connection.respond(403, "browsers need a token\n")
        if len(self._clients) >= self._max_clients:
            self.counters["full"] += 1
            return connection.respond(503, "too many clients\n")
        return None

    async def _serve(self, connection: ServerConnection) -> None:
        from websockets.exceptions import ConnectionClosed

        client = _Client(self._max_waiting)
        self._clients[connection] = client
        sender = asyncio.get_running_loop().create_task(client.send_to(connection))
        try:
            with contextlib.suppress(ConnectionClosed):
                async for request in connection:
                    await connection.send(self._answer(client, request))
        finally:
            del self._clients[connection]
            sender.cancel()
            await asyncio.wait((sender,))

    def _answer(self, client: _Client, request: str | bytes) -> str:
        try:
            client.change(request)
        except DecodeError as error:
            self.counters["malformed"] += 1
            return json.dumps({"message_type": "ShinkaiMessage", "error_message": str(error)})
        return json.dumps({"subscriptions": sorted(client.inboxes)})


def _noted(connections: set[ServerConnection]) -> type[ServerConnection]:
    """Return what connections are made of that are in ``connections`` as long as their sockets are open.

    The server itself names those alone that have sent a request.
    """
    from websockets.asyncio.server import ServerConnection

    class Noted(ServerConnection):
        def connection_made(self, transport: asyncio.BaseTransport) -> None:
            super().connection_made(transport)
            connections.add(self)

        def connection_lost(self, exc: Exception | None) -> None:
            connections.discard(self)
            super().connection_lost(exc)

    return Noted


class _Client:
    """What one client wants to hear of, and what it was not told yet."""

    def __init__(self, max_waiting: int) -> None:
        self.inboxes: set[str] = set()
        self._waiting: asyncio.Queue[str] = asyncio.Queue(max_waiting)

    def wants(self, inbox: str) -> bool:
        return "" in self.inboxes or inbox in self.inboxes

    def put(self, notice: str) -> bool:
        try:
            self._waiting.put_nowait(notice)
        except asyncio.QueueFull:
            return False
        return True

    async def send_to(self, connection: ServerConnection) -> None:
        """Send notices until the client is gone."""
        from websockets.exceptions import ConnectionClosed

        try:
            while True:
                await connection.send(await self._waiting.get())
        except ConnectionClosed:
            return

    def change(self, request: str | bytes) -> None:
        """Take what a client asks for.

        Raises:
            DecodeError: it is no request, or too much is asked for.
        """
        if isinstance(request, bytes):
            raise DecodeError("a request is a text")
        try:
            value = json_text.plain(json_text.read_numbers(request))
        except MessageError as error:
            raise DecodeError(f"this is no request: {error}") from error
        if not isinstance(value, dict):
            raise DecodeError("a request is an object")
        added = _inboxes(value.get("subscriptions", []))
        removed = _inboxes(value.get("unsubscriptions", []))
        inboxes = (self.inboxes | added) - removed
        if len(inboxes) > _MAX_SUBSCRIPTIONS:
            raise DecodeError(f"{_MAX_SUBSCRIPTIONS} subscriptions are allowed")
        self.inboxes = inboxes


def _inboxes(value: Any) -> set[str]:
    if not isinstance(value, list):
        raise DecodeError("subscriptions are an array")
    inboxes = set()
    for each in value:
        if not isinstance(each, dict) or each.get("topic") != _TOPIC:
            raise DecodeError(f"a subscription is an object with the topic {_TOPIC}")
        subtopic = each.get("subtopic") or ""
        if not isinstance(subtopic, str):
            raise DecodeError("a subtopic is the name of an inbox")
        inboxes.add(subtopic.lower())
    return inboxes


def _notice(inbox: str, message: bytes) -> str:
    return json.dumps(
        {
            "message_type": "ShinkaiMessage",
            "inbox": inbox,
            "message": message.decode(),
            "error_message": None,
            "metadata": None,
            "widget": None,
            "is_stream": False,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )
