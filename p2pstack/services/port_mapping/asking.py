"""One question to a gateway, and its answer, over UDP."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from ipaddress import IPv4Address
from typing import TypeVar

from p2pstack.errors import DecodeError
from p2pstack.services.port_mapping.gateway import PortMappingError

__all__ = ["FIRST_REPEAT", "ask", "local_address"]

T = TypeVar("T")

FIRST_REPEAT = 0.25
"""Seconds after which a question is sent again; the time doubles with each (PMAP-04)."""

MAX_WAITING = 16
"""Datagrams that are looked at between two repeats; what floods us is dropped."""


class _Answers(asyncio.DatagramProtocol):
    """Collects what comes from the gateway: the socket is connected, so it is nobody else."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[bytes | OSError] = asyncio.Queue(MAX_WAITING)

    def datagram_received(self, data: bytes, _: object) -> None:
        if not self._queue.full():
            self._queue.put_nowait(data)

    def error_received(self, error: Exception) -> None:
        if isinstance(error, OSError) and not self._queue.full():
            self._queue.put_nowait(error)

    async def next(self) -> bytes:
        """Return the next datagram.

        Raises:
            PortMappingError: the gateway can't be reached.
        """
        answer = await self._queue.get()
        if isinstance(answer, OSError):
            raise PortMappingError(answer.strerror or str(answer)) from answer
        return answer


def _connected(endpoint: tuple[str, int]) -> socket.socket:
    """Return a socket for that endpoint alone; connecting sends nothing, and takes no time."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.connect(endpoint)
    except OSError as error:
        sock.close()
        raise PortMappingError(error.strerror or str(error)) from error
    return sock


def local_address(endpoint: tuple[str, int]) -> IPv4Address:
    """Return the address of this machine that it talks to ``endpoint`` from; nothing is sent.

    Raises:
        PortMappingError: there is no way to it.
    """
    with _connected(endpoint) as sock:
        return IPv4Address(sock.getsockname()[0])


async def ask(endpoint: tuple[str, int], question: bytes, read: Callable[[bytes], T], timeout: float) -> T:
    """Send ``question`` again and again until ``read`` takes an answer, for ``timeout`` seconds; return what it makes.

    What ``read`` takes for no answer, with :class:`DecodeError`, is passed over.

    Raises:
        PortMappingError: there was no answer, or ``read`` finds that it is a refusal.
    """
    loop = asyncio.get_running_loop()
    transport, answers = await loop.create_datagram_endpoint(_Answers, sock=_connected(endpoint))
    try:
        async with asyncio.timeout(timeout):
            pause = FIRST_REPEAT
            while True:
                transport.sendto(question)
                try:
                    async with asyncio.timeout(pause):
                        return await _read(answers, read)
                except TimeoutError:
                    pause *= 2
    except TimeoutError:
        raise PortMappingError("no answer") from None
    finally:
        transport.close()


async def _read(answers: _Answers, read: Callable[[bytes], T]) -> T:
    while True:
        data = await answers.next()
        try:
            return read(data)
        except DecodeError:
            continue
