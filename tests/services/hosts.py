"""Two hosts with a connection between them.

A hostile one is a BaseHost, which has no services, with handlers of its own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

from p2pstack.aio.connection import Connection
from p2pstack.host.events import Event, EventStream
from p2pstack.host.host import BaseHost
from tests.aio.shell import until

__all__ = ["LOOPBACK", "backward", "connected", "next_event", "until"]

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
PATIENCE = 5.0

EventType = TypeVar("EventType", bound=Event)
Near = TypeVar("Near", bound=BaseHost)
Far = TypeVar("Far", bound=BaseHost)


@asynccontextmanager
async def connected(near: Near, far: Far) -> AsyncIterator[tuple[Near, Far, Connection]]:
    """Run both hosts; ``near`` has dialled ``far``, and both know. The connection is the end that ``near`` has."""
    async with far, near:
        if not far.addresses:
            await far.listen(LOOPBACK)
        connection = await near.connect(far.full_addresses[0])
        await backward(far, near)
        yield near, far, connection


async def backward(host: BaseHost, other: BaseHost) -> Connection:
    """``host``'s end of the connection that ``other`` has dialled."""
    await until(lambda: host.connections(other.peer_id))
    return host.connections(other.peer_id)[-1]


async def next_event(events: EventStream, kind: type[EventType]) -> EventType:
    """The next event of a kind."""
    async with asyncio.timeout(PATIENCE):
        async for event in events:
            if isinstance(event, kind):
                return event
    raise AssertionError("the host was closed")
