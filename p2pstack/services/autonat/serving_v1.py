"""Serving AutoNAT 1: one request and one answer a stream (AUTONAT1-01 to AUTONAT1-03)."""

from __future__ import annotations

import asyncio
from time import monotonic

from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.autonat.choice import may_dial_back, to_dial_back
from p2pstack.autonat.protocols import MAX_V1_MESSAGE
from p2pstack.autonat.rates import Rates
from p2pstack.autonat.v1 import Dial, DialResponse, Status
from p2pstack.errors import DeadlineExceeded, DecodeError, HostClosed, P2PError, ProtocolViolation
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.autonat.config import AutonatServerConfig
from p2pstack.services.autonat.places import group_of, observed_address, own_hosts

__all__ = ["ServerV1"]


class ServerV1:
    """Dials who asks at the IP that the question came from, and at no other, by ``dialler``, another host."""

    def __init__(self, host: BaseHost, dialler: BaseHost, config: AutonatServerConfig) -> None:
        self._host = host
        self._dialler = dialler
        self._config = config
        self._rates = Rates(config.v1)

    async def serve(self, stream: Stream) -> None:
        """Answer one request.

        Raises:
            ProtocolViolation: it is none.
            DeadlineExceeded: it does not come to an end.
        """
        try:
            async with asyncio.timeout(self._config.timeout):
                request = Dial.decode(await stream.read_frame(MAX_V1_MESSAGE))
        except DecodeError as error:
            raise ProtocolViolation("autonat", str(error), requirement="AUTONAT1-01") from error
        except TimeoutError as error:
            raise DeadlineExceeded(f"no request came within {self._config.timeout:g} s") from error
        response = await self._answer(stream.connection, request)
        stream.write_frame(response.encode())

    async def _answer(self, connection: Connection, request: Dial) -> DialResponse:
        peer = connection.peer_id
        if not request.valid:
            return DialResponse(Status.E_BAD_REQUEST, "missing peer info")
        if request.peer is not None and not _is(request.peer, peer):
            return DialResponse(Status.E_BAD_REQUEST, "peer id mismatch")
        observed = observed_address(connection)
        if not may_dial_back(observed, own_hosts(self._host), private=self._config.private):
            return DialResponse(Status.E_DIAL_REFUSED, "refusing to dial the observed address")
        ip = group_of(connection, private=True) or ""
        if self._rates.accept(peer, ip, monotonic()):
            return DialResponse(Status.E_DIAL_REFUSED, "too many dials")
        try:
            return await self._dial(peer, to_dial_back(observed, request.addresses))
        finally:
            self._rates.complete(peer)

    async def _dial(self, peer: PeerId, addresses: list[Multiaddr]) -> DialResponse:
        """Dial, and close again; a failure is told when all the time is over that a dial may take."""
        seconds = self._config.dial_timeout
        told_at = monotonic() + seconds
        try:
            connection = await self._dialler.dial_direct(peer, addresses, timeout=seconds)
        except HostClosed:
            raise
        except P2PError:
            await asyncio.sleep(told_at - monotonic())
            return DialResponse(Status.E_DIAL_ERROR, "dial failed")
        reached = connection.remote_address
        await connection.close(self._config.back_timeout)
        return DialResponse(Status.OK, address=reached)


def _is(encoded: bytes, peer: PeerId) -> bool:
    try:
        return PeerId(encoded) == peer
    except DecodeError:
        return False
