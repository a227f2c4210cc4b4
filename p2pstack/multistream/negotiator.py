"""What both sides of multistream-select share: the header, the buffer, the limits, the end (specs/multistream.md).

A negotiator is a machine without I/O. Bytes of the peer go into ``receive_data`` in any cut; what is to be sent comes
out of ``data_to_send``. Both sides open with the header and neither waits for the other's (MSS-02). Then messages go to
``_receive_message`` of the subclass until it says that the negotiation is over:

* agreed: ``done`` and ``protocol`` are set, and ``trailing`` holds the bytes that came behind the last message. They
  belong to the protocol, like all that comes from now on;
* ended: the peer left in good order; ``done`` is set and ``protocol`` is None;
* failed: ``receive_data`` or ``receive_eof`` raised a NegotiationError; ``done`` is set as well.

Deadlines are the caller's (GEN-03), and so is the reaction to an error: close the connection, or reset the stream.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from p2pstack.errors import DecodeError, LocalError, NegotiationError
from p2pstack.multistream.config import MultistreamConfig
from p2pstack.multistream.messages import HEADER, cut_message
from p2pstack.wire import Buffer

__all__ = ["Negotiator"]

HEADER_SIZE = len(HEADER)


class Negotiator(ABC):
    """The common part of :class:`Initiator`, :class:`Responder` and :class:`Lister`."""

    __slots__ = ("_buffer", "_greeted", "_limit", "_messages_left", "_out", "config", "done", "protocol", "trailing")

    def __init__(self, opening: bytes, config: MultistreamConfig, *, limit: int) -> None:
        self.config = config
        self.protocol: str | None = None
        """The protocol that was agreed on."""
        self.done = False
        """No more input is wanted: the negotiation was agreed, ended or failed."""
        self.trailing = b""
        """The bytes behind the negotiation, which belong to the protocol; final once it is done."""
        self._greeted = False  # the peer's header has come
        self._limit = limit
        self._messages_left = config.max_messages
        self._buffer = b""  # one incomplete message at most, so limit + 2 bytes
        self._out = [opening]

    def data_to_send(self) -> list[bytes]:
        """Return, and forget, the buffers that are to be sent, in order."""
        out = self._out
        self._out = []
        return out

    def receive_data(self, data: Buffer) -> None:
        """Take bytes of the peer, in any cut.

        Raises:
            NegotiationError: the peer breaks the protocol or a limit; its subclass ProtocolNotSupported when an
                initiator has nothing left to propose.
            LocalError: the negotiation is over.
        """
        if self.done:
            raise LocalError("the negotiation is over: later bytes belong to the protocol")
        buffer = self._buffer + data
        try:
            self._read(buffer)
        except NegotiationError:
            self._close()
            raise
        except DecodeError as error:
            self._close()
            raise NegotiationError(f"bad length: {error}", requirement=error.requirement or "GEN-06") from error

    def receive_eof(self) -> None:
        """Take the peer's half-close. What is queued is still to be sent (MSS-12); once agreed, it means nothing here.

        Raises:
            NegotiationError: it comes inside a message, or while this side still waits for an answer (MSS-13).
        """
        if self.done:
            return
        cut = bool(self._buffer)
        self._close()
        if cut:
            raise NegotiationError("the peer closed inside a message", requirement="MSS-13")
        self._receive_end()

    def _read(self, buffer: bytes) -> None:
        """Handle all whole messages in ``buffer``, and keep the rest."""
        offset = 0
        if not self._greeted:
            head = buffer[:HEADER_SIZE]
            if head != HEADER:
                if HEADER.startswith(head):
                    self._buffer = buffer
                    return
                raise NegotiationError(f"opened with {head!r} and not with the header", requirement="MSS-02")
            self._greeted = True
            self._messages_left -= 1
            offset = HEADER_SIZE
        while not self.done:
            cut = cut_message(buffer, offset, self._limit)
            if cut is None:
                self._buffer = buffer[offset:]
                return
            if self._messages_left == 0:
                raise NegotiationError(f"more than {self.config.max_messages} messages", requirement="MSS-08")
            self._messages_left -= 1
            payload, offset = cut
            self._receive_message(payload)
        self.trailing = buffer[offset:]

    def _close(self) -> None:
        self.done = True
        self._buffer = b""

    def _agree(self, protocol: str) -> None:
        self._close()
        self.protocol = protocol

    @abstractmethod
    def _receive_message(self, payload: bytes) -> None:
        """Handle one message, given without its newline."""

    @abstractmethod
    def _receive_end(self) -> None:
        """Handle a half-close between two messages."""
