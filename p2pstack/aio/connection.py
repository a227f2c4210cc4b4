"""The shell of a connection: a transport below, a machine inside, tasks above. Hot path.

The only code between a socket and the pure core. ``buffer_updated`` feeds the machine, starts handlers, wakes readers,
and flushes once; ``flush`` sends until the transport asks for a pause. Reading pauses when streams hold too much
unread, a peer that doesn't read loses its connection after ``write_timeout``. Guarded by all rows of
``python -m benchmarks``.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
from time import monotonic
from typing import TYPE_CHECKING, cast

from p2pstack.aio.alarm import NEVER, Alarm
from p2pstack.aio.buffer import buffer_for
from p2pstack.aio.opening import StreamOpener
from p2pstack.aio.stream import Stream
from p2pstack.aio.tasks import TaskSet
from p2pstack.aio.waiter import Waiter
from p2pstack.aio.waiting import WaitingList
from p2pstack.connection.machine import Connection as Machine
from p2pstack.connection.trace import Tracer
from p2pstack.errors import (
    ConnectionClosed,
    DeadlineExceeded,
    LimitExceeded,
    P2PError,
    RemoteError,
)
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.yamux.frames import RESET_RESOURCE_LIMIT, RESET_SHUTDOWN

if TYPE_CHECKING:
    from p2pstack.aio.runtime import Runtime
    from p2pstack.identity.peer_id import PeerId

__all__ = ["Connection"]

logger = logging.getLogger("p2pstack.aio")

_MESSAGES_A_FLUSH = 16
"""Messages of 64 KiB that are written before other connections and tasks of the loop get their turn."""

_ids = itertools.count(1)


class Connection(StreamOpener):
    """An encrypted, multiplexed connection to one peer.

    All times are on the clock of :func:`time.monotonic`: a loop's own may count in milliseconds.
    """

    __slots__ = (
        "_closers",
        "_flushers",
        "_goodbye",
        "_paused_at",
        "_ready",
        "_saying_goodbye",
        "_stalled_at",
        "_stalled_size",
        "_transport",
        "buffer",
        "flush_planned",
        "handlers",
        "reading_paused",
        "rest",
        "stream_timeout",
    )

    def __init__(
        self,
        runtime: Runtime,
        *,
        outbound: bool,
        initiator: bool | None = None,
        expected_peer: PeerId | None = None,
        dialled: Multiaddr | None = None,
        circuit: Multiaddr | None = None,
        reused_port: bool = False,
    ) -> None:
        loop = self.loop = runtime.loop
        self.id = next(_ids)
        self.direction = "outbound" if outbound else "inbound"
        self.dialled = dialled
        self.circuit = circuit
        self.reused_port = reused_port
        self.rest = b""
        self.buffer = buffer_for(loop, runtime.buffer)
        self.handlers = TaskSet(loop)
        self.stream_timeout = runtime.config.stream_timeout
        self.flush_planned = self.reading_paused = False
        self.opened_at = 0.0
        now = monotonic()
        tracer = Tracer(runtime.trace, self.id, now) if runtime.trace is not None else None
        self.machine = Machine(
            runtime.endpoint,
            initiator=outbound if initiator is None else initiator,
            now=now,
            expected_peer=expected_peer,
            stream_class=Stream,
            owner=self,
            tracer=tracer,
        )
        self._runtime = runtime
        self._transport: asyncio.Transport | None = None
        self._remote: tuple[object, ...] = ()
        self._local: tuple[object, ...] = ()
        self._ready = Waiter(loop)
        self._openers = WaitingList()
        self._flushers = WaitingList()
        self._closers = WaitingList()
        self._closing = self._saying_goodbye = False
        self._goodbye: asyncio.TimerHandle | None = None
        self._alarm = Alarm(loop, self._on_alarm)
        self._stalled_at = self._paused_at = NEVER
        self._stalled_size = 0

    # -- streams

    def _start_handlers(self, opened: list[Stream]) -> None:
        """Start the handlers of inbound streams whose protocol was agreed on."""
        runtime = self._runtime
        for stream in opened:
            if stream.failure is not None and not (stream.received and isinstance(stream.failure, ConnectionClosed)):
                continue  # opened and reset by the same bytes; last words before a good end are heard
            entry = runtime.handlers.get(stream.protocol or "")
            full = len(self.handlers) >= runtime.config.max_handlers
            barred = entry is None or full or (self.circuit is not None and not entry.relayed)
            if entry is None or barred or not self.handlers.start(entry, stream):
                stream.reset(RESET_RESOURCE_LIMIT)

    # -- callbacks of the transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The socket is connected: begin the upgrade, unless the owner refuses."""
        self._transport = cast("asyncio.Transport", transport)
        self._remote = transport.get_extra_info("peername") or ()
        self._local = transport.get_extra_info("sockname") or ()
        # A socket that was reset before it was accepted has no address any more (uvloop).
        gone = None if self._remote else ConnectionClosed("the peer is gone already")
        refusal = gone or self._runtime.owner.admit(self)
        if refusal is not None:
            self.machine.fail(refusal)
            # Whoever dialled ends the socket: uvloop must have taken it over first, or it is closed twice.
            if self.direction == "inbound":
                self.abort(refusal)
            return
        self._transport.set_write_buffer_limits(high=self._runtime.config.write_high_water)
        self._alarm.at_latest(self.machine.next_timeout() or NEVER)
        self.flush()

    def get_buffer(self, sizehint: int) -> memoryview:
        """Lend the transport room to read into."""
        return self.buffer.lend(self)

    def buffer_updated(self, nbytes: int) -> None:
        """Bytes have come. HOT PATH."""
        self.flush_planned = True
        now = monotonic()
        buffer = self.buffer
        buffer.end += nbytes
        machine = self.machine
        try:
            buffer.start = machine.receive_buffer(buffer.view, buffer.start, buffer.end, now)
        except RemoteError as error:
            self._close(error)
            return
        self._deliver(now)
        if machine.failure is not None:
            self._close(machine.failure)
            return
        self.flush()
        if self._runtime.spinner is not None:
            self._runtime.spinner.touch(now)

    def _deliver(self, now: float) -> None:
        """Start handlers and wake readers for what the machine has received."""
        session = self.machine.session
        if session is None:
            return
        if self.machine.opened:
            self.machine.opened = False
            self._become_open(now)
        if session.opened:
            opened = cast("list[Stream]", session.opened)
            session.opened = []
            self._start_handlers(opened)
        readable = cast("list[Stream]", session.readable)
        if readable:
            session.readable = []
            for stream in readable:
                stream.wake()
            if self._openers:
                self.offer_room()
        if session.unread > session.config.max_unread or len(session.control) > session.config.max_control:
            self._pause_reading(now)
        if self.machine.pending:
            self._alarm.at_latest(now + self._runtime.endpoint.config.negotiation_timeout)

    def _become_open(self, now: float) -> None:
        """The upgrade is over: tell whoever dialled and the owner."""
        self.opened_at = now
        self._alarm.at_latest(self.machine.next_timeout() or NEVER)
        logger.debug("%s: open", self)
        refusal = self._runtime.owner.opened(self)
        if refusal is not None:
            self.machine.fail(refusal)
            self._ready.fail(refusal)
        else:
            self._ready.wake()

    def flush(self) -> None:
        """Send what is queued until the transport asks for a pause. HOT PATH."""
        self.flush_planned = False
        transport = self._transport
        machine = self.machine
        session = machine.session
        if self._stalled_at != NEVER or transport is None or self._saying_goodbye:
            if session is not None and session.readable:
                self._deliver(monotonic())
            return
        if session is None:
            transport.write(b"".join(machine.data_to_send()))
            return
        for _ in range(_MESSAGES_A_FLUSH):
            outgoing = machine.data_to_send(65_536)
            if outgoing:
                transport.write(outgoing[0] if len(outgoing) == 1 else b"".join(outgoing))
            if session.writable:
                writable = cast("list[Stream]", session.writable)
                session.writable = []
                self.flush_planned = True
                for stream in writable:
                    stream.wake_writer()
                self.flush_planned = False
            if not outgoing or self._stalled_at != NEVER or not (session.control or session.fresh or session.turns):
                break
        else:
            self.plan_flush()
        if session.readable:
            self._deliver(monotonic())
        if self._openers:
            self.offer_room()
        if self._flushers and not self._unsent():
            self._flushers.wake()
        if self.reading_paused:
            self.resume_reading()

    def plan_flush(self) -> None:
        """Flush once, at the end of this loop turn."""
        if not self.flush_planned:
            self.flush_planned = True
            self.loop.call_soon(self.flush)

    def _deliver_later(self) -> None:
        self._deliver(monotonic())

    def pause_writing(self) -> None:
        """The transport holds enough."""
        self._stalled_at = monotonic()
        self._stalled_size = self._write_buffer_size()
        self._alarm.at_latest(self._stalled_at + self._runtime.config.write_timeout)

    def resume_writing(self) -> None:
        """The transport has room again."""
        self._stalled_at = NEVER
        self.flush()

    def _pause_reading(self, now: float) -> None:
        if not self.reading_paused and self._transport is not None:
            logger.debug("%s: reading pauses", self)
            self.reading_paused = True
            self._paused_at = now
            self._transport.pause_reading()
            self.deadline_in(self._runtime.config.unread_timeout)
            for stream in self.streams:
                if stream.unread:
                    stream.wake()  # it may wait for more than it has, of which nothing comes before it has taken that

    def resume_reading(self) -> None:
        """Read on, if nothing speaks against it any more."""
        session = self.machine.session
        if session is not None and session.overloaded:
            return
        if self.reading_paused and self._transport is not None and not self._transport.is_closing():
            self.reading_paused = False
            self._paused_at = NEVER
            self._transport.resume_reading()

    def eof_received(self) -> bool:
        """The peer has closed its side of the TCP connection: it is over, also where bytes still wait for it."""
        with contextlib.suppress(RemoteError):
            self.machine.receive_eof(monotonic())
        self._close(self.machine.failure or ConnectionClosed())
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The socket is gone: end the machine, wake everybody. Idempotent."""
        if self._transport is None:
            return
        now = monotonic()
        self.flush_planned = True
        if exc is not None:
            self.machine.fail(ConnectionClosed("the connection was lost", reason=exc))
        with contextlib.suppress(RemoteError):
            self.machine.receive_eof(now)
        self.buffer.release(self)
        self._transport = None
        self.rest = b""
        self._alarm.cancel()
        if self._goodbye is not None:
            self._goodbye.cancel()
        logger.debug("%s: ended: %s", self, self.machine.failure)
        self._deliver(now)
        self._runtime.owner.ended(self)
        self._settle_waiters()

    def _settle_waiters(self) -> None:
        """End every wait for this connection."""
        reason = self.machine.failure
        self._ready.fail(reason if reason is not None else ConnectionClosed())
        for waiting in (self._closers, self._openers, self._flushers):
            waiting.wake()

    # -- time

    def deadline_in(self, seconds: float) -> float:
        """Return the time ``seconds`` from now, and see to it that the alarm rings by then."""
        deadline = monotonic() + seconds
        self._alarm.at_latest(deadline)
        return deadline

    def _on_alarm(self) -> None:
        """Do what is due, and set the alarm to what is due next."""
        now = monotonic()
        runtime = self._runtime
        if now >= self._stalled_at + runtime.config.write_timeout and not self._has_taken_bytes(now):
            self.abort(DeadlineExceeded(f"the peer took no bytes for {runtime.config.write_timeout:g} s"))
            return
        session = self.machine.session
        if self.reading_paused and session is not None:
            if now >= self._paused_at + runtime.config.unread_timeout:
                self.abort(LimitExceeded("yamux.max_unread", session.config.max_unread))
                return
            session.last_received = now
        try:
            self.machine.handle_timeout(now)
        except (RemoteError, DeadlineExceeded) as error:
            self._close(error)
            return
        upcoming = min((stream.expire(now) for stream in self.streams), default=NEVER)
        self.flush_planned = True
        self._deliver(now)
        self.flush()
        self._alarm.at_latest(
            min(
                self.machine.next_timeout() or NEVER,
                self._stalled_at + runtime.config.write_timeout,
                self._paused_at + runtime.config.unread_timeout,
                upcoming,
            )
        )

    def _write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def _has_taken_bytes(self, now: float) -> bool:
        """Whether the peer took anything since writing stalled; if so it has ``write_timeout`` again (YMX-22)."""
        size = self._write_buffer_size()
        if size >= self._stalled_size:
            return False
        self._stalled_at = now
        self._stalled_size = size
        return True

    # -- the end

    async def ready(self) -> None:
        """Wait until the upgrade is over (outbound connections only; its deadline is in the configuration).

        Raises:
            P2PError: it failed; the error says why.
        """
        await self._ready

    async def close(self, timeout: float = 5.0) -> None:
        """Close in good order: what is queued goes out, then a GoAway; after ``timeout`` seconds by force.

        All streams end. Idempotent; returns when the connection is gone.
        """
        if self.machine.failure is None and not self._closing:
            self._closing = True
            try:
                if self._unsent():
                    await asyncio.wait([self._flushers.join(self.loop)], timeout=timeout)
            finally:
                self.machine.close()
                self._close(ConnectionClosed("the connection was closed here"), timeout)
        await self.wait_closed()

    def _unsent(self) -> bool:
        """Whether closed streams still have bytes under way to a peer that takes them."""
        session = self.machine.session
        return session is not None and any(
            stream.unsent_size and stream.fin_wanted for stream in session.streams.values()
        )

    def _close(self, reason: P2PError, timeout: float = 2.0) -> None:
        """Send the goodbye that the machine has queued and close the socket, by force where it takes too long."""
        self.machine.fail(reason)
        self._closing = True
        transport = self._transport
        if transport is None or self._saying_goodbye:
            return
        self._saying_goodbye = True
        transport.write(b"".join(self.machine.data_to_send()))
        transport.close()
        self.loop.call_soon(self._deliver_later)
        self._goodbye = self.loop.call_later(timeout, self._abort_transport)

    def _abort_transport(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def abort(self, reason: P2PError) -> None:
        """End the connection at once, with no goodbye."""
        self.machine.fail(reason)
        self._closing = True
        self.loop.call_soon(self._deliver_later)
        self._abort_transport()

    async def wait_closed(self) -> None:
        """Wait until the connection is gone."""
        if self._transport is not None:
            await self._closers.join(self.loop)

    def shut_down_handlers(self) -> list[asyncio.Task[None]]:
        """Cancel the handlers that still run, when the host ends."""
        for stream in self.streams:
            stream.reset(RESET_SHUTDOWN)
        return self.handlers.cancel()
