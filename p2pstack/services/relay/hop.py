"""Asking a relay: reaching it, and passing it to a peer behind it (RELAY-05, RELAY-10; specs/relay.md)."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.errors import DeadlineExceeded, DecodeError, LocalError, ProtocolViolation
from p2pstack.host.host import BaseHost
from p2pstack.identity.circuits import split_circuit
from p2pstack.identity.multiaddrs import Multiaddr, without_peer
from p2pstack.identity.peer_id import PeerId
from p2pstack.relay.messages import HopKind, HopMessage, Peer
from p2pstack.relay.protocols import HOP, MAX_MESSAGE
from p2pstack.relay.status import Status
from p2pstack.services.relay.errors import RelayRefused

__all__ = ["Hops", "violation"]


def violation(error: DecodeError, protocol: str = HOP) -> ProtocolViolation:
    """Return what a peer did by sending what does not decode."""
    return ProtocolViolation(protocol, str(error), requirement=error.requirement)


class Hops:
    """Speaks the hop protocol with relays, over the one connection that there is to each."""

    def __init__(self, host: BaseHost) -> None:
        self._host = host

    async def dial(self, address: Multiaddr, peer: PeerId, timeout: float) -> Connection:
        """Return a new connection to ``peer`` through the relay in ``address``.

        Raises:
            RelayRefused: the relay says no, with its status.
            ProtocolViolation: it answers with anything else.
            LocalError: the address is of a relay behind a relay, or leads to the host or the relay itself (RELAY-10).
            DeadlineExceeded: it took longer than ``timeout`` seconds.
            P2PError: the relay can't be reached, or who it leads to is not ``peer``.
        """
        relay, where, target = split_circuit(address)
        if target not in {None, peer}:
            raise DecodeError(f"the address is of another peer, {target}", requirement="RELAY-10")
        if self._host.peer_id in {relay, peer} or relay == peer:
            raise LocalError("the address leads to the host or the relay itself")
        limit = asyncio.timeout(timeout)
        try:
            async with limit:
                connection = await self.reach(relay, (where,) if where is not None else ())
                stream, _ = await self.ask(connection, HopMessage(kind=HopKind.CONNECT, peer=Peer(peer)))
                return await self._host.join_circuit(
                    stream, circuit=without_peer(address), peer=peer, initiator=True, timeout=timeout
                )
        except TimeoutError as error:
            if not limit.expired():
                raise
            raise DeadlineExceeded(f"{peer} was not reached through {relay} within {timeout:g} s") from error

    async def reach(self, relay: PeerId, addresses: Sequence[Multiaddr]) -> Connection:
        """Return a connection to ``relay`` that passes no other one (RELAY-10): one that is open, or a new one.

        Raises:
            DialError: the relay can't be reached.
            LocalError: there is only a connection to it through another one.
            DeadlineExceeded: it took too long.
        """
        connection = await self._host.connect(relay, addresses, relayed=False)
        if connection.relayed:  # of a dial that was under way
            raise LocalError(f"{relay} is itself connected through a relay")
        return connection

    async def ask(self, connection: Connection, request: HopMessage) -> tuple[Stream, HopMessage]:
        """Send a request to a relay; return its answer, which is good, and the stream, with what has come behind it.

        Raises:
            RelayRefused: the answer is another status than OK.
            ProtocolViolation: it is no answer (RELAY-11).
            ProtocolNotSupported: the peer is no relay.
            StreamError: the stream ended before.
        """
        known = self._host.peerstore.speaks(connection.peer_id, HOP)
        stream = await connection.open_stream(HOP, lazy=known)
        try:
            stream.write_frame(request.encode())
            answer = await self._answer(stream, "a reservation" if request.kind is HopKind.RESERVE else "a circuit")
        except BaseException:
            stream.reset()
            raise
        return stream, answer

    async def _answer(self, stream: Stream, wish: str) -> HopMessage:
        """Read what the relay says to what was wished for."""
        frame = await stream.read_frame(MAX_MESSAGE)
        try:
            answer = HopMessage.decode(frame)
        except DecodeError as error:
            raise violation(error) from error
        if answer.kind is not HopKind.STATUS:
            raise ProtocolViolation(HOP, f"{answer.kind.name} came in place of an answer", requirement="RELAY-11")
        if answer.status != Status.OK:
            raise RelayRefused(stream.peer_id, wish, answer.status)
        return answer
