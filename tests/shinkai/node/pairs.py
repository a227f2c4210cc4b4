"""Nodes for tests: named, with fixed keys, on free ports of the loopback, and a directory that knows them all."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from p2pstack.shinkai.builder import ShinkaiMessageBuilder
from p2pstack.shinkai.directory.memory import MemoryDirectory
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.endpoints import Endpoint
from p2pstack.shinkai.keys import NodeKeys
from p2pstack.shinkai.message import ShinkaiMessage
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.network.profiles import Profile
from p2pstack.shinkai.node import NodeConfig, ReceivedMessage, ShinkaiNode
from p2pstack.shinkai.node.config import InboxConfig, SendConfig, TcpConfig
from p2pstack.shinkai.storage.config import JobConfig, RetryConfig

ALICE, BOB, CAROL = "@@alice.shinkai", "@@bob.shinkai", "@@carol.shinkai"
NUMBERS = {ALICE: 1, BOB: 2, CAROL: 3}
NOWHERE = "127.0.0.1:1"
"""Where nobody listens."""

QUICK = NodeConfig(
    send=SendConfig(ack_timeout=3.0),
    retry=RetryConfig(backoff_base=0.05, backoff_factor=2.0, backoff_max=0.4),
    jobs=JobConfig(backoff_base=0.05, backoff_factor=2.0, backoff_max=0.4),
    inbox=InboxConfig(handler_backoff=0.02),
)
"""The usual limits, with short pauses."""

TCP_ONLY = replace(QUICK, libp2p=False)
LIBP2P_ONLY = replace(QUICK, tcp=TcpConfig(enabled=False))


def keys(name: str) -> NodeKeys:
    return NodeKeys.unsafe_deterministic(NUMBERS[name])


def record(name: str, address: str = NOWHERE, number: int | None = None, **fields: Any) -> IdentityRecord:
    own = NodeKeys.unsafe_deterministic(NUMBERS[name] if number is None else number)
    return IdentityRecord(
        name=ShinkaiName.parse(name),
        encryption_key=own.encryption.public,
        signature_key=own.signature.public_key,
        address_or_proxy_nodes=(address,),
        **fields,
    )


def directory() -> MemoryDirectory:
    """Everybody is known, and nobody is there."""
    return MemoryDirectory([record(name) for name in NUMBERS])


def new_node(
    name: str, known: MemoryDirectory, *, config: NodeConfig = QUICK, profile: Profile = Profile.HEAD, **options: Any
) -> ShinkaiNode:
    options.setdefault("listen", "127.0.0.1:0")
    options.setdefault("keys", keys(name))
    return ShinkaiNode(name, directory=known, config=config, profile=profile, **options)


def tell(known: MemoryDirectory, node: ShinkaiNode) -> None:
    """Put into the directory where a node listens: for libp2p where it takes nothing over TCP."""
    manager = node.libp2p_manager
    if node.config.tcp.enabled or manager is None:
        address = str(node.listen_address)
    else:
        found = manager.host.addresses[0]
        address = f"127.0.0.1:{found.value_for_protocol('tcp')}"
    known.add(record(node.name.node_name, address))


@asynccontextmanager
async def running(name: str, known: MemoryDirectory, **options: Any) -> AsyncIterator[ShinkaiNode]:
    """A node that runs, and is told of in the directory."""
    async with new_node(name, known, **options) as node:
        tell(known, node)
        yield node


@asynccontextmanager
async def pair(
    *, alice: NodeConfig = QUICK, bob: NodeConfig = QUICK, profile: Profile = Profile.HEAD
) -> AsyncIterator[tuple[ShinkaiNode, ShinkaiNode]]:
    known = directory()
    async with (
        running(ALICE, known, config=alice, profile=profile) as first,
        running(BOB, known, config=bob, profile=profile) as second,
    ):
        yield first, second


async def take(node: ShinkaiNode, count: int, *, timeout: float = 10.0) -> list[ReceivedMessage]:
    """Take the next messages of a node."""
    messages = []
    async with asyncio.timeout(timeout), node.inbox() as inbox:
        async for message in inbox:
            messages.append(message)
            await message.done()
            if len(messages) == count:
                break
    return messages


async def until(condition: Callable[[], bool], *, timeout: float = 10.0) -> None:
    """Let others run until something is so."""
    loop = asyncio.get_running_loop()
    pause = asyncio.Event()
    end = loop.time() + timeout
    while not condition():
        assert loop.time() < end, "it did not come about in time"
        loop.call_later(0.005, pause.set)
        await pause.wait()
        pause.clear()


async def eventually(condition: Callable[[], Awaitable[object]], *, timeout: float = 10.0) -> None:
    """Ask again and again, what takes turns of its own, until something is so."""
    async with asyncio.timeout(timeout):
        while not await condition():
            pass


async def nothing_left(node: ShinkaiNode) -> None:
    """Check that nothing waits in the queues of a node."""
    status = await node.status()
    assert (status.queue.rows, status.jobs.rows) == (0, 0)


_moments = itertools.count(1_750_000_000)


def signed_text(
    sender: str, recipient: str, text: str, *, number: int | None = None, encrypt_for: int | None = None, time: float
) -> ShinkaiMessage:
    """A message by somebody whose keys may be others than those in the directory, encrypted for whomever."""
    own = NodeKeys.unsafe_deterministic(NUMBERS[sender] if number is None else number)
    other = NodeKeys.unsafe_deterministic(NUMBERS[recipient] if encrypt_for is None else encrypt_for)
    entropy = lambda size: next(_moments).to_bytes(size, "big")  # noqa: E731
    builder = ShinkaiMessageBuilder(own, sender, recipient, time=time, entropy=entropy).text(text)
    return builder.encrypt_body_for(other.encryption.public).build()


async def send_bytes(endpoint: Endpoint, data: bytes, *, eof: bool = True) -> bytes:
    """Connect, write, and return what comes back until the other side closes."""
    reader, writer = await asyncio.open_connection(endpoint.host, endpoint.port)
    try:
        writer.write(data)
        if eof:
            writer.write_eof()
        async with asyncio.timeout(10):
            return await reader.read()
    except TimeoutError:
        raise
    except OSError:
        return b"reset"
    finally:
        await closed(writer)


async def closed(writer: asyncio.StreamWriter) -> None:
    """Close a connection, whatever became of it."""
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
