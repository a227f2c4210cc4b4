"""The Redis at which the programs of libp2p's interop tests leave each other their addresses.

A list a name: who has something to tell appends to it, who waits for it takes the first entry, once there is one.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections import deque
from time import monotonic
from typing import Self

from p2pstack.cli.arguments import CommandError
from p2pstack.cli.harness_resp import Failure, Replies, Reply, encode_command
from p2pstack.errors import DecodeError

__all__ = ["Redis", "redis_endpoint"]

PORT = 6379
ANSWER_SECONDS = 10.0
"""For an answer that the server need not wait for."""

RETRY_SECONDS = 0.1
_CHUNK = 65_536


def redis_endpoint(text: str) -> tuple[str, int]:
    """Return host and port of ``HOST``, ``HOST:PORT`` or ``[IPV6]:PORT``.

    Raises:
        CommandError: it is none of these.
    """
    host, colon, port = text.rpartition(":")
    if not colon or text.endswith("]"):
        host, port = text, str(PORT)
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit()) or not 0 < int(port) < 65_536:
        raise CommandError(f"{text!r} is no address of Redis: HOST:PORT is")
    return host, int(port)


class Redis:
    """A connection to Redis, for one command at a time. Made by :meth:`connect`; use it with ``async with``."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._replies = Replies()
        self._waiting: deque[Reply] = deque()

    @classmethod
    async def connect(cls, endpoint: tuple[str, int], timeout: float) -> Self:
        """Connect within ``timeout`` seconds; a server that is not there yet is tried again and again.

        Raises:
            CommandError: it does not answer by then, or answers what Redis does not.
        """
        deadline = monotonic() + timeout
        while True:
            try:
                async with asyncio.timeout(max(deadline - monotonic(), 0.0)):
                    return await cls._open(endpoint)
            except OSError as error:  # a timeout is one as well
                if monotonic() + RETRY_SECONDS >= deadline:
                    place = f"{endpoint[0]}:{endpoint[1]}"
                    raise CommandError(f"Redis at {place} does not answer: {error.strerror or 'timeout'}") from error
            await asyncio.sleep(RETRY_SECONDS)

    @classmethod
    async def _open(cls, endpoint: tuple[str, int]) -> Self:
        redis = cls(*await asyncio.open_connection(*endpoint))
        try:
            await redis.ping()
        except BaseException:
            redis.close()
            raise
        return redis

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.close()
        with contextlib.suppress(OSError):
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._writer.wait_closed()

    def close(self) -> None:
        """Close the connection."""
        self._writer.close()

    async def ping(self) -> None:
        """Ask whether the server is there.

        Raises:
            CommandError: it answers something else than Redis does.
            OSError: it does not answer.
        """
        await self._expect("PONG", "PING")

    async def push(self, name: str, value: str) -> int:
        """Append ``value`` to the list ``name``; return how many entries it has then.

        Raises:
            CommandError: the server refuses, or its answer is none.
            OSError: it does not answer.
        """
        reply = await self._call(ANSWER_SECONDS, "RPUSH", name, value)
        if not isinstance(reply, int):
            raise _unexpected("RPUSH", reply)
        return reply

    async def pop(self, name: str, timeout: float) -> str:
        """Take the first entry of the list ``name``, waiting for it up to ``timeout`` seconds.

        Raises:
            CommandError: there is none by then, it is no text, or the server's answer is none.
            OSError: the server does not answer.
        """
        # Servers before 6.0 take whole seconds only, and 0 means for ever.
        whole = max(1, math.ceil(timeout))
        reply = await self._call(whole + ANSWER_SECONDS, "BLPOP", name, whole)
        match reply:
            case None:
                raise CommandError(f"nobody has told {name} within {whole} s")
            case [bytes() as key, bytes() as value] if key == name.encode():
                try:
                    return value.decode("ascii")
                except UnicodeDecodeError as error:
                    raise CommandError(f"{name} is no text: {value[:64]!r}") from error
        raise _unexpected("BLPOP", reply)

    async def delete(self, *names: str) -> int:
        """Forget lists; return how many there were.

        Raises:
            CommandError: the server refuses, or its answer is none.
            OSError: it does not answer.
        """
        reply = await self._call(ANSWER_SECONDS, "DEL", *names)
        if not isinstance(reply, int):
            raise _unexpected("DEL", reply)
        return reply

    async def _expect(self, wanted: str, *words: str) -> None:
        reply = await self._call(ANSWER_SECONDS, *words)
        if reply != wanted:
            raise _unexpected(words[0], reply)

    async def _call(self, timeout: float, *words: str | int) -> Reply:
        """Send a command and return the answer, which may take ``timeout`` seconds; without one the connection ends."""
        try:
            async with asyncio.timeout(timeout):
                self._writer.write(encode_command(*words))
                await self._writer.drain()
                return await self._answer()
        except DecodeError as error:
            self.close()
            raise CommandError(f"this is no Redis: {error}") from error
        except BaseException:
            self.close()  # an answer that comes late would be taken for that of the next command
            raise

    async def _answer(self) -> Reply:
        while not self._waiting:
            data = await self._reader.read(_CHUNK)
            if not data:
                raise ConnectionResetError(None, "Redis has closed the connection")
            self._waiting += self._replies.receive(data)
        return self._waiting.popleft()


def _unexpected(command: str, reply: Reply) -> CommandError:
    """Return what to raise for an answer that is none to ``command``."""
    said = reply.message if isinstance(reply, Failure) else f"it answers {str(reply)[:200]!r}"
    return CommandError(f"Redis, {command}: {said}")
