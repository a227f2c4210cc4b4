"""Taking the connections that a relay passes on to us (RELAY-09, specs/relay.md)."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable

from p2pstack.aio.stream import Stream
from p2pstack.errors import DeadlineExceeded, DecodeError, ProtocolViolation
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.relay.messages import StopKind, StopMessage
from p2pstack.relay.protocols import MAX_MESSAGE
from p2pstack.relay.status import Status, describe
from p2pstack.services.relay.client_config import RelayClientConfig

__all__ = ["StopHandler"]

logger = logging.getLogger("p2pstack.relay")


class _Refusal(Exception):
    """What the relay is told, and does not get."""

    def __init__(self, status: Status) -> None:
        super().__init__(describe(status))
        self.status = status


class StopHandler:
    """Serves the stop protocol.

    ``way`` returns the address behind the relay that has opened a stream; None where it was not asked for connections.
    """

    def __init__(self, host: BaseHost, config: RelayClientConfig, way: Callable[[Stream], Multiaddr | None]) -> None:
        self._host = host
        self._config = config
        self._way = way
        self._circuits: Counter[PeerId] = Counter()

    async def serve(self, stream: Stream) -> None:
        """Take one connection, and stay until it ends.

        What the relay wants is refused with a status. Who is at the other end has to prove that he is who the relay
        says, or the stream is reset.
        """
        try:
            way, initiator = await self._agree(stream)
        except _Refusal as refusal:
            logger.debug("%s: a circuit is refused: %s", stream.connection, refusal)
            _answer(stream, refusal.status)
            return
        relay = stream.peer_id
        self._circuits[relay] += 1
        try:
            _answer(stream, Status.OK)
            connection = await self._host.join_circuit(
                stream, circuit=way, peer=initiator, initiator=False, timeout=self._config.upgrade_timeout
            )
            await connection.wait_closed()
        finally:
            self._circuits[relay] -= 1
            if not self._circuits[relay]:
                del self._circuits[relay]

    async def _agree(self, stream: Stream) -> tuple[Multiaddr, PeerId]:
        """Return through where, and who, wants to talk to us."""
        message = await self._request(stream)
        if message.kind is not StopKind.CONNECT or message.peer is None:
            raise _Refusal(Status.UNEXPECTED_MESSAGE)
        way = self._way(stream)
        if way is None:
            raise _Refusal(Status.PERMISSION_DENIED)
        if message.peer.id == self._host.peer_id:
            raise _Refusal(Status.MALFORMED_MESSAGE)
        if self._circuits[stream.peer_id] >= self._config.max_circuits:
            raise _Refusal(Status.RESOURCE_LIMIT_EXCEEDED)
        return way, message.peer.id

    async def _request(self, stream: Stream) -> StopMessage:
        seconds = self._config.stop_timeout
        try:
            async with asyncio.timeout(seconds):
                frame = await stream.read_frame(MAX_MESSAGE)
        except TimeoutError as error:
            raise DeadlineExceeded(f"the relay did not say who it connects within {seconds:g} s") from error
        except ProtocolViolation as error:
            raise _Refusal(Status.MALFORMED_MESSAGE) from error
        try:
            return StopMessage.decode(frame)
        except DecodeError as error:
            raise _Refusal(Status.MALFORMED_MESSAGE) from error


def _answer(stream: Stream, status: Status) -> None:
    stream.write_frame(StopMessage(kind=StopKind.STATUS, status=status).encode())
