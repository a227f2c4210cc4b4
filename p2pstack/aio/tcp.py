"""TCP sockets: one dial, one listener (TCP-01 to TCP-04, TCP-06)."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from collections.abc import Callable, Iterable
from typing import Protocol

from p2pstack.aio.connection import Connection
from p2pstack.aio.runtime import Runtime
from p2pstack.errors import DeadlineExceeded
from p2pstack.identity.multiaddrs import Multiaddr, from_sockaddr
from p2pstack.identity.peer_id import PeerId

__all__ = ["adopt_tcp", "close_servers", "dial_tcp", "listen_tcp", "listening_addresses", "serve_tcp"]

_BACKLOG = 512
"""Connections that the kernel keeps for us to accept."""

_ACCEPTS_A_TURN = 16
"""Connections that are accepted in one turn of the loop, so that a flood does not hold up those that are open. asyncio
knows one number for both; without descriptors it also complains that many times a second (TCP-03)."""

_HANDOVER_TURNS = 3
"""Turns of the loop in which a connection that it has accepted comes to its protocol, and ends if that refuses it."""


class _Server(Protocol):
    """What is closed: a server of the loop, or one of a library around it."""

    @property
    def sockets(self) -> Iterable[_Descriptor]:
        """What it listens on; none once it is closed."""

    def close(self) -> object:
        """Listen no longer."""


class _Descriptor(Protocol):
    def fileno(self) -> int:
        """The number of the socket."""


def _family(host: str) -> socket.AddressFamily:
    """Return the address family of an IP address in text form."""
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _new_socket(family: socket.AddressFamily) -> socket.socket:
    """Make a non-blocking TCP socket.

    asyncio sets TCP_NODELAY only on sockets whose protocol number says TCP, so it is set here (GEN-10).
    """
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    sock.setblocking(False)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock


async def _connect(
    loop: asyncio.AbstractEventLoop, sock: socket.socket, address: tuple[str, int], timeout: float
) -> None:
    """Connect a non-blocking socket to an IP address within ``timeout`` seconds, or raise DeadlineExceeded.

    ``loop.sock_connect`` does the same, but uvloop's asks a thread for the address first, which takes longer than the
    connection. Windows' proactor can't wait for a socket like this, so there it is used.
    """
    proactor = hasattr(loop, "_proactor")
    if not proactor:
        try:
            sock.connect(address)
        except (BlockingIOError, InterruptedError):
            pass
        else:
            return
    try:
        async with asyncio.timeout(timeout):
            await (loop.sock_connect(sock, address) if proactor else _connected(loop, sock))
    except TimeoutError as error:
        raise DeadlineExceeded(f"no answer within {timeout:g} s") from error


async def _connected(loop: asyncio.AbstractEventLoop, sock: socket.socket) -> None:
    """Wait for a connection that is under way, or raise why it failed."""
    future = loop.create_future()
    loop.add_writer(sock, _settle, future)
    try:
        await future
    finally:
        loop.remove_writer(sock)
    error = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
    if error:
        raise OSError(error, os.strerror(error))


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _bind_beside(sock: socket.socket, local: tuple[str, int]) -> None:
    """Bind to an address that a listener is bound to (DCUTR-07).

    Raises:
        OSError: the system has no such thing, or the listener allows none beside it.
    """
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if not hasattr(socket, "SO_REUSEPORT"):
        raise OSError(errno.EOPNOTSUPP, "ports can't be reused here")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(local)


async def dial_tcp(
    runtime: Runtime,
    host: str,
    port: int,
    *,
    dialled: Multiaddr,
    expected_peer: PeerId | None,
    timeout: float,
    initiator: bool = True,
    local: tuple[str, int] | None = None,
) -> Connection:
    """Connect to an IP address and upgrade; return the open connection.

    ``local`` is the address of a listener to leave from; with ``initiator`` False the peer speaks first though it was
    dialled (DCUTR-07).

    Raises:
        DeadlineExceeded: the TCP connection did not come about within ``timeout`` seconds (the upgrade has its own
            deadline).
        OSError: it was refused, or is impossible.
        P2PError: the upgrade failed, or the owner refused the connection.
    """
    loop = runtime.loop
    sock = _new_socket(_family(host))
    connection: Connection | None = None
    try:
        if local is not None:
            _bind_beside(sock, local)
        await _connect(loop, sock, (host, port), timeout)
        connection = protocol = Connection(
            runtime,
            outbound=True,
            initiator=initiator,
            expected_peer=expected_peer,
            dialled=dialled,
            reused_port=local is not None,
        )
        await loop.create_connection(lambda: protocol, sock=sock)
    except BaseException:
        sock.close()
        if connection is not None:
            # uvloop says nothing of a hand-over that is cancelled; where the loop does, this is one call for nothing.
            connection.abort(DeadlineExceeded("the dial was cancelled"))
            loop.call_soon(connection.connection_lost, None)
        raise
    if connection.close_reason is not None:
        connection.abort(connection.close_reason)
    try:
        await connection.ready()
    except asyncio.CancelledError:
        connection.abort(DeadlineExceeded("the dial was cancelled"))
        raise
    return connection


async def listen_tcp(runtime: Runtime, host: str, port: int) -> asyncio.Server:
    """Listen on an IP address for connections of a host; see :func:`serve_tcp`.

    Raises:
        OSError: the address is in use or not of this machine.
    """
    return await serve_tcp(runtime.loop, host, port, lambda: Connection(runtime, outbound=False))


async def serve_tcp(
    loop: asyncio.AbstractEventLoop, host: str, port: int, factory: Callable[[], asyncio.BaseProtocol]
) -> asyncio.Server:
    """Listen on an IP address; port 0 picks a free one. An IPv6 socket takes IPv6 only.

    Raises:
        OSError: the address is in use or not of this machine.
    """
    sock = _new_socket(_family(host))
    try:
        if hasattr(socket, "SO_REUSEPORT") or not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sock.family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
        if hasattr(socket, "SO_REUSEPORT"):
            # Not earlier: two hosts that are told the same port are to fail, not to share its connections.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        server = await loop.create_server(factory, sock=sock, backlog=_ACCEPTS_A_TURN, start_serving=False)
    except BaseException:
        sock.close()
        raise
    try:
        await server.start_serving()
        sock.listen(_BACKLOG)
    except BaseException:
        await close_servers([server])
        raise
    return server


async def close_servers(servers: Iterable[_Server]) -> None:
    """Listen no longer, once the protocols have what was accepted by now; whoever calls has them refuse it (TCP-06).

    asyncio hands a connection over in the turn after the one in which it accepted it. If the server has closed by then
    it forgets the socket, and the peer waits for ever. So the loop first stops to look for more.
    """
    every = list(servers)
    loop = asyncio.get_running_loop()
    try:
        # Others than asyncio's loop for selectors hand over at once.
        if isinstance(loop, asyncio.SelectorEventLoop):
            for server in every:
                for sock in server.sockets:
                    loop.remove_reader(sock.fileno())
        for _ in range(_HANDOVER_TURNS):
            await asyncio.sleep(0)
    finally:
        for server in every:
            server.close()


def adopt_tcp(runtime: Runtime, transport: asyncio.Transport, data: bytes) -> Connection:
    """Go on with a socket that another protocol has accepted, as an inbound connection.

    ``data`` is what that protocol has read of it. The transport must be connected; it is the connection's from here on.
    """
    connection = Connection(runtime, outbound=False)
    # uvloop looks at the kind of protocol only when it begins to read.
    transport.pause_reading()
    transport.set_protocol(connection)
    transport.resume_reading()
    connection.connection_made(transport)
    rest = memoryview(data)
    while rest and connection.close_reason is None:
        room = connection.get_buffer(len(rest))
        size = min(len(room), len(rest))
        room[:size] = rest[:size]
        connection.buffer_updated(size)
        rest = rest[size:]
    return connection


def listening_addresses(server: asyncio.Server) -> list[Multiaddr]:
    """Return the addresses that a server is bound to, with the real port."""
    return [from_sockaddr(sock.getsockname()) for sock in server.sockets]
