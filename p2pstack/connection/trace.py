"""What a trace of a connection holds (specs/README.md): one mapping an event, ready to be written as a line of JSON.

As in qlog, every event has a ``time`` (seconds since the connection began), a ``name`` and its data. A connection
without a tracer pays one ``if`` a frame.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from p2pstack.yamux.frames import DATA, HEADER_SIZE, TYPE_NAMES, flag_names, unpack_header

__all__ = ["TraceSink", "Tracer"]

TraceSink = Callable[[Mapping[str, object]], None]
"""Receives each event; it must not raise and not block."""


class Tracer:
    """Writes the events of one connection to a sink. ``now`` is kept up to date by the connection."""

    __slots__ = ("_connection", "_sink", "_start", "now")

    def __init__(self, sink: TraceSink, connection: int | str, now: float) -> None:
        self._sink = sink
        self._connection = connection
        self._start = self.now = now

    def event(self, name: str, **data: object) -> None:
        """Write one event."""
        self._sink({"time": round(self.now - self._start, 6), "connection": self._connection, "name": name, **data})

    def frame(self, direction: str, kind: int, flags: int, stream_id: int, length: int) -> None:
        """Write one yamux frame; the session calls it for what comes in."""
        name = TYPE_NAMES[kind] if kind < len(TYPE_NAMES) else str(kind)
        self.event("frame", direction=direction, type=name, flags=flag_names(flags), stream=stream_id, length=length)

    def window(self, stream_id: int, size: int) -> None:
        """Write that a stream's receive window has grown to ``size`` bytes; the session calls it."""
        self.event("window", stream=stream_id, size=size)

    def message(self, plaintext: bytes) -> None:
        """Write the frames of a message that is about to be encrypted; it holds whole frames only."""
        offset = 0
        while offset < len(plaintext):
            _, kind, flags, stream_id, length = unpack_header(plaintext, offset)
            self.frame("out", kind, flags, stream_id, length)
            offset += HEADER_SIZE + (length if kind == DATA else 0)
