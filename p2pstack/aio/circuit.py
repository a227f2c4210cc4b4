"""A connection inside a stream: what passes a relay is secured and multiplexed once more, end to end (RELAY-09).

The stream stands in for the socket. All is done in the callbacks that wake it, without a task: a connection wakes the
tasks of its readers at once, which is impossible inside another task. Guarded by the row ``relayed`` of
``python -m benchmarks``.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, cast

from p2pstack.aio.connection import Connection
from p2pstack.errors import P2PError
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.yamux.stream import Buffer

if TYPE_CHECKING:
    from p2pstack.aio.runtime import Runtime
    from p2pstack.aio.stream import Stream
    from p2pstack.aio.waiter import Waiter

__all__ = ["join_circuit"]


class _Bell:
    """Stands where a stream expects the task that waits for it, and calls a function instead."""

    __slots__ = ("_ring",)

    def __init__(self, ring: Callable[[], None]) -> None:
        self._ring = ring

    def done(self) -> bool:
        """Whether it will not ring any more."""
        return False

    def wake(self) -> None:
        """The stream has changed."""
        self._ring()

    def fail(self, error: BaseException) -> None:
        """The stream has timed out."""
        del error
        self._ring()


class CircuitTransport(asyncio.Transport):
    """What a connection needs of a transport, over a stream.

    The connection is told of the end in the next turn of the loop, as by other transports.
    """

    def __init__(self, stream: Stream, connection: Connection) -> None:
        super().__init__()
        self._stream = stream
        self._connection = connection
        self._loop = stream.connection.loop
        self._rest: list[Buffer] = []
        self._high = 0
        self._reading_paused = self._writing_paused = self._closing = False
        self._reader = cast("Waiter", _Bell(self._readable))
        self._writer = cast("Waiter", _Bell(self._writable))
        stream.timeout = None

    def start(self) -> None:
        """Begin to read, in the next turn: this is called by a task."""
        self._loop.call_soon(self._readable)

    # -- reading

    def _readable(self) -> None:
        """Hand on what has come. HOT PATH."""
        stream, connection = self._stream, self._connection
        while self._reads() and (pieces := self._rest or stream.take_now()):
            self._rest = []
            for index, piece in enumerate(pieces):
                if not self._reads():
                    self._rest = pieces[index:]
                    break
                _feed(connection, piece)
        if not self._reads():
            return
        if stream.failure is not None:
            self._end(stream.failure)
        elif stream.eof:
            connection.eof_received()
        else:
            stream.read_deadline = 0.0
            stream.reader = self._reader

    def _reads(self) -> bool:
        return not self._reading_paused and not self._closing

    def pause_reading(self) -> None:
        """Take nothing more from the stream, whose window then fills."""
        self._reading_paused = True

    def resume_reading(self) -> None:
        """Go on."""
        if self._reading_paused:
            self._reading_paused = False
            self._loop.call_soon(self._readable)

    # -- writing

    def write(self, data: Any) -> None:
        """Queue ``data``; nothing happens where the stream can't take it any more, of which reading tells."""
        stream = self._stream
        if self._closing:
            return
        try:
            stream.write(data)
        except P2PError as error:
            self._loop.call_soon(self._end, error)
            return
        if stream.unsent_size > self._high and not self._writing_paused:
            self._writing_paused = True
            self._connection.pause_writing()
            self._await_room()

    def _await_room(self) -> None:
        stream = self._stream
        stream.write_deadline = 0.0
        stream.hungry = True
        stream.writer = self._writer

    def _writable(self) -> None:
        """The stream has room, or has ended. HOT PATH."""
        if self._closing or not self._writing_paused:
            return
        if self._stream.failure is None and self._stream.unsent_size > self._high:
            self._await_room()
            return
        self._writing_paused = False
        self._connection.resume_writing()

    def get_write_buffer_size(self) -> int:
        """Return the bytes that the stream has not sent yet."""
        return self._stream.unsent_size

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Set how many unsent bytes there may be; below ``drain_mark`` of the stream there is always room."""
        del low
        self._high = max(high or 0, self._stream.session.config.drain_mark)

    # -- the end

    def is_closing(self) -> bool:
        """Whether it was closed here."""
        return self._closing

    def close(self) -> None:
        """Close the stream behind what is queued."""
        if not self._closing:
            self._leave()
            self._stream.finish()
            self._loop.call_soon(self._connection.connection_lost, None)

    def abort(self) -> None:
        """Reset the stream."""
        self._end(None)

    def _end(self, error: P2PError | None) -> None:
        if not self._closing:
            self._leave()
            self._stream.reset()
            self._loop.call_soon(self._connection.connection_lost, error)

    def _leave(self) -> None:
        self._closing = True
        self._rest = []
        if self._stream.reader is self._reader:
            self._stream.reader = None
        if self._stream.writer is self._writer:
            self._stream.writer = None

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return the socket's own address of the connection to the relay; no address of the peer is known."""
        if name == "peername":
            return ("", 0)
        return self._stream.connection.local_sockaddr if name == "sockname" else default


def _feed(connection: Connection, piece: Buffer) -> None:
    """Give bytes to a connection as a socket would."""
    rest = memoryview(piece)
    while rest and connection.close_reason is None:
        room = connection.get_buffer(len(rest))
        size = min(len(room), len(rest))
        room[:size] = rest[:size]
        connection.buffer_updated(size)
        rest = rest[size:]


def join_circuit(
    runtime: Runtime, stream: Stream, *, circuit: Multiaddr, expected_peer: PeerId, initiator: bool
) -> Connection:
    """Begin the upgrade of a stream that a relay has joined to one of ``expected_peer``; wait for it by ``ready()``.

    The stream is the connection's from here on, with what is unread on it. ``circuit`` is the way to the peer, without
    the peer. Who asked the relay for it is the initiator.
    """
    connection = Connection(
        runtime,
        outbound=initiator,
        expected_peer=expected_peer,
        dialled=circuit if initiator else None,
        circuit=circuit,
    )
    transport = CircuitTransport(stream, connection)
    connection.connection_made(transport)
    if connection.close_reason is not None:
        connection.abort(connection.close_reason)
    transport.start()
    return connection
