"""A Redis with four commands, in the test's own loop; or a server that answers each command as a test has written."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from p2pstack.cli.harness_resp import encode_command

__all__ = ["FakeRedis", "serving"]


class FakeRedis:
    """Lists by name. ``script`` has the answers to the next commands, as bytes; None closes the connection."""

    def __init__(self, *script: bytes | None) -> None:
        self.lists: defaultdict[str, deque[bytes]] = defaultdict(deque)
        self.commands: list[list[str]] = []
        self.script = deque(script)
        self.port = 0
        self.connections = 0
        self._news = asyncio.Condition()

    @property
    def endpoint(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve a connection to its end."""
        self.connections += 1
        try:
            while words := await _command(reader):
                self.commands.append([word.decode() for word in words])
                answer = self.script.popleft() if self.script else await self._answer(self.commands[-1])
                if answer is None:
                    break
                writer.write(answer)
        finally:
            writer.close()

    async def _answer(self, words: list[str]) -> bytes:
        match words:
            case ["PING"]:
                return b"+PONG\r\n"
            case ["RPUSH", name, value]:
                async with self._news:
                    self.lists[name].append(value.encode())
                    self._news.notify_all()
                return b":%d\r\n" % len(self.lists[name])
            case ["DEL", *names]:
                return b":%d\r\n" % sum(self.lists.pop(name, None) is not None for name in names)
            case ["BLPOP", name, seconds]:
                try:
                    async with asyncio.timeout(float(seconds)), self._news:
                        await self._news.wait_for(lambda: self.lists[name])
                except TimeoutError:
                    return b"*-1\r\n"
                return encode_command(name, self.lists[name].popleft())  # a reply of byte strings looks the same
        return b"-ERR unknown command\r\n"


async def _command(reader: asyncio.StreamReader) -> list[bytes]:
    """Read a command; an empty one at the end of the stream."""
    words = []
    try:
        for _ in range(int((await reader.readline())[1:] or 0)):
            size = int((await reader.readline())[1:])
            words.append((await reader.readexactly(size + 2))[:-2])
    except (ConnectionError, asyncio.IncompleteReadError):
        return []
    return words


@asynccontextmanager
async def serving(redis: FakeRedis, port: int = 0) -> AsyncIterator[FakeRedis]:
    """Let ``redis`` listen on a port of 127.0.0.1, or on a free one."""
    tasks: list[asyncio.Task[None]] = []

    def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.create_task(redis.serve(reader, writer)))

    server = await asyncio.start_server(serve, "127.0.0.1", port)
    redis.port = server.sockets[0].getsockname()[1]
    try:
        yield redis
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
