"""Questions to a rendezvous point, each on a stream of its own, as rust does it (RDV-01, RDV-02)."""

from __future__ import annotations

import asyncio
from typing import TypeVar

from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.errors import DeadlineExceeded, DecodeError, ProtocolViolation
from p2pstack.host.host import BaseHost
from p2pstack.rendezvous.messages import (
    Discover,
    DiscoverResponse,
    Message,
    Register,
    RegisterResponse,
    Unregister,
    decode,
    encode,
)
from p2pstack.rendezvous.protocols import PROTOCOL
from p2pstack.rendezvous.status import Status
from p2pstack.services.rendezvous.client_config import RendezvousClientConfig
from p2pstack.services.rendezvous.errors import RendezvousRefused

__all__ = ["Asker"]

Answer = TypeVar("Answer", RegisterResponse, DiscoverResponse)


class Asker:
    """Asks points, on connections that are there.

    Each method raises:
        RendezvousRefused: the point says no.
        ProtocolViolation: it answers something else.
        DeadlineExceeded: it takes too long.
        P2PError: it does not speak rendezvous, or the connection has ended.
    """

    def __init__(self, host: BaseHost, config: RendezvousClientConfig) -> None:
        self._host = host
        self._config = config

    async def register(self, connection: Connection, request: Register) -> int:
        """Register; return for how many seconds."""
        answer = await self._ask(connection, request, RegisterResponse)
        if answer.status != Status.OK:
            raise RendezvousRefused(connection.peer_id, "a registration", answer.status, answer.text)
        if not answer.ttl:
            raise ProtocolViolation(PROTOCOL, "the point registers for no time", requirement="RDV-05")
        return answer.ttl

    async def unregister(self, connection: Connection, request: Unregister) -> None:
        """End a registration; there is no answer (RDV-06), but the point ends the stream once it has read that.

        Before, we must not close the connection: what comes with its end may go unread.
        """
        async with await self._open(connection) as stream:
            stream.write_frame(encode(request))
            stream.close_write()
            await stream.read()

    async def discover(self, connection: Connection, request: Discover) -> DiscoverResponse:
        """Ask who is registered."""
        answer = await self._ask(connection, request, DiscoverResponse)
        if answer.status != Status.OK:
            raise RendezvousRefused(connection.peer_id, "a discovery", answer.status, answer.text)
        return answer

    async def _open(self, connection: Connection) -> Stream:
        lazy = self._host.peerstore.speaks(connection.peer_id, PROTOCOL)
        return await connection.open_stream(PROTOCOL, lazy=lazy, timeout=self._config.timeout)

    async def _ask(self, connection: Connection, request: Message, kind: type[Answer]) -> Answer:
        seconds = self._config.timeout
        try:
            async with asyncio.timeout(seconds), await self._open(connection) as stream:
                stream.write_frame(encode(request))
                stream.close_write()
                answer = decode(await stream.read_frame(self._config.max_answer))
        except DecodeError as error:
            raise ProtocolViolation(PROTOCOL, str(error), requirement=error.requirement) from error
        except TimeoutError as error:
            raise DeadlineExceeded(f"{connection.peer_id} did not answer within {seconds:g} s") from error
        if not isinstance(answer, kind):
            raise ProtocolViolation(PROTOCOL, "the answer is one to another question", requirement="RDV-01")
        return answer
