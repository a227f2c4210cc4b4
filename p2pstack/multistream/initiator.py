"""The sides of multistream-select that speak first: :class:`Initiator` proposes protocols, :class:`Lister` asks.

The initiator puts its header and the first proposal into one buffer and does not wait for the responder's header: a
rust responder would wait as well (MSS-02, MSS-06). Each ``na`` brings the next proposal (MSS-04); an echo of the
proposal ends the negotiation; anything else is an error (MSS-03).
"""

from __future__ import annotations

from collections.abc import Sequence

from p2pstack.errors import LocalError, NegotiationError, ProtocolNotSupported
from p2pstack.multistream.config import MultistreamConfig
from p2pstack.multistream.messages import HEADER, LS, decode_listing, encode
from p2pstack.multistream.negotiator import Negotiator

__all__ = ["Initiator", "Lister"]

DEFAULT_CONFIG = MultistreamConfig()


class Initiator(Negotiator):
    """Proposes ``protocols`` in turn, the most wanted first, until the peer accepts one.

    With ``lazy`` the caller knows that the peer speaks the one protocol there is, and may send its first bytes right
    behind ``data_to_send()``, without waiting for the answer (MSS-06). An answer that is not header and echo fails then
    as ever; there is no second try, since the bytes are gone.

    Raises:
        LocalError: ``protocols`` is empty, longer than ``config.max_messages`` allows, or holds an id that can't be
            sent; with ``lazy`` also when there are several.
    """

    __slots__ = ("_expected", "_next", "_proposals", "lazy", "protocols")

    def __init__(
        self, protocols: Sequence[str], *, lazy: bool = False, config: MultistreamConfig = DEFAULT_CONFIG
    ) -> None:
        if not protocols or len(protocols) >= config.max_messages:
            raise LocalError(f"{len(protocols)} protocols to propose; 1 to {config.max_messages - 1} are possible")
        if lazy and len(protocols) > 1:
            raise LocalError("a lazy negotiation has one protocol: there is no second try")
        self._proposals = [encode(protocol) for protocol in protocols]
        super().__init__(HEADER + self._proposals[0], config, limit=config.max_message)
        self.protocols = tuple(protocols)
        self.lazy = lazy
        self._next = 1
        self._expected = protocols[0].encode()

    def _receive_message(self, payload: bytes) -> None:
        if payload == self._expected:
            self._agree(self.protocols[self._next - 1])
        elif payload != b"na":
            raise NegotiationError(f"answered {payload[:64]!r} to {self._expected!r}", requirement="MSS-03")
        elif self._next == len(self.protocols):
            raise ProtocolNotSupported(self.protocols)
        else:
            self._expected = self.protocols[self._next].encode()
            self._out.append(self._proposals[self._next])
            self._next += 1

    def _receive_end(self) -> None:
        raise NegotiationError("the peer closed before it answered", requirement="MSS-13")


class Lister(Negotiator):
    """Asks the peer with ``ls`` what it speaks: a tool for the curious; p2pstack itself learns it from identify.

    When ``done``, ``listed`` holds the names, or None if the peer answered ``na`` as go-libp2p does (MSS-07).
    """

    __slots__ = ("listed",)

    def __init__(self, *, config: MultistreamConfig = DEFAULT_CONFIG) -> None:
        super().__init__(HEADER + LS, config, limit=config.max_listing)
        self.listed: tuple[str, ...] | None = None

    def _receive_message(self, payload: bytes) -> None:
        if payload != b"na":
            self.listed = decode_listing(payload, max_names=self.config.max_listed)
        self._close()

    def _receive_end(self) -> None:
        raise NegotiationError("the peer closed before it answered", requirement="MSS-13")
