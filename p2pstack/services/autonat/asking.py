"""Asking one server of AutoNAT, and checking what it says (AUTONAT1-01, AUTONAT2-03)."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from time import monotonic
from typing import NamedTuple

from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.autonat import v1, v2
from p2pstack.autonat.choice import same_stack
from p2pstack.autonat.protocols import (
    DIAL_REQUEST,
    MAX_BACK_MESSAGE,
    MAX_DATA,
    MAX_V1_MESSAGE,
    MAX_V2_ADDRESSES,
    MAX_V2_MESSAGE,
    V1,
)
from p2pstack.autonat.tracker import Subject
from p2pstack.errors import DeadlineExceeded, DecodeError, ProtocolViolation
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.autonat.config import AutonatClientConfig

__all__ = ["DialBacks", "Verdict", "ask_v1", "ask_v2"]


class Verdict(NamedTuple):
    """What a server has found out about an address, or (None) about the whole host."""

    subject: Subject
    reachable: bool


async def ask_v1(
    connection: Connection, peer: PeerId, addresses: Sequence[Multiaddr], *, timeout: float
) -> list[Verdict]:
    """Ask to be dialled back at ``addresses`` of ``peer``, this host; nothing is returned where the server refuses.

    A failure is one of all addresses. A success is that of a single one, and of the whole host alone where the server
    names another address than those it was asked about.

    Raises:
        ProtocolViolation: the answer is none.
        DeadlineExceeded: none came within ``timeout`` seconds.
        P2PError: the stream could not be opened, or ended.
    """
    request = v1.Dial.of(peer, tuple(addresses))
    try:
        async with asyncio.timeout(timeout), await connection.open_stream(V1, timeout=timeout) as stream:
            stream.timeout = timeout
            stream.write_frame(request.encode())
            response = v1.DialResponse.decode(await stream.read_frame(MAX_V1_MESSAGE))
    except DecodeError as error:
        raise ProtocolViolation("autonat", str(error), requirement="AUTONAT1-01") from error
    except TimeoutError as error:
        raise DeadlineExceeded(f"no answer came within {timeout:g} s") from error
    if response.status == v1.Status.E_DIAL_ERROR:
        return [*(Verdict(address, reachable=False) for address in request.addresses), Verdict(None, reachable=False)]
    if response.status != v1.Status.OK:
        return []
    verdicts = [Verdict(None, reachable=True)]
    if response.address in request.addresses:
        verdicts.append(Verdict(response.address, reachable=True))
    return verdicts


class _Expected(NamedTuple):
    """A nonce that is out: on which connection, since when, and who waits for where it comes in."""

    connection: Connection
    since: float
    arrived: asyncio.Future[Multiaddr]


class DialBacks:
    """The nonces that servers were given, and the handler of the connections on which they bring them.

    A server has proven something only by a new connection that it made: it may not use the one that it was asked on,
    nor any that we have made or that was there before.
    """

    def __init__(self, config: AutonatClientConfig) -> None:
        self._config = config
        self._expected: dict[int, _Expected] = {}

    def __len__(self) -> int:
        return len(self._expected)

    def expect(self, connection: Connection) -> int:
        """Return a nonce for the server at the other end of ``connection``; :meth:`forget` it in the end."""
        nonce = secrets.randbits(64)
        self._expected[nonce] = _Expected(connection, monotonic(), connection.loop.create_future())
        return nonce

    def forget(self, nonce: int) -> None:
        """Take a nonce back."""
        self._expected.pop(nonce).arrived.cancel()

    async def wait(self, nonce: int, timeout: float) -> Multiaddr | None:
        """Return our end of the connection on which the nonce came; None if it does not within ``timeout`` seconds."""
        arrived = self._expected[nonce].arrived
        await asyncio.wait([arrived], timeout=timeout)
        return arrived.result() if arrived.done() else None

    async def serve(self, stream: Stream) -> None:
        """Take one nonce.

        Raises:
            ProtocolViolation: it is none, or comes where it proves nothing.
            DeadlineExceeded: it does not come.
        """
        seconds = self._config.back_timeout
        try:
            async with asyncio.timeout(seconds):
                nonce = v2.decode_back(await stream.read_frame(MAX_BACK_MESSAGE))
        except DecodeError as error:
            raise ProtocolViolation("autonat", str(error), requirement="AUTONAT2-01") from error
        except TimeoutError as error:
            raise DeadlineExceeded(f"no nonce came within {seconds:g} s") from error
        connection = stream.connection
        expected = self._expected.get(nonce)
        if expected is None or expected.arrived.done():
            raise ProtocolViolation("autonat", "nobody waits for this nonce", requirement="AUTONAT2-03")
        if connection.direction != "inbound" or connection.opened_at < expected.since:
            raise ProtocolViolation("autonat", "the nonce came on an old connection", requirement="AUTONAT2-03")
        expected.arrived.set_result(connection.local_address)
        stream.write_frame(v2.encode_back_response())


async def ask_v2(
    connection: Connection, addresses: Sequence[Multiaddr], backs: DialBacks, *, timeout: float, back_timeout: float
) -> list[Verdict]:
    """Ask for one of ``addresses`` to be dialled, the first that the server is willing to; nothing where it refuses.

    Raises:
        ProtocolViolation: the server breaks a rule, or what it says is not borne out by what came in.
        DeadlineExceeded: there was no answer within ``timeout`` seconds.
        P2PError: the stream could not be opened, or ended.
    """
    asked = tuple(addresses[:MAX_V2_ADDRESSES])
    nonce = backs.expect(connection)
    try:
        try:
            async with (
                asyncio.timeout(timeout),
                await connection.open_stream(DIAL_REQUEST, timeout=timeout) as stream,
            ):
                stream.timeout = timeout
                response = await _converse(stream, v2.DialRequest(asked, nonce))
        except TimeoutError as error:
            raise DeadlineExceeded(f"no answer came within {timeout:g} s") from error
        if response.status != v2.Status.OK:
            return []
        if response.index >= len(asked):
            message = f"the server speaks of address {response.index} of {len(asked)}"
            raise ProtocolViolation("autonat", message, requirement="AUTONAT2-03")
        patience = back_timeout if response.dial == v2.DialStatus.OK else 0.0
        arrived = await backs.wait(nonce, patience)
        return [Verdict(asked[response.index], _judge(response.dial, arrived, asked[response.index]))]
    finally:
        backs.forget(nonce)


async def _converse(stream: Stream, request: v2.DialRequest) -> v2.DialResponse:
    """Send the request, and data if the server wants some, once."""
    stream.write_frame(request.encode())
    message = await _read(stream)
    if isinstance(message, v2.DataRequest):
        if message.index >= len(request.addresses) or message.size > MAX_DATA:
            text = f"the server wants {message.size} bytes for address {message.index} of {len(request.addresses)}"
            raise ProtocolViolation("autonat", text, requirement="AUTONAT2-02")
        for part in v2.data_messages(message.size):
            stream.write_frame(part)
            await stream.drain()
        message = await _read(stream)
    if not isinstance(message, v2.DialResponse):
        raise ProtocolViolation("autonat", "the message is no dialResponse", requirement="AUTONAT2-01")
    return message


def _judge(dial: int, arrived: Multiaddr | None, asked: Multiaddr) -> bool:
    """Return whether an address is reachable, as a server says and as the nonce that came, or did not, bears out.

    The right nonce proves that it is, though the server thinks that its exchange failed.
    """
    if dial == v2.DialStatus.E_DIAL_ERROR and arrived is None:
        return False
    if dial in {v2.DialStatus.OK, v2.DialStatus.E_DIAL_BACK_ERROR} and arrived is not None:
        if same_stack(arrived, asked):
            return True
        message = f"a dial of {asked} can't have come in at {arrived}"
        raise ProtocolViolation("autonat", message, requirement="AUTONAT2-03")
    came = "came" if arrived is not None else "did not come"
    message = f"the server says {dial} of its dial, but the nonce {came}"
    raise ProtocolViolation("autonat", message, requirement="AUTONAT2-03")


async def _read(stream: Stream) -> v2.Message:
    try:
        return v2.decode(await stream.read_frame(MAX_V2_MESSAGE))
    except DecodeError as error:
        raise ProtocolViolation("autonat", str(error), requirement="AUTONAT2-01") from error
