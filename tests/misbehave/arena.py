"""Where the attacks take place: a host, a well-behaved peer that was there before, and what must hold afterwards.

``async with arena() as victim`` starts both. When the block is left, every attacker is gone and it is shown that

* the listener takes a new connection, which works;
* the stream that the bystander opened before the attack still echoes;
* no connection, stream, task or file descriptor is left of the attack, and the limits count as before.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psutil

from p2pstack.aio.config import ShellConfig
from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.connection.config import ConnectionConfig
from p2pstack.host.config import DialConfig, HostConfig, LimitsConfig
from p2pstack.host.gate import ConnectionGate
from p2pstack.host.host import BaseHost
from p2pstack.host.limits import Usage
from p2pstack.identity.multiaddrs import tcp_endpoint
from p2pstack.multistream import MultistreamConfig
from p2pstack.yamux.config import YamuxConfig
from tests.misbehave.attacker import PATIENCE, Attacker, Socket

ECHO = "/echo/1.0.0"

DESCRIPTORS = Path("/proc/self/fd")


async def echo(stream: Stream) -> None:
    """Send back what comes, until the peer's end."""
    while data := await stream.read():
        stream.write(data)
        await stream.drain()


def settings(
    *,
    upgrade_timeout: float = 5.0,
    negotiation_timeout: float = 5.0,
    max_negotiating: int = 256,
    multistream: Mapping[str, Any] | None = None,
    yamux: Mapping[str, Any] | None = None,
    shell: Mapping[str, Any] | None = None,
    limits: Mapping[str, Any] | None = None,
    dial: Mapping[str, Any] | None = None,
) -> HostConfig:
    """A host's configuration out of what a test wants to be different."""
    connection = ConnectionConfig(
        upgrade_timeout=upgrade_timeout,
        negotiation_timeout=negotiation_timeout,
        max_negotiating=max_negotiating,
        multistream=MultistreamConfig(**multistream or {}),
        yamux=YamuxConfig(**yamux or {}),
    )
    return HostConfig(
        connection=connection,
        shell=ShellConfig(**{"handler_grace": 0.1, **(shell or {})}),
        limits=LimitsConfig(**limits or {}),
        dial=DialConfig(**dial or {}),
    )


class Victim:
    """A listening host with an echo, and one honest peer that holds a stream open."""

    def __init__(self, host: BaseHost, bystander: BaseHost) -> None:
        self.host = host
        self.bystander = bystander
        self.ended: asyncio.Queue[Connection] = asyncio.Queue()
        """Every connection that has ended, refused ones too."""
        self.attackers: list[Socket] = []
        self._forget = host.network.ended
        host.network.ended = self._note_end  # type: ignore[method-assign]

    def _note_end(self, connection: Connection) -> None:
        self._forget(connection)
        self.ended.put_nowait(connection)

    @property
    def port(self) -> int:
        """Where the host listens."""
        return tcp_endpoint(self.host.bound_addresses[0]).port

    async def raw(self, *, receive_buffer: int = 0, source: str = "127.0.0.1") -> Socket:
        """Connect, and do nothing."""
        sock = await Socket.connect(self.port, receive_buffer=receive_buffer, source=source)
        self.attackers.append(sock)
        return sock

    async def attacker(self, *, receive_buffer: int = 0, source: str = "127.0.0.1") -> Attacker:
        """Connect, ready to begin the upgrade."""
        attacker = await Attacker.connect(self.port, receive_buffer=receive_buffer, source=source)
        self.attackers.append(attacker)
        return attacker

    async def upgraded(self, *, receive_buffer: int = 0) -> Attacker:
        """Connect and upgrade as one should; the victim has it among its connections then."""
        attacker = await (await self.attacker(receive_buffer=receive_buffer)).upgrade()
        await attacker.barrier()
        return attacker

    def connection(self, attacker: Attacker) -> Connection:
        """The victim's side of an upgraded attacker's only connection."""
        [connection] = self.host.connections(attacker.peer_id)
        return connection

    async def next_end(self) -> Connection:
        """The next connection that ends."""
        async with asyncio.timeout(PATIENCE):
            return await self.ended.get()

    async def end_of(self, connection: Connection) -> BaseException | None:
        """Wait for the end of a connection; why it ended."""
        async with asyncio.timeout(PATIENCE):
            await connection.wait_closed()
        return connection.close_reason


@asynccontextmanager
async def arena(
    config: HostConfig | None = None,
    *,
    gate: ConnectionGate | None = None,
    prepare: Callable[[BaseHost], object] | None = None,
    make: Callable[..., BaseHost] = BaseHost,
) -> AsyncIterator[Victim]:
    """Start the victim, let the test attack it, and check what is left.

    ``make`` is called with what a host takes, ``prepare`` with the host before it starts.
    """
    host = make(listen=["/ip4/127.0.0.1/tcp/0"], config=config or settings(), gate=gate)
    host.handle(ECHO, echo)
    if prepare is not None:
        prepare(host)
    async with host, BaseHost() as bystander:
        await bystander.connect(host.full_addresses[0])
        stream = await bystander.open_stream(host.peer_id, ECHO)
        await says_back(stream, b"before")
        victim = Victim(host, bystander)
        before = _State(host)
        try:
            yield victim
        finally:
            for attacker in victim.attackers:
                attacker.close()
        await _new_connection_works(host)
        await _settled(victim, before)
        await says_back(stream, b"after")
        await stream.close()


async def says_back(stream: Stream, data: bytes) -> None:
    """Show that a stream echoes."""
    stream.write(data)
    async with asyncio.timeout(PATIENCE):
        assert await stream.read_exactly(len(data)) == data


async def _new_connection_works(host: BaseHost) -> None:
    async with BaseHost() as newcomer:
        await newcomer.connect(host.full_addresses[0], timeout=PATIENCE)
        async with await newcomer.open_stream(host.peer_id, ECHO) as stream:
            await says_back(stream, b"new")


class _State:
    """What an attack must not change."""

    def __init__(self, host: BaseHost) -> None:
        self.connections = set(host.network.every_connection())
        self.tasks = asyncio.all_tasks()
        self.usage = limits_of(host)
        self.descriptors = descriptors()


async def _settled(victim: Victim, before: _State) -> None:
    """Wait until the attack is over for the victim, and compare."""
    host = victim.host
    left = [connection for connection in host.network.every_connection() if connection not in before.connections]
    async with asyncio.timeout(PATIENCE):
        for connection in left:
            await connection.wait_closed()
        left_tasks = asyncio.all_tasks() - before.tasks
        if left_tasks:
            await asyncio.wait(left_tasks, timeout=1.0)
        for _ in range(3):
            await asyncio.sleep(0)
    assert asyncio.all_tasks() - before.tasks == set()
    assert set(host.network.every_connection()) == before.connections
    assert set(host.connections()) == before.connections
    assert limits_of(host) == before.usage
    assert descriptors() == before.descriptors


def limits_of(host: BaseHost) -> dict[str, Usage]:
    """What is taken of the limits, without the memory of peers, which outlives their connections by design."""
    return {name: usage for name, usage in host.usage().items() if not name.startswith("peerstore")}


def descriptors() -> int:
    """How many file descriptors are open; 0 where the system does not say."""
    return len(list(DESCRIPTORS.iterdir())) if DESCRIPTORS.is_dir() else 0


class Growth:
    """The growth of the process in MiB, now and at most, since it was made."""

    def __init__(self) -> None:
        gc.collect()
        self._process = psutil.Process()
        self._start = self._process.memory_info().rss

    @property
    def mebibytes(self) -> float:
        """Now."""
        return (self._process.memory_info().rss - self._start) / 2**20
