"""TCP sockets: one dial, one listener (TCP-01 to TCP-04)."""

from __future__ import annotations

import asyncio
import socket

from p2pstack.aio.connection import Connection
from p2pstack.aio.runtime import Runtime
from p2pstack.errors import DeadlineExceeded
from p2pstack.identity.multiaddrs import Multiaddr, from_sockaddr
from p2pstack.identity.peer_id import PeerId

__all__ = ["dial_tcp", "listen_tcp", "listening_addresses"]

_BACKLOG = 512


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


async def dial_tcp(
    runtime: Runtime, host: str, port: int, *, dialled: Multiaddr, expected_peer: PeerId | None, timeout: float
) -> Connection:
    """Connect to an IP address and upgrade; return the open connection.

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
        try:
            async with asyncio.timeout(timeout):
                await loop.sock_connect(sock, (host, port))
        except TimeoutError as error:
            raise DeadlineExceeded(f"no answer within {timeout:g} s") from error
        connection = protocol = Connection(runtime, outbound=True, expected_peer=expected_peer, dialled=dialled)
        await loop.create_connection(lambda: protocol, sock=sock)
    except BaseException:
        sock.close()
        if connection is not None:
            # uvloop says nothing of a hand-over that is cancelled; where the loop does, this is one call for nothing.
            connection.abort(DeadlineExceeded("the dial was cancelled"))
            connection.connection_lost(None)
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
        server = await runtime.loop.create_server(
            lambda: Connection(runtime, outbound=False), sock=sock, backlog=_BACKLOG, start_serving=False
        )
    except BaseException:
        sock.close()
        raise
    try:
        await server.start_serving()
    except BaseException:
        server.close()
        raise
    return server


def listening_addresses(server: asyncio.Server) -> list[Multiaddr]:
    """Return the addresses that a server is bound to, with the real port."""
    return [from_sockaddr(sock.getsockname()) for sock in server.sockets]
