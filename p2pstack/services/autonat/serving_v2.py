"""Serving AutoNAT 2: a nonce is left at an address, for data where the dial may hit somebody else (AUTONAT2-02)."""

from __future__ import annotations

import asyncio
import random
from time import monotonic

from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.autonat import v2
from p2pstack.autonat.choice import choose, data_size, same_host
from p2pstack.autonat.protocols import DIAL_BACK, MAX_BACK_MESSAGE, MAX_V2_MESSAGE, MIN_PART
from p2pstack.autonat.rates import Rates
from p2pstack.errors import DeadlineExceeded, DecodeError, HostClosed, P2PError, ProtocolViolation
from p2pstack.host.host import BaseHost
from p2pstack.services.autonat.config import AutonatServerConfig
from p2pstack.services.autonat.places import group_of, observed_address, own_hosts

__all__ = ["ServerV2"]


class ServerV2:
    """Dials the first acceptable address of a request by ``dialler``, another host, and names the nonce there."""

    def __init__(self, host: BaseHost, dialler: BaseHost, config: AutonatServerConfig) -> None:
        self._host = host
        self._dialler = dialler
        self._config = config
        self._rates = Rates(config.v2)
        self._elsewhere = Rates(config.v2_elsewhere)
        self._random = random.SystemRandom()

    async def serve(self, stream: Stream) -> None:
        """Answer one request; whether the peer may make it is looked at before it is read.

        Raises:
            ProtocolViolation: it is none, or what follows is no data.
            DeadlineExceeded: it does not come to an end.
        """
        connection = stream.connection
        peer = connection.peer_id
        ip = group_of(connection, private=True) or ""
        if self._rates.accept(peer, ip, monotonic()):
            stream.write_frame(v2.DialResponse(v2.Status.E_REQUEST_REJECTED).encode())
            return
        try:
            async with asyncio.timeout(self._config.timeout):
                response = await self._answer(stream, ip)
        except TimeoutError as error:
            raise DeadlineExceeded(f"a request took longer than {self._config.timeout:g} s") from error
        finally:
            self._rates.complete(peer)
        stream.write_frame(response.encode())

    async def _answer(self, stream: Stream, ip: str) -> v2.DialResponse:
        request = await _read(stream)
        if not isinstance(request, v2.DialRequest):
            raise ProtocolViolation("autonat", "the first message is no dialRequest", requirement="AUTONAT2-01")
        choice = choose(request.addresses, own_hosts(self._host), private=self._config.private)
        if choice is None:
            return v2.DialResponse(v2.Status.E_DIAL_REFUSED)
        connection = stream.connection
        if not same_host(observed_address(connection), choice.address):
            if self._elsewhere.accept(connection.peer_id, ip, monotonic()):
                return v2.DialResponse(v2.Status.E_REQUEST_REJECTED)
            try:
                await self._take_data(stream, choice.place)
            finally:
                self._elsewhere.complete(connection.peer_id)
            await asyncio.sleep(self._random.uniform(0.0, self._config.max_delay))
        try:
            dialled = await self._dialler.dial_direct(
                connection.peer_id, [choice.address], timeout=self._config.back_dial_timeout
            )
        except HostClosed:
            raise
        except P2PError:
            return v2.DialResponse(v2.Status.OK, choice.place, v2.DialStatus.E_DIAL_ERROR)
        try:
            status = await self._leave(dialled, request.nonce)
        finally:
            await dialled.close(self._config.back_timeout)
        return v2.DialResponse(v2.Status.OK, choice.place, status)

    async def _take_data(self, stream: Stream, place: int) -> None:
        """Have the peer send about what the dial may cost somebody else."""
        missing = data_size(self._random.random())
        stream.write_frame(v2.DataRequest(place, missing).encode())
        while missing > 0:
            part = await _read(stream)
            if not isinstance(part, v2.DataResponse):
                raise ProtocolViolation("autonat", "the peer sends no data", requirement="AUTONAT2-02")
            missing -= part.size
            if part.size < MIN_PART and missing > 0:
                message = f"{part.size} bytes of data in a message are too few"
                raise ProtocolViolation("autonat", message, requirement="AUTONAT2-02")

    async def _leave(self, connection: Connection, nonce: int) -> v2.DialStatus:
        """Name the nonce on a connection of a dial-back, and wait until the peer says that it has it."""
        seconds = self._config.back_timeout
        try:
            async with asyncio.timeout(seconds), await connection.open_stream(DIAL_BACK, timeout=seconds) as stream:
                stream.write_frame(v2.encode_back(nonce))
                stream.close_write()
                status = v2.decode_back_response(await stream.read_frame(MAX_BACK_MESSAGE))
        except (P2PError, TimeoutError):
            return v2.DialStatus.E_DIAL_BACK_ERROR
        return v2.DialStatus.OK if status == v2.BACK_STATUS_OK else v2.DialStatus.E_DIAL_BACK_ERROR


async def _read(stream: Stream) -> v2.Message:
    try:
        return v2.decode(await stream.read_frame(MAX_V2_MESSAGE))
    except DecodeError as error:
        raise ProtocolViolation("autonat", str(error), requirement="AUTONAT2-01") from error
