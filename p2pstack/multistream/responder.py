"""The side of multistream-select that answers: it echoes the first proposal that it knows, and says ``na`` to others.

Its header is queued at once, as go-libp2p's is (MSS-02), and so leaves together with the first answer when the proposal
is there before the first flush. Where implementations differ it answers so: ``ls`` with the listing, as rust and js do,
or with ``na`` where that would be too long (MSS-07); a repeated header and the simultaneous-open extension with ``na``,
as go does (MSS-10, SIMOPEN-01); also with ``na`` what is no protocol id at all, where rust hangs up (MSS-11).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from p2pstack.multistream.config import MultistreamConfig
from p2pstack.multistream.messages import HEADER, MULTISTREAM, NA, SIMULTANEOUS_CONNECT, encode_listing
from p2pstack.multistream.negotiator import Negotiator
from p2pstack.wire import uvarint

__all__ = ["Responder"]

NEVER_ACCEPTED = frozenset({MULTISTREAM, SIMULTANEOUS_CONNECT})
DEFAULT_CONFIG = MultistreamConfig()


class Responder(Negotiator):
    """Answers proposals: ``accept(protocol)`` says whether a protocol id is spoken here, ``listing()`` which ones are.

    Both are asked at the moment of the message, so a set of protocols may change between negotiations (MSS-14).
    ``accept`` gets only strings that are protocol ids; whatever it or ``listing`` raises passes through
    ``receive_data``.
    """

    __slots__ = ("_accept", "_listing")

    def __init__(
        self,
        accept: Callable[[str], bool],
        listing: Callable[[], Iterable[str]] = tuple,
        *,
        config: MultistreamConfig = DEFAULT_CONFIG,
    ) -> None:
        super().__init__(HEADER, config, limit=config.max_message)
        self._accept = accept
        self._listing = listing

    def _receive_message(self, payload: bytes) -> None:
        if payload == b"ls":
            self._out.append(encode_listing(self._listing(), max_names=self.config.max_listed) or NA)
            return
        protocol = _protocol_id(payload)
        if protocol is None or not self._accept(protocol):
            self._out.append(NA)
            return
        self._out.append(uvarint.encode(len(payload) + 1) + payload + b"\n")
        self._agree(protocol)

    def _receive_end(self) -> None:
        """The peer left between two messages: it asked nothing, or got ``na`` and gave up. Both are in order."""


def _protocol_id(payload: bytes) -> str | None:
    """Return the protocol id in ``payload``, or None where it is not one or may not be accepted."""
    if payload[:1] != b"/" or b"\n" in payload:
        return None
    try:
        protocol = payload.decode()
    except UnicodeDecodeError:
        return None
    return None if protocol in NEVER_ACCEPTED else protocol
