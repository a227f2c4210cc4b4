"""A circuit in a relay: two streams, and what comes on one goes out on the other (RELAY-06). Hot path.

Pieces are handed on as they came, without a copy. A direction holds what its sink has not sent: no more than
``drain_mark`` and one window, since nothing is read while that waits. What was read together with the last message of
the hop or stop protocol lies in the streams, and passes first.
"""

from __future__ import annotations

import asyncio
from enum import Enum
from time import monotonic

from p2pstack.aio.stream import Stream
from p2pstack.errors import StreamError
from p2pstack.identity.peer_id import PeerId
from p2pstack.relay.messages import Limit

__all__ = ["CircuitEnd", "Splice"]


class CircuitEnd(Enum):
    """Why a circuit is over."""

    FINISHED = "both ends have closed"
    RESET = "an end has reset its stream, or lost its connection"
    BYTES = "more bytes came than may pass"
    TIME = "its time was over"
    STOPPED = "the relay was stopped"


class _Way:
    """One direction of a circuit; ``passed`` counts the bytes that went on."""

    __slots__ = ("passed", "sink", "source")

    def __init__(self, source: Stream, sink: Stream) -> None:
        self.source = source
        self.sink = sink
        self.passed = 0


class Splice:
    """The circuit of ``initiator``, who asked for it on the stream ``near``, to ``target``, who took it on ``far``.

    ``end`` is None while it runs.
    """

    __slots__ = ("_backward", "_forward", "_limit", "end", "initiator", "opened_at", "target")

    def __init__(self, near: Stream, far: Stream, limit: Limit) -> None:
        self._forward = _Way(near, far)
        self._backward = _Way(far, near)
        self._limit = limit
        self.initiator: PeerId = near.peer_id
        self.target: PeerId = far.peer_id
        self.opened_at = monotonic()
        self.end: CircuitEnd | None = None

    @property
    def sent(self) -> int:
        """Bytes that have passed from the initiator to the target."""
        return self._forward.passed

    @property
    def received(self) -> int:
        """Bytes that have passed from the target to the initiator."""
        return self._backward.passed

    async def run(self) -> CircuitEnd:
        """Pass bytes both ways until both ends have closed, or something ends it: then both streams are reset."""
        # Each end may be silent as long as it likes; the time of the whole is what counts.
        self._forward.source.timeout = self._backward.source.timeout = None
        backward = asyncio.get_running_loop().create_task(self._pass(self._backward))
        try:
            async with asyncio.timeout(self._limit.seconds):
                await self._pass(self._forward)
                await backward
        except TimeoutError:
            self.stop(CircuitEnd.TIME)
        except asyncio.CancelledError:
            self.stop(CircuitEnd.STOPPED)
            raise
        finally:
            if not backward.done():
                backward.cancel()
                await asyncio.wait([backward])
        self.end = self.end or CircuitEnd.FINISHED
        return self.end

    def stop(self, end: CircuitEnd) -> None:
        """End the circuit: both streams are reset. The first call says why."""
        self.end = self.end or end
        self._forward.source.reset()
        self._backward.source.reset()

    async def _pass(self, way: _Way) -> None:
        """Pass on what comes, until its end, which is passed on too. HOT PATH."""
        source, sink, limit = way.source, way.sink, self._limit.bytes
        mark = sink.session.config.drain_mark
        passed = 0
        try:
            while pieces := await source.chunks():
                for piece in pieces:
                    passed += len(piece)
                    if passed > limit:
                        self.stop(CircuitEnd.BYTES)
                        return
                    sink.write(piece)
                    way.passed = passed
                    if sink.unsent_size > mark:
                        await sink.drain()
            sink.close_write()
        except StreamError:
            self.stop(CircuitEnd.RESET)
