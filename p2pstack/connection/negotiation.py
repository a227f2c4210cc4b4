"""How the streams of a connection agree on their protocol, in no round trip of their own where possible. Pure.

Both sides look at the first bytes of a stream through its gate. In the usual case header and proposal come in one
frame and are found in a table by their bytes, and the answer is compared with what was expected; everything else
goes to the machines of :mod:`p2pstack.multistream`. Hot path: guarded by the row ``streams`` of the benchmark.
"""

from __future__ import annotations

from collections.abc import Sequence

from p2pstack.connection.config import ConnectionConfig
from p2pstack.connection.protocols import ProtocolTable, opening
from p2pstack.connection.trace import Tracer
from p2pstack.errors import (
    DeadlineExceeded,
    LimitExceeded,
    NegotiationError,
    P2PError,
    RemoteError,
    StreamClosed,
)
from p2pstack.multistream.config import MultistreamConfig
from p2pstack.multistream.initiator import Initiator
from p2pstack.multistream.messages import HEADER
from p2pstack.multistream.responder import Responder
from p2pstack.yamux.frames import RESET_NEGOTIATION, RESET_RESOURCE_LIMIT
from p2pstack.yamux.stream import Buffer, Stream, discard

__all__ = ["Negotiations", "Offer"]

_HEADER_SIZE = len(HEADER)


class Offer:
    """What an outbound stream proposes, in this order, and what it still waits for of the expected answer.

    Raises:
        LocalError: ``protocols`` is longer than the negotiation may be, or holds an id that can't be sent.
    """

    __slots__ = ("awaited", "initiator", "opening", "protocols")

    def __init__(self, protocols: Sequence[str], config: MultistreamConfig) -> None:
        self.protocols = tuple(protocols)
        self.opening = self.awaited = opening(protocols[0])
        self.initiator = Initiator(protocols, config=config) if len(protocols) > 1 else None


class Negotiations:
    """The negotiations under way on one session. ``pending`` holds each stream's deadline, the earliest first."""

    __slots__ = ("_config", "_inbound", "_protocols", "_tracer", "pending")

    def __init__(self, protocols: ProtocolTable, config: ConnectionConfig, tracer: Tracer | None = None) -> None:
        self._protocols = protocols
        self._config = config
        self._tracer = tracer
        self._inbound = 0
        self.pending: dict[Stream, float] = {}

    # -- inbound

    def accept(self, stream: Stream) -> None:
        """Begin with an inbound stream: its first bytes name its protocol."""
        if self._inbound >= self._config.max_negotiating:
            stream.kill(LimitExceeded("max_negotiating", self._config.max_negotiating), RESET_RESOURCE_LIMIT)
            return
        self._inbound += 1
        self.pending[stream] = stream.session.now + self._config.negotiation_timeout
        stream.gate = self._receive_proposal

    def _receive_proposal(self, stream: Stream, data: Buffer) -> Buffer:
        """Gate of an inbound stream; an empty piece says that the stream has ended."""
        responder: Responder | None = stream.negotiation
        if not len(data):
            self._fail(stream, NegotiationError("the stream ended before it named a protocol", requirement="MSS-13"))
            return b""
        if stream.fin_wanted:
            self._fail(stream, StreamClosed("the stream was closed here before it named a protocol"))
            return b""
        if responder is None:
            size = _HEADER_SIZE + 1
            if len(data) >= size:
                size += data[_HEADER_SIZE]
                asked = bytes(data[:size])
                protocol = self._protocols.find(asked)
                if protocol is not None:
                    stream.write(asked)
                    stream.credit(size)
                    self._agree(stream, protocol)
                    return data[size:]
            responder = Responder(
                self._protocols.__contains__, lambda: self._protocols, config=self._config.multistream
            )
            stream.negotiation = responder
        try:
            responder.receive_data(data)
            for answer in responder.data_to_send():
                stream.write(answer)
        except (RemoteError, LimitExceeded) as error:
            self._fail(stream, error)
            return b""
        trailing = responder.trailing
        stream.credit(len(data) - len(trailing))
        if responder.protocol is not None:
            self._agree(stream, responder.protocol)
        return trailing

    def _agree(self, stream: Stream, protocol: str) -> None:
        """Hand an inbound stream over to its handler."""
        self.end(stream)
        if self._tracer is not None:
            self._tracer.event("protocol", stream=stream.id, protocol=protocol)
        stream.protocol = protocol
        stream.negotiation = None
        stream.gate = discard if stream.read_closed else None
        stream.session.opened.append(stream)

    # -- outbound

    def propose(self, stream: Stream, offer: Offer) -> None:
        """Begin to negotiate on a stream that was just opened.

        With a single protocol the caller may write at once: nothing else will be proposed behind its bytes (MSS-06).
        """
        stream.negotiation = offer
        stream.write(offer.opening)
        stream.gate = self._receive_answer
        self.pending[stream] = stream.session.now + self._config.negotiation_timeout

    def _receive_answer(self, stream: Stream, data: Buffer) -> Buffer:
        """Gate of an outbound stream; an empty piece says that the stream has ended."""
        offer: Offer = stream.negotiation
        if not len(data):
            self._fail(stream, NegotiationError("the stream ended before an answer", requirement="MSS-13"))
            return b""
        awaited = offer.awaited
        size = len(awaited)
        if size and data[:size] == awaited:
            stream.credit(size)
            self._settle(stream, offer.protocols[0])
            return data[size:]
        if awaited[: len(data)] == data:
            stream.credit(len(data))
            offer.awaited = awaited[len(data) :]
            return b""
        return self._receive_other_answer(stream, offer, data)

    def _receive_other_answer(self, stream: Stream, offer: Offer, data: Buffer) -> bytes:
        """Go on with the machine, once the answer is not the one that was expected."""
        size = len(data)
        initiator = offer.initiator
        if initiator is None:
            initiator = offer.initiator = Initiator(offer.protocols, config=self._config.multistream)
        if offer.awaited:
            initiator.data_to_send()
            data = offer.opening.removesuffix(offer.awaited) + bytes(data)
            offer.awaited = b""
        try:
            initiator.receive_data(data)
            for proposal in initiator.data_to_send():
                stream.write(proposal)
        except (RemoteError, LimitExceeded, StreamClosed) as error:
            self._fail(stream, error)
            return b""
        trailing = initiator.trailing
        stream.credit(size - len(trailing))
        if initiator.protocol is not None:
            self._settle(stream, initiator.protocol)
        return trailing

    def _settle(self, stream: Stream, protocol: str) -> None:
        """Open an outbound stream to its reader, and wake who waits for the agreement: nothing else has done so yet."""
        self.end(stream)
        if self._tracer is not None:
            self._tracer.event("protocol", stream=stream.id, protocol=protocol)
        stream.protocol = protocol
        stream.negotiation = None
        stream.gate = discard if stream.read_closed else None
        stream.marked = True
        stream.session.readable.append(stream)

    # -- both

    def end(self, stream: Stream) -> None:
        """Forget the deadline of a stream: its negotiation is over, or the stream is."""
        if self.pending.pop(stream, None) is not None and not stream.outbound:
            self._inbound -= 1

    def _fail(self, stream: Stream, error: P2PError) -> None:
        """End a stream whose negotiation failed; the connection goes on (GEN-01)."""
        self.end(stream)
        if self._tracer is not None:
            self._tracer.event("no-protocol", stream=stream.id, reason=str(error))
        stream.kill(error, RESET_NEGOTIATION)

    def next_timeout(self) -> float | None:
        """When the first negotiation runs out of time."""
        for deadline in self.pending.values():
            return deadline
        return None

    def handle_timeout(self, now: float) -> None:
        """Reset the streams whose negotiation has run out of time."""
        while self.pending:
            stream, deadline = next(iter(self.pending.items()))
            if deadline > now:
                break
            seconds = self._config.negotiation_timeout
            self._fail(stream, DeadlineExceeded(f"no protocol was agreed within {seconds:g} s"))
