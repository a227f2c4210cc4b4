"""The stream that programs use: the pure stream with waiting added. Hot path.

It *is* the machine's stream, so a byte passes no queue or object between the frame and its reader. A task that finds
nothing to read, or too much unsent, waits on a :class:`~p2pstack.aio.waiter.Waiter`; the connection wakes it. Guarded
by the rows ``ping``, ``streams`` and ``bulk`` of ``python -m benchmarks``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from types import TracebackType
from typing import TYPE_CHECKING, Self

from p2pstack.aio.alarm import NEVER
from p2pstack.aio.waiter import Waiter
from p2pstack.errors import (
    ConnectionClosed,
    DecodeError,
    LimitExceeded,
    LocalError,
    ProtocolViolation,
    StreamClosed,
    StreamEOF,
    StreamTimeout,
)
from p2pstack.wire import uvarint
from p2pstack.yamux.session import Session
from p2pstack.yamux.stream import Buffer
from p2pstack.yamux.stream import Stream as PureStream

if TYPE_CHECKING:
    from p2pstack.aio.connection import Connection
    from p2pstack.identity.peer_id import PeerId

__all__ = ["Stream"]

_CHUNK = 65_536


class Stream(PureStream):
    """One bidirectional stream of bytes to a peer.

    Reading: :meth:`read`, :meth:`read_exactly`, :meth:`read_to_end`, :meth:`read_frame`, :meth:`chunks`. The end of
    the peer's side reads as ``b""``; a reset raises StreamReset, a dead connection ConnectionClosed, and a wait of
    more than ``timeout`` seconds (None: for ever) StreamTimeout. Writing: :meth:`write` queues, :meth:`drain` waits for
    room, :meth:`close_write` half-closes. ``async with`` closes the stream, or resets it when its body raises.

    One task may read and one may write at a time. ``weight`` is its share when streams compete (1: normal).
    """

    __slots__ = ("connection", "drain_size", "read_deadline", "reader", "timeout", "write_deadline", "writer")

    def __init__(self, session: Session, stream_id: int, opening_flag: int) -> None:
        super().__init__(session, stream_id, opening_flag)
        self.reader: Waiter | None = None
        self.writer: Waiter | None = None
        self.read_deadline = self.write_deadline = 0.0
        self.drain_size = 0
        self.connection: Connection = session.owner
        self.timeout = self.connection.stream_timeout

    @property
    def peer_id(self) -> PeerId:
        """The peer at the other end."""
        return self.connection.peer_id

    @property
    def direction(self) -> str:
        """``"outbound"`` when this side opened the stream, else ``"inbound"``."""
        return "outbound" if self.outbound else "inbound"

    # -- reading

    async def read(self, max_bytes: int = _CHUNK) -> bytes:
        """Return 1 to ``max_bytes`` bytes as soon as there are any, or ``b""`` at the end of the peer's side.

        Raises:
            StreamError: StreamReset, ConnectionClosed, StreamTimeout, or StreamClosed after :meth:`close`.
        """
        while not self.received:
            if self.eof:
                return b""
            await self.wait_to_read()
        data = self.take_bytes(max_bytes)
        self._after_reading()
        return data

    async def read_exactly(self, size: int) -> bytes:
        """Return exactly ``size`` bytes, at most what ``max_window`` of the connection's configuration allows.

        Raises:
            StreamEOF: the stream ended before; ``partial`` holds what came.
            StreamError: as for :meth:`read`.
        """
        if size > self.session.config.max_window:
            return await self._read_long(size)
        while self.unread < size:
            if self.eof:
                raise StreamEOF(self.take_bytes(size), size)
            if self.unread * 2 > self.window or self.connection.reading_paused:
                return await self._read_long(size)
            await self.wait_to_read()
        data = self.take_bytes(size)
        self._after_reading()
        return data

    async def read_to_end(self, limit: int) -> bytes:
        """Return everything up to the peer's end of the stream.

        Raises:
            LimitExceeded: ``stream.read_to_end``, more than ``limit`` bytes came.
            StreamError: as for :meth:`read`.
        """
        pieces: list[Buffer] = []
        size = 0
        try:
            while chunks := await self.chunks():
                size += sum(map(len, chunks))
                if size > limit:
                    raise LimitExceeded("stream.read_to_end", limit)
                pieces += chunks
        except (asyncio.CancelledError, StreamTimeout):
            self._put_back(pieces)
            raise
        return b"".join(pieces)

    async def chunks(self) -> list[Buffer]:
        """Return all that is there, at least one piece, without copying it; ``[]`` at the end of the peer's side.

        The fastest way to read much. A memoryview keeps the whole message alive that it is a part of.

        Raises:
            StreamError: as for :meth:`read`.
        """
        while not self.received:
            if self.eof:
                return []
            await self.wait_to_read()
        pieces = self.take()
        self._after_reading()
        return pieces

    def take_now(self) -> list[Buffer]:
        """Return what is there, perhaps nothing, without waiting: for callbacks of the loop, which are no tasks."""
        pieces = self.take() if self.received else []
        self._after_reading()
        return pieces

    async def read_frame(self, limit: int, admit: Callable[[int], None] | None = None) -> bytes:
        """Return the next message behind a uvarint length, as most libp2p protocols have them; b"" for an empty one.

        HOT PATH: a message that came in one piece is taken at once. Of others ``admit`` is told the size before they
        are collected; what it raises leaves them unread, and the stream is of no use any more.

        Raises:
            StreamEOF: the stream ended, before (``partial`` is empty) or inside the message.
            ProtocolViolation: the length is malformed or above ``limit``; nothing was allocated for it (GEN-02).
            StreamError: as for :meth:`read`.
        """
        while not self.received and not self.eof:
            await self.wait_to_read()
        frame = self._take_frame(limit)
        if frame is not None:
            return frame
        longest = len(uvarint.encode(limit))
        prefix = b""
        try:
            while not prefix or prefix[-1] & 0x80:
                if len(prefix) == longest:
                    message = f"the length prefix is longer than a limit of {limit} bytes needs"
                    raise ProtocolViolation(self.protocol or "", message, requirement="GEN-06")
                prefix += await self.read_exactly(1)
            size = self._frame_size(prefix, limit)
            if admit is not None:
                admit(size)
            return await self.read_exactly(size) if size else b""
        except StreamEOF as error:
            raise StreamEOF(prefix + error.partial, len(prefix) + error.expected) from None
        except (asyncio.CancelledError, StreamTimeout):
            self._put_back([prefix])
            raise

    def _take_frame(self, limit: int) -> bytes | None:
        """Return a message that is wholly in the first piece, of less than 16 KiB; None: the long way has to see."""
        if not self.received:
            return None
        piece = self.received[0]
        size, start = piece[0], 1
        if size >= 0x80:
            if len(piece) < 2 or not 0 < piece[1] < 0x80:
                return None
            size, start = size & 0x7F | piece[1] << 7, 2
        if not 0 < size <= min(limit, len(piece) - start):
            return None
        data = self.take_bytes(start + size)
        self._after_reading()
        return data[start:]

    def _frame_size(self, prefix: bytes, limit: int) -> int:
        """Return the length that a whole prefix says."""
        try:
            size, _ = uvarint.decode(prefix)
        except DecodeError as error:
            raise ProtocolViolation(self.protocol or "", str(error), requirement="GEN-06") from error
        if size > limit:
            message = f"message of {size} bytes is over the limit of {limit}"
            raise ProtocolViolation(self.protocol or "", message, requirement="GEN-02")
        return size

    async def _read_long(self, size: int) -> bytes:
        """Read more than fits the window: take the pieces as they come."""
        pieces: list[Buffer] = []
        missing = size
        try:
            while missing:
                piece = await self.read(missing)
                if not piece:
                    raise StreamEOF(b"".join(pieces), size)
                pieces.append(piece)
                missing -= len(piece)
        except (asyncio.CancelledError, StreamTimeout):
            self._put_back(pieces)
            raise
        return b"".join(pieces)

    def _put_back(self, pieces: list[Buffer]) -> None:
        """Undo the taking of ``pieces``: a read that is cancelled, or waits too long, has read nothing.

        The peer was credited for them already; that counts against what is read from now on.
        """
        if self.read_closed or not (self.failure is None or isinstance(self.failure, ConnectionClosed)):
            return
        size = sum(map(len, pieces))
        self.received[:0] = pieces
        self.unread += size
        self.session.unread += size
        self.consumed -= size

    def wait_to_read(self) -> Waiter:
        """Register the calling task as the reader."""
        if self.failure is not None:
            raise self.failure.with_traceback(None)
        if self.read_closed:
            raise StreamClosed("the read side of the stream is closed")
        if self.reader is not None and not self.reader.done():
            raise LocalError("another task reads from this stream")
        connection = self.connection
        waiter = self.reader = Waiter(connection.loop)
        self.read_deadline = 0.0 if self.timeout is None else connection.deadline_in(self.timeout)
        return waiter

    def _after_reading(self) -> None:
        """See to it that a window update leaves, and that reading of the socket goes on."""
        connection = self.connection
        if self.session.control:
            connection.plan_flush()
        if connection.reading_paused:
            connection.resume_reading()

    # -- writing

    def write(self, data: Buffer) -> None:
        """Queue ``data``; it leaves with everything else that this loop turn queues. Call :meth:`drain` in loops.

        The stream keeps a reference until the data is sent: don't change a bytearray before that.

        Raises:
            StreamError: StreamClosed after :meth:`close_write`; StreamReset, ConnectionClosed.
            LimitExceeded: ``yamux.max_unsent``, when the caller never drains; nothing was queued.
        """
        super().write(data)
        connection = self.connection
        if not connection.flush_planned:
            connection.plan_flush()

    def write_frame(self, payload: bytes) -> None:
        """Queue ``payload`` behind its length, as :meth:`read_frame` reads it.

        Raises:
            StreamError: as for :meth:`write`.
        """
        self.write(uvarint.encode(len(payload)) + payload)

    async def drain(self) -> None:
        """Wait until no more than ``drain_mark`` bytes of this stream are unsent.

        Raises:
            StreamError: StreamReset, ConnectionClosed, or StreamTimeout when the peer takes nothing.
        """
        mark = self.session.config.drain_mark
        while self.unsent_size > mark:
            if self.writer is not None and not self.writer.done():
                raise LocalError("another task drains this stream")
            connection = self.connection
            waiter = self.writer = Waiter(connection.loop)
            self.hungry = True
            self.drain_size = self.unsent_size
            self.write_deadline = 0.0 if self.timeout is None else connection.deadline_in(self.timeout)
            await waiter
        if self.failure is not None and not self.fin_sent:
            raise self.failure.with_traceback(None)

    def close_write(self) -> None:
        """Half-close: the peer reads the end of the stream behind what is queued; reading goes on. Idempotent."""
        super().close_write()
        self.connection.plan_flush()

    def reset(self, code: int = 0) -> None:
        """Kill both directions now; what is queued or unread is lost, and the peer sees ``code``. Idempotent."""
        super().reset(code)
        self.connection.plan_flush()

    def finish(self) -> None:
        """Close both directions: the peer gets what is queued and the end; what it still sends is dropped."""
        self.session.now = monotonic()
        self.close_write()
        self.close_read()
        if self.reader is not None and not self.marked:
            self.marked = True
            self.session.readable.append(self)
        if not self.eof or self.unsent_size:
            self.connection.deadline_in(self.session.config.close_timeout)

    async def close(self) -> None:
        """As :meth:`finish`, and wait for room as :meth:`drain` does, so that nothing endless is left behind.

        Raises:
            StreamError: as for :meth:`drain`.
        """
        self.finish()
        await self.drain()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            await self.close()
        else:
            self.reset()

    # -- the connection's side

    def wake(self) -> None:
        """Wake whoever waits for what has changed; called by the connection, outside of any task."""
        self.marked = False
        reader = self.reader
        if reader is not None:
            self.reader = None
            reader.wake()
        if self.failure is not None:
            self.wake_writer()

    def wake_writer(self) -> None:
        """Wake the task in :meth:`drain`."""
        writer = self.writer
        if writer is not None:
            self.writer = None
            writer.wake()

    def expire(self, now: float) -> float:
        """End the waits that have taken too long; return when the next one will have.

        A drain that got bytes out since its deadline was set has its time again.
        """
        upcoming = NEVER
        if self.unsent_size < self.drain_size and self.write_deadline and self.timeout is not None:
            self.drain_size = self.unsent_size
            self.write_deadline = max(self.write_deadline, now + self.timeout)
        for waiter, deadline in ((self.reader, self.read_deadline), (self.writer, self.write_deadline)):
            if waiter is None or waiter.done() or not deadline:
                continue
            if deadline <= now:
                waiter.fail(StreamTimeout(f"the peer did nothing for {self.timeout or 0:g} s"))
            else:
                upcoming = min(upcoming, deadline)
        return upcoming
