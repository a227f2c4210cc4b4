"""A page of figures over HTTP, for this machine alone: ``GET /metrics``, one answer a connection."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Self

from p2pstack.aio.tcp import close_servers

__all__ = ["MetricsServer"]

MAX_HEAD = 4_096
"""Bytes of a request."""

MAX_CONNECTIONS = 8
"""At once; further ones are closed."""

TIMEOUT = 5.0
"""Seconds for a request and its answer."""


class MetricsServer:
    """Serves what ``text`` returns, of ``content_type``, on 127.0.0.1; use it with ``async with``.

    Port 0 picks a free one, which ``port`` then is.
    """

    def __init__(self, port: int, text: Callable[[], str], content_type: str) -> None:
        self.port = port
        self._text = text
        self._content_type = content_type
        self._server: asyncio.Server | None = None
        self._serving: set[asyncio.Task[None]] = set()
        self._closing = False

    async def __aenter__(self) -> Self:
        server = self._server = await asyncio.start_server(self._accept, "127.0.0.1", self.port, limit=MAX_HEAD)
        self.port = server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._closing = True
        if self._server is not None:
            await close_servers([self._server])
        for task in self._serving:
            task.cancel()
        if self._serving:
            await asyncio.wait(self._serving)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._closing or len(self._serving) >= MAX_CONNECTIONS:
            writer.transport.abort()
            return
        task = asyncio.get_running_loop().create_task(self._serve(reader, writer))
        self._serving.add(task)
        task.add_done_callback(self._serving.discard)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(TIMEOUT):
                writer.write(self._answer(await reader.readuntil(b"\r\n\r\n")))
                await writer.drain()
                writer.close()
                await writer.wait_closed()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # TimeoutError is an OSError
        finally:
            with contextlib.suppress(OSError):
                writer.transport.abort()

    def _answer(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        if method not in {b"GET", b"HEAD"}:
            return _response("405 Method Not Allowed", "text/plain", b"", head_only=False)
        if path != b"/metrics":
            return _response("404 Not Found", "text/plain", b"/metrics\n", head_only=method == b"HEAD")
        return _response("200 OK", self._content_type, self._text().encode(), head_only=method == b"HEAD")


def _response(status: str, kind: str, body: bytes, *, head_only: bool) -> bytes:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    return head.encode() + (b"" if head_only else body)
