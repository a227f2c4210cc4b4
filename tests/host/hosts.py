"""Helpers of the host's tests: hosts with fixed keys, and addresses where nobody answers."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from typing import Any

from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.host.config import DialConfig, HostConfig, LimitsConfig
from p2pstack.host.events import Event, EventStream
from p2pstack.host.host import BaseHost
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import Multiaddr, from_sockaddr
from tests.aio.shell import descriptors, until

ECHO = "/echo/1.0.0"
LOOPBACK = "/ip4/127.0.0.1/tcp/0"


def key(number: int) -> PrivateKey:
    return PrivateKey.from_seed(bytes([number]) * 32)


async def echo(stream: Stream) -> None:
    while data := await stream.read():
        stream.write(data)
        await stream.drain()


def new_host(number: int, *listen: str, **options: Any) -> BaseHost:
    """A host that echoes, not started yet."""
    host = BaseHost(key(number), listen=listen, **options)
    host.handle(ECHO, echo)
    return host


def listener(number: int = 1, **options: Any) -> BaseHost:
    return new_host(number, LOOPBACK, **options)


def dialer(number: int = 2, **options: Any) -> BaseHost:
    return new_host(number, **options)


def with_dial(**options: Any) -> HostConfig:
    return HostConfig(dial=DialConfig(**options))


def with_limits(**options: Any) -> HostConfig:
    return HostConfig(limits=LimitsConfig(**options))


def here(host: BaseHost) -> Multiaddr:
    """Where a host listens, with its id."""
    return host.full_addresses[0]


def address_of(sock: socket.socket) -> Multiaddr:
    return from_sockaddr(sock.getsockname())


def closed_address() -> Multiaddr:
    """An address of this machine where nobody listens: a dial is refused at once."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return address_of(sock)


async def inbound(host: BaseHost) -> Connection:
    """The connection of a host that was opened last."""
    await until(host.connections)
    return host.connections()[-1]


async def ask(stream: Stream, question: bytes) -> bytes:
    stream.write(question)
    return await stream.read_exactly(len(question))


async def next_event(events: EventStream) -> Event:
    return await asyncio.wait_for(anext(events), 5)


@contextlib.asynccontextmanager
async def nothing_left() -> AsyncIterator[None]:
    """Assert that the block leaves no task and no socket behind."""
    tasks = asyncio.all_tasks()
    before = descriptors()
    yield
    await until(lambda: asyncio.all_tasks() <= tasks)
    await until(lambda: descriptors() == before)


def used(host: BaseHost) -> dict[str, int]:
    """What is taken of the limits of a host, without what is not taken and without its memory of peers."""
    return {name: usage.current for name, usage in host.usage().items() if usage.current and "peerstore" not in name}
