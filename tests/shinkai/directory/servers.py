"""A fake JSON-RPC server on loopback, whose answers a test chooses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

Reply = Callable[[dict[str, Any], asyncio.StreamWriter], Awaitable[None]]


class Server:
    """What was asked of a server, and where it is."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[dict[str, Any]] = []
        self.heads: list[str] = []


@asynccontextmanager
async def serving(reply: Reply) -> AsyncIterator[Server]:
    found = Server()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            size = int(head.lower().split("content-length:")[1].split()[0])
            request = json.loads(await reader.readexactly(size))
            found.heads.append(head)
            found.requests.append(request)
            await reply(request, writer)
            await writer.drain()
        except (ConnectionError, asyncio.CancelledError):
            return
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    found.url = f"http://127.0.0.1:{port}/secret-key?x=1"
    try:
        yield found
    finally:
        server.close()
        ended = list(tasks)
        for task in ended:
            task.cancel()
        await asyncio.gather(*ended)


def http(body: bytes, *, status: str = "200 OK", headers: str | None = None) -> bytes:
    lengths = f"Content-Length: {len(body)}\r\n" if headers is None else headers
    return f"HTTP/1.1 {status}\r\n{lengths}\r\n".encode() + body


def saying(data: bytes) -> Reply:
    """Answer with these bytes, whatever is asked; then the connection ends once they are read."""

    async def reply(_: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        writer.write(data)
        await writer.drain()
        writer.write_eof()
        await asyncio.Event().wait()

    return reply


def results(*answers: str, **changes: object) -> Reply:
    """Answer with JSON-RPC results, one after the other and the last for ever, changed by ``changes``."""
    left = list(answers)

    async def reply(request: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        result = left.pop(0) if len(left) > 1 else left[0]
        answer = {"jsonrpc": "2.0", "id": request["id"], "result": result, **changes}
        writer.write(http(json.dumps(answer).encode()))

    return reply


async def silence(_: dict[str, Any], __: asyncio.StreamWriter) -> None:
    await asyncio.Event().wait()
