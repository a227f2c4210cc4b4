"""Hosts that are rendezvous points or their clients, and a point that answers as a test tells it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable
from typing import Any

from p2pstack.aio.stream import Stream
from p2pstack.host.host import BaseHost
from p2pstack.rendezvous.config import RendezvousConfig
from p2pstack.rendezvous.messages import Message, decode, encode
from p2pstack.rendezvous.protocols import MAX_MESSAGE, PROTOCOL
from p2pstack.services.rendezvous.client import RendezvousClient
from p2pstack.services.rendezvous.client_config import RendezvousClientConfig
from p2pstack.services.rendezvous.server import RendezvousServer
from p2pstack.services.standard import Host
from tests.host.hosts import key
from tests.services.hosts import LOOPBACK

__all__ = ["FakePoint", "client_of", "member", "point", "quick", "soon"]


@contextlib.asynccontextmanager
async def point(number: int = 9, **config: Any) -> AsyncIterator[tuple[Host, RendezvousServer]]:
    """Run a rendezvous point."""
    host = Host(key(number), listen=[LOOPBACK])
    server = RendezvousServer(host, RendezvousConfig(**config))
    async with host:
        yield host, server


def quick(**changes: Any) -> RendezvousClientConfig:
    """A configuration that waits for little."""
    return RendezvousClientConfig(
        **{"timeout": 2.0, "min_renewal": 0.02, "retry_base": 0.02, "retry_max": 0.05, **changes}
    )


@contextlib.asynccontextmanager
async def member(number: int, *points: BaseHost, **config: Any) -> AsyncIterator[tuple[Host, RendezvousClient]]:
    """Run a host that is a client of some points."""
    async with client_of(number, [each.full_addresses[0] for each in points], **config) as made:
        yield made


@contextlib.asynccontextmanager
async def client_of(number: int, points: list[Any], **config: Any) -> AsyncIterator[tuple[Host, RendezvousClient]]:
    """Run a host that is a client of what is at some addresses."""
    host = Host(key(number), listen=[LOOPBACK])
    client = RendezvousClient(host, points, config=quick(**config))
    async with host:
        yield host, client


class FakePoint:
    """A point whose ``answers`` are given one after the other, the last again and again; bytes are sent as they are.

    None is no answer, until the other side gives up.
    """

    def __init__(self, *answers: Message | bytes | None, number: int = 9) -> None:
        self.host = BaseHost(key(number), listen=[LOOPBACK])
        self.host.handle(PROTOCOL, self._serve)
        self.answers = list(answers)
        self.requests: list[Message] = []

    async def _serve(self, stream: Stream) -> None:
        self.requests.append(decode(await stream.read_frame(MAX_MESSAGE)))
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if answer is None:
            await stream.read()
            await asyncio.Event().wait()
        elif isinstance(answer, bytes):
            stream.write(answer)
        else:
            stream.write_frame(encode(answer))


async def soon(awaitable: Awaitable[Any], seconds: float = 5.0) -> Any:
    """What it gives, if it does in time."""
    return await asyncio.wait_for(awaitable, seconds)
