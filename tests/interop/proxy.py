"""A TCP proxy on the loopback that makes the network worse, each direction in its own way.

``Proxy(address, up=Weather(segment=1), down=Weather(delay=0.04))`` listens on a port of its own; dial
``proxy.address`` instead of ``address``. "Up" is from the dialer to the listener. The proxy works on bytes, and knows
nothing of what they mean: offsets count from the first byte of each connection and direction.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Self

from tests.interop.addresses import tcp_endpoint, with_port

__all__ = ["FAIR", "Proxy", "Weather"]

READ_BYTES = 65536
QUEUED_CHUNKS = 256
"""Chunks that may wait for their time in one direction; then the proxy stops reading, and TCP holds the sender back."""

TURNS = 3
"""Turns of the loop between two pieces: sock_sendall alone may never yield, and a receiver needs two to read one."""


@dataclass(frozen=True, kw_only=True)
class Weather:
    """What happens to the bytes of one direction. The three ends exclude each other."""

    segment: int | None = None
    """Hand the bytes on in pieces of at most this size, each a write of its own, others running in between."""
    delay: float = 0.0
    """Seconds each piece spends on the way. Order is kept; a piece does not wait for the one before to arrive."""
    stall_after: int | None = None
    """After so many bytes hand on nothing more, and read nothing more: both ends stay connected."""
    reset_after: int | None = None
    """After so many bytes end both connections with RST."""
    end_after: int | None = None
    """After so many bytes send FIN where this direction leads; the other direction goes on."""

    @property
    def last_byte(self) -> int | None:
        """How many bytes get through, or None when nothing ends the direction."""
        ends = [end for end in (self.stall_after, self.reset_after, self.end_after) if end is not None]
        return min(ends) if ends else None


FAIR = Weather()


class Proxy:
    """An async context manager; at its exit all connections through it end."""

    def __init__(self, address: str, *, up: Weather = FAIR, down: Weather = FAIR) -> None:
        self._endpoint = tcp_endpoint(address)
        self._target = address
        self._up, self._down = up, down
        self._listener: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.connections = 0
        """How many connections were accepted."""
        self.carried = {"up": 0, "down": 0}
        """Bytes handed on in each direction, over all connections."""

    @property
    def address(self) -> str:
        """The multiaddr to dial: the target's, with the port of the proxy."""
        assert self._listener is not None, "the proxy has not been entered"
        return with_port(self._target, self._listener.getsockname()[1])

    async def __aenter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self._spawn(self._accept(self._listener))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._listener is not None:
            self._listener.close()

    def _spawn(self, work: Awaitable[None]) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _accept(self, listener: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            near, _ = await loop.sock_accept(listener)
            self.connections += 1
            self._spawn(self._carry(near))

    async def _carry(self, near: socket.socket) -> None:
        far = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            for end in (near, far):
                end.setblocking(False)
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await asyncio.get_running_loop().sock_connect(far, self._endpoint)
            async with asyncio.TaskGroup() as group:
                group.create_task(_Direction(self, near, far, "up", self._up).run())
                group.create_task(_Direction(self, far, near, "down", self._down).run())
        except* OSError:
            # One end went away abruptly: so shall the other.
            _reset_on_close(near)
            _reset_on_close(far)
        finally:
            near.close()
            far.close()


class _Direction:
    """Carries bytes from ``source`` to ``sink`` through the weather."""

    def __init__(self, proxy: Proxy, source: socket.socket, sink: socket.socket, name: str, weather: Weather) -> None:
        self._proxy, self._name = proxy, name
        self._source, self._sink = source, sink
        self._weather = weather
        self._loop = asyncio.get_running_loop()
        # (when it is due, what; None is the end of the stream)
        self._under_way: asyncio.Queue[tuple[float, bytes | None]] = asyncio.Queue(QUEUED_CHUNKS)

    async def run(self) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._read())
            group.create_task(self._write())

    async def _read(self) -> None:
        left = self._weather.last_byte
        while left is None or left > 0:
            data = await self._loop.sock_recv(self._source, READ_BYTES if left is None else min(left, READ_BYTES))
            await self._under_way.put((self._loop.time() + self._weather.delay, data or None))
            if not data:
                return
            if left is not None:
                left -= len(data)
        await self._under_way.put((self._loop.time() + self._weather.delay, None))
        if self._weather.end_after is not None:
            while await self._loop.sock_recv(self._source, READ_BYTES):
                pass  # nobody is there to take it; but the sender shall not notice

    async def _write(self) -> None:
        sent = 0
        while True:
            due, data = await self._under_way.get()
            await self._until(due)
            if data is None:
                await self._end(cut_short=sent == self._weather.last_byte)
                return
            step = self._weather.segment or len(data)
            for start in range(0, len(data), step):
                piece = data[start : start + step]
                await self._loop.sock_sendall(self._sink, piece)
                self._proxy.carried[self._name] += len(piece)
                for _ in range(TURNS):
                    await asyncio.sleep(0)
            sent += len(data)

    async def _end(self, *, cut_short: bool) -> None:
        if cut_short and self._weather.reset_after is not None:
            raise ConnectionResetError("reset by the proxy")
        if cut_short and self._weather.stall_after is not None:
            await asyncio.Event().wait()  # until the proxy ends
        self._sink.shutdown(socket.SHUT_WR)

    async def _until(self, due: float) -> None:
        if due > self._loop.time():
            arrived = self._loop.create_future()
            timer = self._loop.call_at(due, _resolve(arrived))
            try:
                await arrived
            finally:
                timer.cancel()


def _resolve(future: asyncio.Future[None]) -> Callable[[], None]:
    def resolve() -> None:
        if not future.done():
            future.set_result(None)

    return resolve


def _reset_on_close(end: socket.socket) -> None:
    """Make the next close send RST: linger on, for zero seconds."""
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
