"""Who sends next: the streams of a session share its messages fairly (specs/yamux.md). Pure, hot path.

Two queues, as in fq_codel: a stream that had nothing to send enters ``fresh`` and is served before those in
``turns``, which have had a turn and want more. In each turn a stream sends at most ``weight`` quanta; alone it may
fill the message. While streams wait in ``turns``, fresh ones get at most half a message, so neither starves the
other: a ping passes a bulk transfer, and a thousand pings don't stop it. Guarded by the row ``bulk`` and by
``streams`` of ``python -m benchmarks``.
"""

from __future__ import annotations

from p2pstack.yamux.config import YamuxConfig
from p2pstack.yamux.frames import DATA, FIN, HEADER_SIZE, WINDOW_UPDATE, pack_header
from p2pstack.yamux.stream import Buffer, Stream

__all__ = ["SendQueue"]

_WORTH_A_FRAME = 64
"""Room in a message, in payload bytes, that is too little to begin another frame in."""

_MAX_CONTROL_A_MESSAGE = 2_048
"""Control frames in one message, 24 KiB, so that data goes on beside them."""

_DEAD_STREAMS = 256
"""Dead streams that may wait in the queues before they are looked for."""


class SendQueue:
    """What waits to be sent: control frames, and streams with data or a FIN."""

    __slots__ = ("config", "control", "fresh", "pongs", "turns", "writable")

    def __init__(self, config: YamuxConfig) -> None:
        self.config = config
        self.control: list[bytes] = []
        self.fresh: list[Stream] = []
        self.turns: list[Stream] = []
        self.writable: list[Stream] = []
        self.pongs = 0

    @property
    def pending(self) -> bool:
        """Whether anything waits to be sent (a stream without window does not)."""
        return bool(self.control or self.fresh or self.turns)

    def sweep(self, live: int) -> None:
        """Forget queued streams that are dead, once they are many; ``live`` is how many others there can be.

        They leave with the next message anyway. But a peer that opens and resets streams while it reads nothing would
        fill the queues with them (YMX-21).
        """
        if len(self.fresh) + len(self.turns) > live + _DEAD_STREAMS:
            self.fresh[:] = [stream for stream in self.fresh if stream.failure is None]
            self.turns[:] = [stream for stream in self.turns if stream.failure is None]

    def gather(self, room: int) -> tuple[list[Buffer], int]:
        """Return the frames of the next message, as pieces to be joined, and their size, at most ``room`` bytes."""
        parts: list[Buffer] = []
        size = 0
        control = self.control
        if control:
            limit = min(_MAX_CONTROL_A_MESSAGE, room // HEADER_SIZE)
            if len(control) <= limit:
                parts += control
                self.control = []
                self.pongs = 0
            else:
                parts += control[:limit]
                del control[:limit]
            size = HEADER_SIZE * len(parts)
        if self.fresh:
            size = self._serve(self.fresh, parts, size, room // 2 if self.turns else room)
        if self.turns:
            size = self._serve(self.turns, parts, size, room)
        return parts, size

    def _serve(self, queue: list[Stream], parts: list[Buffer], size: int, room: int) -> int:
        """Give each stream of ``queue`` one turn while the message has room; return the message's new size."""
        alone = len(self.fresh) + len(self.turns) == 1
        config = self.config
        served = 0
        waiting = len(queue)
        again: list[Stream] = []
        while served < waiting:
            stream = queue[served]
            if stream.unsent_size and stream.failure is None:
                space = room - size - HEADER_SIZE
                if space < _WORTH_A_FRAME:
                    break
                length = min(stream.unsent_size, stream.send_window, config.max_frame, space)
                if not alone:
                    length = min(length, config.quantum * max(stream.weight, 1))
                if length:
                    self._append_data(stream, length, parts)
                    size += HEADER_SIZE + length
                if stream.unsent_size:
                    served += 1
                    if stream.send_window:
                        again.append(stream)
                    else:
                        stream.queued = False
                    continue
            if stream.fin_wanted and not stream.fin_sent and stream.failure is None:
                if room - size < HEADER_SIZE:
                    break
                parts.append(pack_header(0, WINDOW_UPDATE, FIN | stream.opening_flag, stream.id, 0))
                stream.opening_flag = 0
                size += HEADER_SIZE
                stream.fin_sent = True
                if stream.eof:
                    stream.session.forget(stream)
            stream.queued = False
            served += 1
        del queue[:served]
        self.turns += again
        return size

    def _append_data(self, stream: Stream, length: int, parts: list[Buffer]) -> None:
        """Move ``length`` bytes of the stream into the message, as one DATA frame."""
        parts.append(pack_header(0, DATA, stream.opening_flag, stream.id, length))
        stream.opening_flag = 0
        stream.send_window -= length
        unsent = stream.unsent
        left = stream.unsent_size - length
        stream.unsent_size = left
        if not left:
            parts += unsent
            unsent.clear()
        else:
            count = 0
            while length:
                piece = unsent[count]
                size = len(piece)
                if size > length:
                    view = memoryview(piece)
                    parts.append(view[:length])
                    unsent[count] = view[length:]
                    break
                parts.append(piece)
                length -= size
                count += 1
            del unsent[:count]
        if stream.hungry and left <= self.config.drain_mark:
            stream.hungry = False
            self.writable.append(stream)
