"""Managers and handlers for tests: nodes of this process, with short waits and a clock that stands at one message."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.host.events import EventStream
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.services.bootstrap import BootstrapConfig
from p2pstack.shinkai.builder import ShinkaiMessageBuilder
from p2pstack.shinkai.keys import NodeKeys
from p2pstack.shinkai.message import ShinkaiMessage
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.network.config import GossipConfig, HandlerConfig, LinkConfig, ManagerConfig
from p2pstack.shinkai.network.events import Notice, PeerUp
from p2pstack.shinkai.network.handler import ShinkaiMessageHandler
from p2pstack.shinkai.network.manager import LibP2PManager
from p2pstack.shinkai.network.profiles import Profile, seed_pubsub
from p2pstack.shinkai.storage.config import JobConfig
from p2pstack.shinkai.storage.job_queue import JobQueue
from p2pstack.shinkai.storage.schema import open_database
from p2pstack.shinkai.times import parse_time
from tests.shinkai.messages import ALICE, BOB, TIME, entropy

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
NOW = parse_time(TIME) + 1.0
KEYS = {"alice": ALICE, "bob": BOB, "carol": NodeKeys.unsafe_deterministic(3)}

QUICK = ManagerConfig(
    links=LinkConfig(base=0.02, cap=0.1, jitter=0.0),
    bootstrap=BootstrapConfig(wanted=8, backoff_base=0.02, backoff_max=0.1),
    gossip=GossipConfig(
        pubsub=replace(
            seed_pubsub(),
            router=GossipsubConfig(
                d=3, d_low=1, d_high=5, d_out=0, d_lazy=3, max_rpc=262_144, max_control=262_144, heartbeat_interval=0.1
            ),
        ),
        publish_timeout=2.0,
    ),
)


def name_of(who: str) -> ShinkaiName:
    return ShinkaiName.parse(f"@@{who}.shinkai")


def text(words: str, sender: str = "alice", recipient: str = "bob", time: str = TIME) -> ShinkaiMessage:
    made = ShinkaiMessageBuilder(
        KEYS[sender], f"@@{sender}.shinkai", f"@@{recipient}.shinkai", time=time, entropy=entropy
    )
    return made.text(words).build()


def ack(sender: str = "bob", recipient: str = "alice") -> ShinkaiMessage:
    made = ShinkaiMessageBuilder(
        KEYS[sender], f"@@{sender}.shinkai", f"@@{recipient}.shinkai", time=TIME, entropy=entropy
    )
    return made.ack().build()


@contextlib.asynccontextmanager
async def handler_of(
    who: str, folder: Path, *, config: HandlerConfig | None = None, jobs: JobConfig | None = None, **options: Any
) -> AsyncIterator[ShinkaiMessageHandler]:
    """A handler with a queue in a file of its own."""
    async with await open_database(folder / f"{who}.db") as database:
        queue = JobQueue(database, jobs, clock=lambda: NOW)
        yield ShinkaiMessageHandler(name_of(who), queue, config=config, clock=lambda: NOW, **options)


@contextlib.asynccontextmanager
async def manager_of(
    who: str,
    profile: Profile,
    folder: Path,
    *,
    config: ManagerConfig = QUICK,
    handler_config: HandlerConfig | None = None,
    jobs: JobConfig | None = None,
    **options: Any,
) -> AsyncIterator[LibP2PManager]:
    """A running manager that listens; its `run()` is a task."""
    async with (
        handler_of(who, folder, config=handler_config, jobs=jobs) as handler,
        LibP2PManager(
            name_of(who), KEYS[who], profile=profile, handler=handler, listen=[LOOPBACK], config=config, **options
        ) as manager,
    ):
        task = asyncio.create_task(manager.run())
        yield manager
        await manager.stop()
        await task


def answering(manager: LibP2PManager, answer: ShinkaiMessage | None) -> asyncio.Task[None]:
    """Answer every request with ``answer``, as a node does that works on its jobs."""

    async def work() -> None:
        while True:
            for entry in await manager.handler.jobs.take(10, timeout=5.0):
                await manager.handler.jobs.done(entry.key)
                manager.handler.answer(entry.key, answer)

    return asyncio.create_task(work())


async def ended(*tasks: asyncio.Task[Any]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)


async def comes(events: EventStream, kind: type[Notice], where: Callable[[Any], bool] = lambda _: True) -> Any:
    """The next notice of this kind for which ``where`` holds."""
    async for event in events:
        if isinstance(event, kind) and where(event):
            return event
    raise AssertionError(f"the manager ended before {kind.__name__}")


async def meet(dialer: LibP2PManager, listener: LibP2PManager) -> None:
    """Connect two managers, and wait until each knows who the other is."""
    async with dialer.notices(PeerUp) as ours, listener.notices(PeerUp) as theirs:
        await dialer.add_peer(listener.addresses[0])
        await comes(ours, PeerUp, lambda event: event.peer == listener.peer_id)
        await comes(theirs, PeerUp, lambda event: event.peer == dialer.peer_id)


@contextlib.asynccontextmanager
async def silence() -> AsyncIterator[Multiaddr]:
    """An address at which somebody listens, and says nothing."""

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(listen, "127.0.0.1", 0)
    async with server:
        yield Multiaddr(f"/ip4/127.0.0.1/tcp/{server.sockets[0].getsockname()[1]}")
