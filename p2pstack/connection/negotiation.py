"""How the streams of a connection agree on their protocol, in no round trip of their own where possible. Pure.

Both sides look at the first bytes of a stream through its gate. In the usual case header and proposal come in one
frame and are found in a table by their bytes, and the answer is compared with what was expected; everything else
goes to the machines of :mod:`p2pstack.multistream`. Hot path: guarded by the row ``streams`` of the benchmark.
"""

from __future__ import annotations

from collections.abc import Sequence

from p2pstack.connection.config import ConnectionConfig
from p2pstack.connection.protocols import ProtocolTable, opening
from p2pstack.errors import DeadlineExceeded, LimitExceeded, NegotiationError, P2PError, RemoteError
from p2pstack.multistream.initiator import Initiator
from p2pstack.multistream.messages import HEADER
from p2pstack.multistream.responder import Responder
from p2pstack.yamux.frames import RESET_NEGOTIATION, RESET_RESOURCE_LIMIT
from p2pstack.yamux.session import Session
from p2pstack.yamux.stream import Buffer, Stream, discard

__all__ = ["Negotiations"]

_HEADER_SIZE = len(HEADER)


class _Offer:
    """What an outbound stream waits for: the rest of the expected answer, and what else may be proposed."""

    __slots__ = ("awaited", "opening", "protocols")

    def __init__(self, protocols: Sequence[str]) -> None:
        self.protocols = protocols
        self.opening = self.awaited = opening(protocols[0])


class Negotiations:
    """The negotiations under way on one session. ``pending`` holds each stream's deadline, the earliest first."""

    __slots__ = ("_config", "_inbound", "_protocols", "_session", "pending")

    def __init__(self, protocols: ProtocolTable, config: ConnectionConfig) -> None:
        self._protocols = protocols
        self._config = config
        self._session: Session | None = None
        self._inbound = 0
        self.pending: dict[Stream, float] = {}

    def attach(self, session: Session) -> None:
        """Serve the streams of ``session``."""
        self._session = session

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
        except RemoteError as error:
            self._fail(stream, error)
            return b""
        for answer in responder.data_to_send():
            stream.write(answer)
        stream.credit(len(data))
        if responder.protocol is None:
            return b""
        trailing = responder.trailing
        stream.consumed -= len(trailing)
        self._agree(stream, responder.protocol)
        return trailing

    def _agree(self, stream: Stream, protocol: str) -> None:
        """Hand an inbound stream over to its handler."""
        self.end(stream)
        stream.protocol = protocol
        stream.gate = discard if stream.eof else None
        stream.negotiation = None
        stream.session.opened.append(stream)

    # -- outbound

    def offer(self, stream: Stream, protocols: Sequence[str]) -> None:
        """Propose ``protocols``, in this order, on a stream that was just opened.

        With a single one the caller may write at once: nothing else will be proposed behind its bytes (MSS-06).
        """
        offer = stream.negotiation = _Offer(protocols)
        stream.write(offer.opening)
        stream.gate = self._receive_answer
        self.pending[stream] = stream.session.now + self._config.negotiation_timeout

    def _receive_answer(self, stream: Stream, data: Buffer) -> Buffer:
        """Gate of an outbound stream; an empty piece says that the stream has ended."""
        negotiation: _Offer | Initiator = stream.negotiation
        if not len(data):
            self._fail(stream, NegotiationError("the stream ended before an answer", requirement="MSS-13"))
            return b""
        if isinstance(negotiation, _Offer):
            awaited = negotiation.awaited
            size = len(awaited)
            if len(data) >= size:
                if data[:size] == awaited:
                    stream.credit(size)
                    self._settle(stream, negotiation.protocols[0])
                    return data[size:]
            elif awaited[: len(data)] == data:
                stream.credit(len(data))
                negotiation.awaited = awaited[len(data) :]
                return b""
            negotiation, data = self._fall_back(stream, negotiation, data)
        try:
            negotiation.receive_data(data)
        except RemoteError as error:
            self._fail(stream, error)
            return b""
        for proposal in negotiation.data_to_send():
            stream.write(proposal)
        stream.credit(len(data))
        if negotiation.protocol is None:
            return b""
        trailing = negotiation.trailing
        stream.consumed -= len(trailing)
        self._settle(stream, negotiation.protocol)
        return trailing

    def _fall_back(self, stream: Stream, offer: _Offer, data: Buffer) -> tuple[Initiator, bytes]:
        """Replace the comparison by the machine, which is fed what has matched so far as well."""
        matched = offer.opening[: len(offer.opening) - len(offer.awaited)]
        initiator = Initiator(offer.protocols, config=self._config.multistream)
        initiator.data_to_send()
        stream.negotiation = initiator
        stream.consumed -= len(matched)
        return initiator, matched + bytes(data)

    def _settle(self, stream: Stream, protocol: str) -> None:
        """Open an outbound stream to its reader, and wake who waits for the agreement."""
        self.end(stream)
        stream.protocol = protocol
        stream.gate = discard if stream.eof or stream.read_closed else None
        stream.negotiation = None
        if not stream.marked:
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
        stream.kill(error, RESET_NEGOTIATION)

    def next_timeout(self) -> float | None:
        """When the first negotiation runs out of time."""
        for deadline in self.pending.values():
            return deadline
        return None

    def handle_timeout(self, now: float) -> None:
        """Reset the streams whose negotiation has run out of time, and forget those that have ended."""
        while self.pending:
            stream, deadline = next(iter(self.pending.items()))
            if stream.failure is None and deadline > now:
                break
            seconds = self._config.negotiation_timeout
            self._fail(stream, DeadlineExceeded(f"no protocol was agreed within {seconds:g} s"))
