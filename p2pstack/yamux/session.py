"""The yamux session: frames in, frames out, streams between (specs/yamux.md). Pure; hot path.

``receive`` takes any cut of the byte stream. A DATA frame makes no object: its body goes to the stream, which is
marked readable once. What the caller has to look at after each call stands in the lists ``readable``, ``writable``
and ``opened``; it drains them. Guarded by the rows ``bulk`` and ``streams`` of ``python -m benchmarks``.

A peer that breaks a rule costs its connection: the session queues a GoAway and raises
:class:`~p2pstack.errors.YamuxError`. A peer that asks for too much costs its stream: the session resets it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from p2pstack.errors import ConnectionClosed, P2PError, StreamReset, YamuxError
from p2pstack.yamux.config import INITIAL_WINDOW, YamuxConfig
from p2pstack.yamux.frames import (
    ACK,
    DATA,
    FIN,
    GO_AWAY,
    GOAWAY_NORMAL,
    GOAWAY_PROTOCOL,
    HEADER_SIZE,
    PING,
    RESET_RESOURCE_LIMIT,
    RST,
    SYN,
    WINDOW_UPDATE,
    pack_header,
    unpack_header,
)
from p2pstack.yamux.liveness import Liveness
from p2pstack.yamux.stream import Buffer, Stream, discard
from p2pstack.yamux.table import StreamTable
from p2pstack.yamux.window import Budget

__all__ = ["Session", "TraceFrame"]

TraceFrame = Callable[[str, int, int, int, int], None]
"""Called with direction (``"in"`` or ``"out"``), type, flags, stream id and length of each frame."""

_MAX_SEND_WINDOW = 0xFFFF_FFFF
_COPY_BELOW = 1_024
"""Bodies below this size are copied, and so are those that are under a quarter of what they arrived in: a piece
that a stream retains must not pin a buffer many times its size."""


class Session(StreamTable):
    """One side of a yamux session.

    ``client`` is the side with odd stream ids. ``accept`` is called with each new inbound stream, without it the stream
    goes to ``opened``; ``ended`` is called with each stream that is over. ``budget`` bounds the growth of windows,
    ``inbound_budget`` the number of inbound streams, both beyond this session. ``owner`` is for ``stream_class``, which
    may look at it. ``now`` and all times are of the caller's clock, in seconds.
    """

    __slots__ = (
        "_body_left",
        "_body_stream",
        "_flags_after_body",
        "_header",
        "_liveness",
        "accept",
        "last_received",
        "opened",
        "remote_go_away",
        "trace",
        "trace_window",
    )

    def __init__(
        self,
        *,
        client: bool,
        config: YamuxConfig | None = None,
        now: float = 0.0,
        stream_class: type[Stream] = Stream,
        owner: Any = None,
        accept: Callable[[Stream], None] | None = None,
        ended: Callable[[Stream], None] | None = None,
        budget: Budget | None = None,
        inbound_budget: Budget | None = None,
        trace: TraceFrame | None = None,
        trace_window: Callable[[int, int], None] | None = None,
    ) -> None:
        super().__init__(
            client=client,
            config=config or YamuxConfig(),
            now=now,
            stream_class=stream_class,
            owner=owner,
            ended=ended,
            budget=budget,
            inbound_budget=inbound_budget,
        )
        self.last_received = now
        self.accept = accept
        self.trace = trace
        self.trace_window = trace_window
        self.opened: list[Stream] = []
        self.remote_go_away: int | None = None
        self._header = b""
        self._body_left = 0
        self._body_stream: Stream | None = None
        self._flags_after_body = 0
        self._liveness = Liveness(self.config, now)

    # -- receiving

    def receive_data(self, data: bytes, now: float) -> None:
        """Feed received bytes, cut anywhere.

        Raises:
            YamuxError: the peer broke a rule, or ended the session with an error; a GoAway is queued where one is due.
        """
        self.now = now
        self.receive(data)

    def receive(self, data: bytes) -> None:
        """As :meth:`receive_data`, at the time that stands in ``now``."""
        if self.terminated:
            return
        self.last_received = self.now
        offset = 0
        if self._body_left:
            offset = self._continue_body(data)
        elif self._header:
            data = self._header + data
            self._header = b""
        size = len(data)
        streams = self.streams
        trace = self.trace
        while size - offset >= HEADER_SIZE:
            version, kind, flags, stream_id, length = unpack_header(data, offset)
            offset += HEADER_SIZE
            if trace is not None:
                trace("in", kind, flags, stream_id, length)
            if kind == DATA and not version:
                stream = streams.get(stream_id)
                if flags:
                    stream = self._flags_before_body(stream, stream_id, flags, length)
                if length:
                    if stream is not None:
                        window = stream.receive_window - length
                        if window < 0:
                            self._fail(f"stream {stream_id}: data beyond the window", "YMX-07")
                        stream.receive_window = window
                    elif length > self.config.max_body:
                        self._fail(f"body of {length} bytes for a stream that is gone", "YMX-16")
                    end = offset + length
                    if end > size:
                        self._body_left = end - size
                        self._body_stream = stream
                        self._flags_after_body = flags & (FIN | RST)
                        flags = 0
                        end = size
                        length = size - offset
                    if length and stream is not None:
                        if length < _COPY_BELOW or length * 4 < size:
                            piece: Buffer = data[offset:end]
                        else:
                            piece = memoryview(data)[offset:end]
                        gate = stream.gate
                        if gate is None:
                            stream.feed(piece, length)
                        else:
                            self._through_gate(stream, gate, piece)
                    offset = end
                if flags & (FIN | RST) and stream is not None:
                    self._end_of_stream(stream, flags, 0)
            elif kind == WINDOW_UPDATE and not version:
                self._receive_window_update(stream_id, flags, length)
            elif self._receive_session_frame(version, kind, flags, length):
                return
        if offset < size:
            self._header = data[offset:]

    def receive_eof(self, now: float) -> None:
        """The transport has ended: every stream that has not seen its FIN fails (YMX-26)."""
        self.now = now
        self.terminate(ConnectionClosed())

    def _continue_body(self, data: bytes) -> int:
        """Go on with a body that the last call did not finish; return the offset behind it."""
        length = min(self._body_left, len(data))
        self._body_left -= length
        stream = self._body_stream
        if stream is not None and stream.failure is None:
            copy = length < _COPY_BELOW or length * 4 < len(data)
            piece: Buffer = data[:length] if copy else memoryview(data)[:length]
            if stream.gate is None:
                stream.feed(piece, length)
            else:
                self._through_gate(stream, stream.gate, piece)
        if not self._body_left:
            self._body_stream = None
            if self._flags_after_body and stream is not None:
                self._end_of_stream(stream, self._flags_after_body, 0)
            self._flags_after_body = 0
        return length

    def _through_gate(self, stream: Stream, gate: Callable[[Stream, Buffer], Buffer], piece: Buffer) -> None:
        """Show a piece to the stream's gate and give the reader what is left of it."""
        rest = gate(stream, piece)
        if len(rest) and stream.failure is None and not stream.read_closed:
            stream.feed(rest, len(rest))

    def _flags_before_body(self, stream: Stream | None, stream_id: int, flags: int, length: int) -> Stream | None:
        """Handle SYN and ACK, which come before the body in the order of YMX-24."""
        if flags & SYN:
            stream = self._open_inbound(stream, stream_id, flags, length)
        if flags & ACK and stream is not None and not stream.acknowledged and stream.outbound:
            stream.acknowledged = True
            self.unacknowledged -= 1
        return stream

    def _open_inbound(self, stream: Stream | None, stream_id: int, flags: int, length: int) -> Stream | None:
        """Make the stream that a SYN announces, or refuse it."""
        if stream is not None:
            self._fail(f"stream {stream_id} is open already", "YMX-05")
        if stream_id == 0 or (stream_id & 1 == 1) == self.client:
            self._fail(f"stream id {stream_id} is not the peer's to open", "YMX-03")
        if length > INITIAL_WINDOW:
            self._fail(f"first body of {length} bytes", "YMX-08")
        if flags & RST:
            return None
        stream = self.admit(stream_id)
        if stream is None:
            self.control.append(pack_header(0, WINDOW_UPDATE, RST, stream_id, RESET_RESOURCE_LIMIT))
            return None
        if self.accept is None:
            self.opened.append(stream)
        else:
            self.accept(stream)
        return stream if stream.failure is None else None

    def _receive_window_update(self, stream_id: int, flags: int, length: int) -> None:
        """Handle a window update, and what go puts on one: SYN, ACK, FIN, and RST with a code."""
        stream = self.streams.get(stream_id)
        if flags & (SYN | ACK):
            stream = self._flags_before_body(stream, stream_id, flags, 0)
        if stream is None:
            return
        if flags & RST:
            self._end_of_stream(stream, flags, length)
            return
        if length:
            stream.send_window += length
            if stream.send_window > _MAX_SEND_WINDOW:
                self._fail(f"stream {stream_id}: the send window passes 2^32 - 1", "YMX-09")
            if stream.unsent_size and not stream.queued:
                stream.queued = True
                self.turns.append(stream)
        if flags & FIN:
            self._end_of_stream(stream, flags, 0)

    def _end_of_stream(self, stream: Stream, flags: int, code: int) -> None:
        """Handle FIN, then RST."""
        if stream.failure is not None:
            return
        if flags & RST:
            self.drop(stream, StreamReset(code))
            return
        if stream.eof:
            return
        gate = stream.gate
        if gate is not None and gate is not discard:
            gate(stream, b"")
            if stream.id not in self.streams:  # the gate has reset it
                return
        stream.eof = True
        stream.gate = discard
        self._lingering.pop(stream, None)
        if stream.fin_sent:
            self.forget(stream)
        elif stream.fin_wanted and stream.unsent_size:
            self.linger(stream)
        if not stream.marked:
            stream.marked = True
            self.readable.append(stream)

    def _receive_session_frame(self, version: int, kind: int, flags: int, value: int) -> bool:
        """Handle a ping, a GoAway, or a frame that is none; True when the session is over."""
        if version:
            self._fail(f"version {version}", "YMX-01")
        if kind == PING:
            if flags & SYN:
                if self.pongs < self.config.max_pongs:
                    self.pongs += 1
                    self.control.append(pack_header(0, PING, ACK, 0, value))
            elif flags & ACK:
                self._liveness.receive_pong(value, self.now)
        elif kind == GO_AWAY:
            self.remote_go_away = value
            if value != GOAWAY_NORMAL:
                error = YamuxError(f"the peer ended the session with code {value:#x}", requirement="YMX-19", code=value)
                self.terminate(error)
                raise error
            self.terminate(ConnectionClosed("the peer closed the session"))
            return True
        else:
            self._fail(f"frame type {kind}", "YMX-01")
        return False

    def _fail(self, message: str, requirement: str) -> NoReturn:
        """End the session for a fault of the peer."""
        error = YamuxError(message, requirement=requirement, code=GOAWAY_PROTOCOL)
        self.go_away(GOAWAY_PROTOCOL)
        self.terminate(error)
        raise error

    # -- the end, and time

    def go_away(self, code: int = GOAWAY_NORMAL) -> None:
        """Queue a GoAway. go and rust end the session, with all streams, the moment they see it (YMX-19)."""
        self.control.append(pack_header(0, GO_AWAY, 0, 0, code))

    def terminate(self, reason: P2PError) -> None:
        """End the session here: every stream fails, further input is ignored. Idempotent.

        What has been received stays readable, and a FIN that came before stays an EOF.
        """
        if self.terminated:
            return
        self.terminated = True
        self.fail_all(reason if isinstance(reason, ConnectionClosed) else ConnectionClosed(reason=reason))

    def next_timeout(self) -> float | None:
        """When :meth:`handle_timeout` wants to be called, on the clock of ``now``; None once terminated."""
        if self.terminated:
            return None
        when = self._liveness.next_timeout()
        expiry = self.next_expiry()
        return when if expiry is None else min(when, expiry)

    def handle_timeout(self, now: float) -> None:
        """Send the ping that is due, reset closed streams that do not end, and notice a peer that is gone.

        A closed stream is given ``close_timeout`` after its FIN, and as long again for as long as it gets bytes out.

        Raises:
            YamuxError: nothing came for ``ping_timeout`` after a ping.
        """
        if self.terminated:
            return
        self.expire(now)
        try:
            self.control += self._liveness.handle_timeout(now, self.last_received)
        except YamuxError as error:
            self.terminate(error)
            raise

    def ping(self, now: float) -> None:
        """Send a ping; its answer sets ``round_trip``. Only one is under way at a time."""
        self.control += self._liveness.ping(now)

    @property
    def round_trip(self) -> float:
        """The time that a ping and its answer take, in seconds, smoothed; 0 until it is known."""
        return self._liveness.round_trip

    @property
    def overloaded(self) -> bool:
        """Whether reading should pause: too much unread, or too many frames waiting for a peer that does not read."""
        return self.unread > self.config.max_unread or len(self.control) > self.config.max_control

    def data_to_send(self) -> list[bytes]:
        """Return all that may be sent now, in messages of at most 65,519 bytes."""
        messages: list[bytes] = []
        while self.pending:
            parts, size = self.gather(65_519)
            if not size:
                break
            messages.append(b"".join(parts))
        return messages
