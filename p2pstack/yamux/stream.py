"""One yamux stream: two buffers, two windows and a few flags (specs/yamux.md). Pure.

The session hands received bytes to :attr:`Stream.received` and takes queued ones from :attr:`Stream.unsent`; there is
no event object and no copy a frame. The asyncio stream is a subclass, so nothing has to be translated between them.
Hot path: guarded by the rows ``bulk`` and ``streams`` of ``python -m benchmarks``.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import TYPE_CHECKING, Any

from p2pstack.errors import LimitExceeded, LocalError, P2PError, StreamClosed, StreamReset
from p2pstack.yamux.config import INITIAL_WINDOW
from p2pstack.yamux.frames import RST, WINDOW_UPDATE, pack_header
from p2pstack.yamux.window import GROWTH_ROUND_TRIPS

if TYPE_CHECKING:
    from p2pstack.yamux.session import Session

__all__ = ["Buffer", "Gate", "Stream", "StreamState", "discard"]

Buffer = bytes | bytearray | memoryview

Gate = Callable[[Any, Buffer], Buffer]
"""Sees the bytes of a stream before its reader does, and returns what is the reader's; b"" tells it of the FIN."""

_MERGE_FROM = 64
"""Unread pieces of a stream from which on small ones are merged: one byte a frame must not cost an object a byte."""

_MERGE_SIZE = 16_384


def discard(stream: Stream, data: Buffer) -> Buffer:
    """Gate of a stream that nobody reads any more: after the peer's FIN, or after close()."""
    return b""


class StreamState(Enum):
    """What can still happen on a stream."""

    OPEN = "open"
    WRITE_CLOSED = "write-closed"
    READ_CLOSED = "read-closed"
    CLOSED = "closed"
    RESET = "reset"


class Stream:
    """The pure stream. The session makes it; users of the asyncio API see its subclass.

    ``received``/``unread`` are the pieces that wait for the reader and their size in bytes, ``unsent``/``unsent_size``
    those that wait for the session. ``receive_window`` is what the peer may still send, ``send_window`` what we may.
    ``failure`` is set once the stream is dead: the error that every later call raises.
    """

    __slots__ = (
        "acknowledged",
        "consumed",
        "eof",
        "failure",
        "fin_sent",
        "fin_wanted",
        "gate",
        "granted_at",
        "hungry",
        "id",
        "marked",
        "negotiation",
        "opening_flag",
        "protocol",
        "queued",
        "read_closed",
        "receive_window",
        "received",
        "send_window",
        "session",
        "unread",
        "unsent",
        "unsent_size",
        "weight",
        "window",
    )

    def __init__(self, session: Session, stream_id: int, opening_flag: int) -> None:
        self.session = session
        self.id = stream_id
        self.opening_flag = opening_flag
        self.received: list[Buffer] = []
        self.unread = 0
        self.receive_window = self.window = INITIAL_WINDOW
        self.consumed = 0
        self.granted_at = session.now
        self.send_window = INITIAL_WINDOW
        self.unsent: list[Buffer] = []
        self.unsent_size = 0
        self.weight = 1
        self.queued = self.hungry = self.marked = self.acknowledged = False
        self.eof = self.read_closed = self.fin_wanted = self.fin_sent = False
        self.failure: P2PError | None = None
        self.gate: Gate | None = None
        self.negotiation: Any = None
        self.protocol: str | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id} {self.protocol} {self.state.value}>"

    @property
    def outbound(self) -> bool:
        """Whether this side opened the stream."""
        return (self.id & 1 == 1) == self.session.client

    @property
    def state(self) -> StreamState:
        """What can still happen on the stream."""
        if self.failure is not None:
            return StreamState.RESET
        if self.eof or self.read_closed:
            return StreamState.CLOSED if self.fin_wanted else StreamState.READ_CLOSED
        return StreamState.WRITE_CLOSED if self.fin_wanted else StreamState.OPEN

    # -- sending

    def write(self, data: Buffer) -> None:
        """Queue ``data``; the stream keeps a reference, so a bytearray must not be changed afterwards.

        Raises:
            StreamClosed: after :meth:`close_write`.
            StreamReset: or what else ended the stream.
            LimitExceeded: ``yamux.max_unsent``; nothing was queued.
        """
        if self.failure is not None:
            raise self.failure.with_traceback(None)
        if self.fin_wanted:
            raise StreamClosed("the write side of the stream is closed")
        size = len(data)
        if type(data) is memoryview and data.nbytes != size:
            data = data.cast("B")  # a view of larger items; from here on they are bytes
            size = len(data)
        if self.unsent_size > self.session.config.max_unsent:
            raise LimitExceeded("yamux.max_unsent", self.session.config.max_unsent)
        if size:
            self.unsent.append(data)
            self.unsent_size += size
            if not self.queued:
                self.queued = True
                self.session.fresh.append(self)

    def close_write(self) -> None:
        """Half-close: the peer reads EOF after what is queued; reading goes on (GEN-09). Idempotent."""
        if not self.fin_wanted and self.failure is None:
            self.fin_wanted = True
            if self.eof and self.unsent_size:
                self.session.linger(self)
            if not self.queued:
                self.queued = True
                self.session.fresh.append(self)

    def close_read(self) -> None:
        """Stop reading: unread and further bytes are dropped, and the peer is not told (YMX-27).

        Once the write side is closed as well, the peer has ``close_timeout`` to end its side, from the session's
        ``now``: whoever drives the session sets that first. A gate goes on: the negotiation may not be over.
        """
        if self.failure is None and not self.read_closed:
            self.read_closed = True
            if self.gate is None:
                self.gate = discard
            self.session.unread -= self.unread
            self.received = []
            self.unread = 0
            if not self.eof:
                self.session.linger(self)

    def reset(self, code: int = 0) -> None:
        """Kill both directions and tell the peer; ``code`` goes on the wire as go does it (YMX-14). Idempotent."""
        self.kill(StreamReset(code, remote=False), code)

    def kill(self, failure: P2PError, code: int) -> None:
        """Reset the stream with ``code`` on the wire; later calls here raise ``failure``."""
        if self.failure is None and not (self.eof and self.fin_sent):
            self.session.control.append(pack_header(0, WINDOW_UPDATE, RST, self.id, code))
            self.session.drop(self, failure)

    # -- receiving

    def feed(self, data: Buffer, size: int) -> None:
        """Take ``size`` received bytes for the reader, in as few objects as a hostile peer may cost."""
        pieces = self.received
        if size < 1024 and len(pieces) >= _MERGE_FROM:
            last = pieces[-1]
            if type(last) is bytearray and len(last) < _MERGE_SIZE:
                last += data
            else:
                pieces.append(bytearray(data))
        else:
            pieces.append(data)
        self.unread += size
        session = self.session
        session.unread += size
        if not self.marked:
            self.marked = True
            session.readable.append(self)

    def take(self) -> list[Buffer]:
        """Return all unread pieces and credit the peer for them."""
        pieces = self.received
        size = self.unread
        self.received = []
        self.unread = 0
        self.session.unread -= size
        self.credit(size)
        return pieces

    def take_bytes(self, size: int) -> bytes:
        """Return the first ``size`` unread bytes, or all if there are fewer, and credit the peer for them.

        Raises:
            LocalError: ``size`` is negative.
        """
        pieces = self.received
        if len(pieces) == 1 and self.unread <= size:
            whole = self.take()[0]
            return whole if type(whole) is bytes else bytes(whole)
        if self.unread <= size:
            return b"".join(self.take())
        if size < 0:
            raise LocalError(f"can't take {size} bytes")
        wanted = size
        count = 0
        while (length := len(pieces[count])) <= wanted:  # there is more than wanted, so it ends
            wanted -= length
            count += 1
        chosen = pieces[:count]
        if wanted:
            view = memoryview(pieces[count])
            chosen.append(view[:wanted])
            pieces[count] = view[wanted:]
        del pieces[:count]
        self.unread -= size
        self.session.unread -= size
        self.credit(size)
        return b"".join(chosen)

    def credit(self, size: int) -> None:
        """Count ``size`` bytes as consumed; once half the window is, give it back to the peer, grown if it was small.

        Doubling follows go: a window that was used up within four round trips was the brake (YMX-11, YMX-12).
        """
        self.consumed += size
        if self.consumed * 2 < self.window or self.eof or self.failure is not None:
            return
        session = self.session
        now = session.now
        grant = self.consumed
        self.consumed = 0
        window = self.window
        if (
            now - self.granted_at < GROWTH_ROUND_TRIPS * session.round_trip
            and window * 2 <= session.config.max_window
            and session.budget.take(window)
        ):
            grant += window
            self.window = window * 2
            if session.trace_window is not None:
                session.trace_window(self.id, window * 2)
        self.granted_at = now
        self.receive_window += grant
        flags = self.opening_flag
        self.opening_flag = 0
        session.control.append(pack_header(0, WINDOW_UPDATE, flags, self.id, grant))
