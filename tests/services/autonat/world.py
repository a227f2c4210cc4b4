"""Hosts for the tests of AutoNAT: servers on loopback addresses of their own, peers that are asked by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.autonat import v1, v2
from p2pstack.autonat.config import ConfidenceConfig, RateConfig
from p2pstack.autonat.protocols import DIAL_BACK, DIAL_REQUEST, MAX_BACK_MESSAGE, V1
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import Multiaddr, parse, tcp_endpoint
from p2pstack.services.autonat.client import AutonatClient
from p2pstack.services.autonat.config import AutonatClientConfig, AutonatServerConfig
from p2pstack.services.autonat.server import AutonatServer
from p2pstack.services.standard import Host

__all__ = [
    "PLENTY",
    "asking_host",
    "at",
    "dead_address",
    "keep_nonces",
    "lines",
    "open_v1",
    "open_v2",
    "request_v1",
    "request_v2",
    "server",
    "silence",
]

PLENTY = RateConfig(total=1000, per_peer=1000, per_ip=1000, concurrent=100)


def at(number: int) -> str:
    """An address to listen on that only one host has: 127.0.0.NUMBER."""
    return f"/ip4/127.0.0.{number}/tcp/0"


def server(number: int = 2, **settings: Any) -> Host:
    """A server of both versions, which by default dials private addresses and delays nothing."""
    host = Host(listen=[at(number)])
    limits: dict[str, Any] = {"private": True, "max_delay": 0.0, "dial_timeout": 5.0}
    AutonatServer(host, AutonatServerConfig(**(limits | settings)))
    return host


def asking_host(
    number: int = 1, *, confirmations: int = 2, recheck: dict[str, float] | None = None, **settings: Any
) -> tuple[Host, AutonatClient]:
    """A host with a client that believes two servers, and asks the private ones of these tests."""
    host = Host(listen=[at(number)])
    confidence = ConfidenceConfig(confirmations=confirmations, **(recheck or {}))  # type: ignore[arg-type]
    limits: dict[str, Any] = {"private": True, "back_timeout": 0.5, "confidence": confidence}
    return host, AutonatClient(host, AutonatClientConfig(**(limits | settings)))


def dead_address(host: BaseHost) -> Multiaddr:
    """An address at the host's IP where nobody listens."""
    endpoint = tcp_endpoint(host.addresses[0])
    return parse(f"/{endpoint.kind}/{endpoint.host}/tcp/1")


@asynccontextmanager
async def silence() -> AsyncIterator[tuple[Multiaddr, asyncio.Event]]:
    """An address at which connections come about and nobody says a word; and whether one has."""
    reached = asyncio.Event()
    writers: list[asyncio.StreamWriter] = []

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        reached.set()

    listener = await asyncio.start_server(accept, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    try:
        yield parse(f"/ip4/127.0.0.1/tcp/{port}"), reached
    finally:
        listener.close()
        for writer in writers:
            writer.close()


def keep_nonces(host: BaseHost) -> list[tuple[int, Connection]]:
    """Have a host take every dial-back; gives the nonces that come, and on which connection."""
    kept: list[tuple[int, Connection]] = []

    async def take(stream: Stream) -> None:
        kept.append((v2.decode_back(await stream.read_frame(MAX_BACK_MESSAGE)), stream.connection))
        stream.write_frame(v2.encode_back_response())

    host.handle(DIAL_BACK, take)
    return kept


async def open_v1(connection: Connection) -> Stream:
    """A stream of version 1."""
    stream = await connection.open_stream(V1)
    stream.timeout = 5.0
    return stream


async def open_v2(connection: Connection) -> Stream:
    """A stream for a request of version 2."""
    stream = await connection.open_stream(DIAL_REQUEST)
    stream.timeout = 5.0
    return stream


async def request_v1(connection: Connection, request: v1.Dial) -> v1.DialResponse:
    """What a server of version 1 answers."""
    async with await open_v1(connection) as stream:
        stream.write_frame(request.encode())
        return v1.DialResponse.decode(await stream.read_frame(4096))


async def request_v2(
    connection: Connection, addresses: Sequence[Multiaddr], nonce: int = 7, *, parts: Sequence[int] | None = None
) -> tuple[v2.DialResponse, v2.DataRequest | None]:
    """What a server of version 2 answers, and what data it wanted; ``parts`` are sent instead of that."""
    async with await open_v2(connection) as stream:
        stream.write_frame(v2.DialRequest(tuple(addresses), nonce).encode())
        message = v2.decode(await stream.read_frame(8192))
        wanted = None
        if isinstance(message, v2.DataRequest):
            wanted = message
            sizes = [each.size for each in _data(message.size)] if parts is None else parts
            for size in sizes:
                stream.write_frame(v2.DataResponse(size).encode())
            message = v2.decode(await stream.read_frame(8192))
        assert isinstance(message, v2.DialResponse)
        return message, wanted


def _data(size: int) -> list[v2.DataResponse]:
    return [each for part in v2.data_messages(size) if isinstance(each := v2.decode(part), v2.DataResponse)]


def lines(addresses: Sequence[Multiaddr]) -> list[str]:
    """Addresses as texts."""
    return [str(address) for address in addresses]
