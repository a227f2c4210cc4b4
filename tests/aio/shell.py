"""Helpers of the shell's tests: two sides over loopback, a peer driven by hand, a transport without a socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import pytest

from p2pstack.aio.config import ShellConfig
from p2pstack.aio.connection import Connection
from p2pstack.aio.runtime import Runtime
from p2pstack.aio.stream import Stream
from p2pstack.aio.tasks import Handler, HandlerEntry
from p2pstack.aio.tcp import dial_tcp, listen_tcp, listening_addresses
from p2pstack.connection.config import ConnectionConfig
from p2pstack.connection.machine import Connection as Machine
from p2pstack.connection.trace import TraceSink
from p2pstack.errors import P2PError
from p2pstack.identity.multiaddrs import tcp_endpoint
from p2pstack.identity.peer_id import PeerId
from p2pstack.testing.pair import make_endpoint

HOLD = "/hold/1.0.0"
"""The protocol whose inbound streams the tests take by :meth:`Side.accept`."""

needs_proc = pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="descriptors are counted in /proc")


async def until(condition: Callable[[], object], seconds: float = 5.0) -> None:
    """Let others run until ``condition`` holds."""
    end = monotonic() + seconds
    while not condition():
        assert monotonic() < end, f"the condition did not hold within {seconds} s"
        await asyncio.sleep(0)


def descriptors() -> int:
    """How many sockets are open; libuv opens /dev/null and others when it first needs them, and keeps them."""
    count = 0
    for path in Path("/proc/self/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            count += str(path.readlink()).startswith("socket:")
    return count


class Keeper:
    """An owner that notes what it is told; ``refuse_socket`` and ``refuse_peer`` are its answers."""

    def __init__(self) -> None:
        self.admitted: list[Connection] = []
        self.open: list[Connection] = []
        self.gone: list[Connection] = []
        self.refuse_socket: P2PError | None = None
        self.refuse_peer: P2PError | None = None

    def admit(self, connection: Connection) -> P2PError | None:
        if self.refuse_socket is None:
            self.admitted.append(connection)
        return self.refuse_socket

    def opened(self, connection: Connection) -> P2PError | None:
        if self.refuse_peer is None:
            self.open.append(connection)
        return self.refuse_peer

    def ended(self, connection: Connection) -> None:
        self.gone.append(connection)
        if connection in self.open:
            self.open.remove(connection)


class Side:
    """All that the connections of one host share, and a handler that hands its streams to the test."""

    def __init__(
        self,
        seed: int,
        *,
        config: ShellConfig | None = None,
        connection: ConnectionConfig | None = None,
        trace: TraceSink | None = None,
    ) -> None:
        self.keeper = Keeper()
        self.endpoint = make_endpoint(seed, config=connection)
        self.peer_id: PeerId = self.endpoint.identity.key.peer_id
        self.runtime = Runtime(self.keeper, self.endpoint, config or ShellConfig(), trace=trace)
        self.held: asyncio.Queue[Stream] = asyncio.Queue()
        self.handle(HOLD, self._hold)

    async def _hold(self, stream: Stream) -> None:
        self.held.put_nowait(stream)
        await asyncio.Event().wait()

    def handle(self, protocol: str, handler: Handler, *, eager: bool = False, max_streams: int = 256) -> None:
        self.endpoint.protocols.add(protocol)
        self.runtime.handlers[protocol] = HandlerEntry(handler, eager, max_streams, relayed=True)

    async def accept(self) -> Stream:
        """The next inbound stream of HOLD; the test does with it what it likes."""
        return await asyncio.wait_for(self.held.get(), 5)

    async def connection(self) -> Connection:
        """The connection that was opened last."""
        await until(lambda: self.keeper.open)
        return self.keeper.open[-1]


async def dial(side: Side, server: asyncio.Server, **options: object) -> Connection:
    address = listening_addresses(server)[0]
    endpoint = tcp_endpoint(address)
    arguments: dict[str, object] = {"dialled": address, "expected_peer": None, "timeout": 5.0, **options}
    return await dial_tcp(side.runtime, endpoint.host, endpoint.port, **arguments)  # type: ignore[arg-type]


async def end(*connections: Connection) -> None:
    """End connections and their handlers, and wait until nothing of them is left."""
    tasks: list[asyncio.Task[None]] = []
    for connection in connections:
        tasks += connection.shut_down_handlers()
        connection.abort(P2PError("the test is over"))
        await connection.wait_closed()
    if tasks:
        await asyncio.wait(tasks)


async def sees_the_end(address: tuple[str, int] | str, turns: int, close: Callable[[], Awaitable[object]]) -> bool:
    """Connect, let so many turns of the loop pass, close the listener; whether who has connected sees an end."""
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET) as sock:
        sock.connect(address)
        sock.setblocking(False)
        for _ in range(turns):
            await asyncio.sleep(0)
        await close()
        try:
            async with asyncio.timeout(2):
                while await loop.sock_recv(sock, 4_096):
                    pass
        except TimeoutError:
            return False
        except ConnectionResetError:
            pass
        return True


@contextlib.asynccontextmanager
async def listening(side: Side, host: str = "127.0.0.1") -> AsyncIterator[asyncio.Server]:
    """A listener; with it go all connections that it accepted."""
    server = await listen_tcp(side.runtime, host, 0)
    try:
        yield server
    finally:
        server.close()
        await end(*side.keeper.admitted)


@dataclass
class Link:
    """A connection between two sides, as both see it."""

    client: Side
    server: Side
    outbound: Connection
    inbound: Connection

    async def streams(self) -> tuple[Stream, Stream]:
        """A new stream, as the client and as the server see it."""
        return await self.outbound.open_stream(HOLD), await self.server.accept()


@contextlib.asynccontextmanager
async def linked(client: Side | None = None, server: Side | None = None) -> AsyncIterator[Link]:
    """A connection over loopback."""
    client = client or Side(1)
    server = server or Side(2)
    async with listening(server) as listener:
        outbound = await dial(client, listener)
        try:
            yield Link(client, server, outbound, await server.connection())
        finally:
            await end(outbound)


@contextlib.asynccontextmanager
async def streaming(client: Side | None = None, server: Side | None = None) -> AsyncIterator[tuple[Stream, Stream]]:
    """A stream over loopback: the side that opened it, the other one."""
    async with linked(client, server) as link:
        yield await link.streams()


class ManualPeer:
    """A peer that does nothing by itself: a pure machine and a socket, both driven by the test."""

    def __init__(self, sock: socket.socket, machine: Machine) -> None:
        self.sock = sock
        self.machine = machine

    async def send(self) -> None:
        await asyncio.get_running_loop().sock_sendall(self.sock, b"".join(self.machine.data_to_send()))

    async def receive(self) -> bool:
        """Take one piece of what has come, waiting for it; False at the end."""
        try:
            data = await asyncio.get_running_loop().sock_recv(self.sock, 65_536)
        except ConnectionResetError:
            return False
        if data:
            self.machine.receive_data(data, monotonic())
        return bool(data)

    async def converse(self, condition: Callable[[], object]) -> None:
        """Send and receive until ``condition`` holds."""
        async with asyncio.timeout(5):
            await self.send()
            while not condition():
                assert await self.receive(), "the connection ended"
                await self.send()

    def reset(self) -> None:
        """Close as go does: the other side gets RST (GEN-12)."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()


@contextlib.contextmanager
def _socket(receive_buffer: int) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as sock:
        if receive_buffer:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        sock.setblocking(False)
        yield sock


@contextlib.asynccontextmanager
async def manual_dialer(
    server: asyncio.Server, protocols: tuple[str, ...] = (HOLD,), *, seed: int = 9, receive_buffer: int = 0
) -> AsyncIterator[ManualPeer]:
    """A manual peer that has dialled ``server`` and upgraded the connection."""
    with _socket(receive_buffer) as sock:
        await asyncio.get_running_loop().sock_connect(sock, server.sockets[0].getsockname())
        peer = ManualPeer(sock, Machine(make_endpoint(seed, protocols), initiator=True, now=monotonic()))
        await peer.converse(lambda: peer.machine.opened)
        yield peer


@contextlib.asynccontextmanager
async def manual_link(
    side: Side, protocols: tuple[str, ...] = (HOLD,), *, receive_buffer: int = 0
) -> AsyncIterator[tuple[Connection, ManualPeer]]:
    """The inbound connection of ``side`` to a manual peer, upgraded on both ends."""
    async with listening(side) as server, manual_dialer(server, protocols, receive_buffer=receive_buffer) as peer:
        await peer.converse(lambda: side.keeper.open)
        yield side.keeper.open[-1], peer


class FakeTransport(asyncio.Transport):
    """A transport without a socket that notes what it is asked for."""

    def __init__(self, protocol: asyncio.BufferedProtocol, peername: object = ("192.0.2.1", 4001)) -> None:
        super().__init__({"peername": peername, "sockname": ("192.0.2.2", 4002)})
        self.protocol = protocol
        self.written: list[bytes] = []
        self.buffered = 0
        self.reading = True
        self.ended = ""
        protocol.connection_made(self)

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self.high = high

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def take(self) -> bytes:
        written, self.written = self.written, []
        return b"".join(written)

    async def feed(self, data: bytes) -> None:
        """Deliver received bytes, as a loop does: in a callback, where no task runs."""
        asyncio.get_running_loop().call_soon(self._feed, data)
        await asyncio.sleep(0)

    def _feed(self, data: bytes) -> None:
        while data:
            view = self.protocol.get_buffer(-1)
            size = min(len(view), len(data))
            view[:size] = data[:size]
            data = data[size:]
            self.protocol.buffer_updated(size)

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return bool(self.ended)

    def close(self) -> None:
        self._end("closed")

    def abort(self) -> None:
        self._end("aborted")

    def _end(self, how: str) -> None:
        if not self.ended:
            self.ended = how
            asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)


class FakeLink:
    """The shell on a fake transport, and a machine in memory at the other end."""

    def __init__(self, side: Side, protocols: tuple[str, ...] = (HOLD,), *, outbound: bool = False) -> None:
        self.connection = Connection(side.runtime, outbound=outbound)
        self.transport = FakeTransport(self.connection)
        self.machine = Machine(make_endpoint(9, protocols), initiator=not outbound, now=monotonic())

    async def exchange(self) -> None:
        """Carry bytes to and fro until there are none."""
        while True:
            data = b"".join(self.machine.data_to_send())
            await self.transport.feed(data)
            answer = self.transport.take()
            if answer:
                self.machine.receive_data(answer, monotonic())
            elif not data:
                return


@contextlib.asynccontextmanager
async def fake_link(
    side: Side, protocols: tuple[str, ...] = (HOLD,), *, outbound: bool = False
) -> AsyncIterator[FakeLink]:
    """A connection without a socket, upgraded."""
    link = FakeLink(side, protocols, outbound=outbound)
    try:
        await link.exchange()
        assert link.machine.opened
        yield link
    finally:
        await end(link.connection)


def _has_ipv6() -> bool:
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as sock:
            sock.bind(("::1", 0))
    except OSError:
        return False
    return True


needs_ipv6 = pytest.mark.skipif(not _has_ipv6(), reason="the machine has no IPv6 loopback")
HOSTS = ["127.0.0.1", pytest.param("::1", marks=needs_ipv6)]


@contextlib.contextmanager
def silent_listener() -> Iterator[socket.socket]:
    """A listening socket of which nobody accepts: connections come about, and stay silent."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


@contextlib.contextmanager
def black_hole() -> Iterator[socket.socket]:
    """A listening socket whose queue is full: the system drops further attempts, and a connect gets no answer."""
    with contextlib.ExitStack() as stack:
        sock = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        for _ in range(3):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(sock.getsockname())
        yield sock
