"""What goes out to one peer: straight into its stream, or into a bounded queue behind it. Hot path (GS10-24, GS10-25).

A frame is written at once, inside the call that made it, while the stream holds little. Only where a peer reads more
slowly than we send there is a queue, and a task that moves it on: control frames first, then messages. Guarded by the
row ``gossip`` of ``python -m benchmarks``; see specs/gossipsub.md.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter, deque
from collections.abc import Callable

from p2pstack.aio.stream import Stream
from p2pstack.errors import P2PError
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.gossipsub.config import PubsubConfig

__all__ = ["Outbound"]

logger = logging.getLogger("p2pstack.gossipsub")

_RESERVE = 65_536
"""Bytes that a stream takes of control frames beyond those of messages: they need not wait for those."""


class Outbound:
    """The sending side of one peer. Outlives its stream: what is queued goes out on the next one.

    ``on_change`` is told when the queue has become longer than ``publish_mark``, and when it no longer is.
    """

    __slots__ = (
        "_config", "_counters", "_messages", "_on_change", "_urgent", "_urgent_size", "_writer", "congested", "peer",
        "queued_bytes", "stalled", "stream",
    )  # fmt: skip

    def __init__(
        self, peer: PeerId, config: PubsubConfig, counters: Counter[str], on_change: Callable[[Outbound], None]
    ) -> None:
        self.peer = peer
        self.stream: Stream | None = None
        self.congested = False
        self.stalled = False
        """A publish has waited for room in vain; nobody waits again before the peer has taken something."""
        self.queued_bytes = 0
        self._config = config
        self._counters = counters
        self._on_change = on_change
        self._urgent: deque[bytes] = deque()
        self._urgent_size = 0
        self._messages: deque[bytes] = deque()
        self._writer: asyncio.Task[None] | None = None

    # -- the stream

    def attach(self, stream: Stream, hello: list[bytes]) -> None:
        """Send on ``stream`` from now on: ``hello`` first, then what is queued.

        Raises:
            StreamError: it is dead already.
        """
        for frame in hello:
            stream.write(frame)
        self.stream = stream
        self._move_on(stream)

    def detach(self) -> None:
        """Queue what comes: the stream is gone. What it held is lost, it can't be told how much of that has arrived."""
        self.stream = None

    def close(self) -> list[asyncio.Task[None]]:
        """Drop what is queued, end the task, and return it, to be awaited."""
        self.detach()
        self._urgent.clear()
        self._messages.clear()
        self._urgent_size = self.queued_bytes = 0
        self._look()
        if self._writer is None:
            return []
        self._writer.cancel()
        return [self._writer]

    async def drained(self) -> None:
        """Wait until nothing is queued, or there is no stream for it."""
        while self._writer is not None:
            await asyncio.wait((self._writer,))

    @property
    def idle(self) -> bool:
        """Whether nothing is queued."""
        return not self._urgent and not self._messages

    # -- sending

    def send(self, frame: bytes) -> bool:
        """Send the frame of a message; whether there was room for it. HOT PATH."""
        stream = self.stream
        messages = self._messages
        if (
            stream is not None
            and not messages
            and stream.failure is None
            and stream.unsent_size <= stream.session.config.drain_mark
        ):
            stream.write(frame)
            return True
        size = self.queued_bytes + len(frame)
        if size > self._config.max_queue:
            self._counters["queue-full"] += 1
            return False
        messages.append(frame)
        self.queued_bytes = size
        self._look()
        if self._writer is None and stream is not None:
            self._move_on(stream)
        return True

    def send_urgent(self, frame: bytes) -> None:
        """Send a control frame, past all messages that wait here."""
        stream = self.stream
        urgent = self._urgent
        if stream is not None and not urgent and stream.failure is None and self._has_room(stream, _RESERVE):
            stream.write(frame)
            return
        urgent.append(frame)
        self._urgent_size += len(frame)
        if self._urgent_size > self._config.max_control_queue:
            # The peer lacks something that the next hello has to say anyway.
            self._counters["control-queue-full"] += 1
            urgent.clear()
            self._urgent_size = 0
            if stream is not None:
                stream.reset()
        elif self._writer is None and stream is not None:
            self._move_on(stream)

    def _has_room(self, stream: Stream, reserve: int = 0) -> bool:
        return stream.unsent_size <= stream.session.config.drain_mark + reserve

    def _look(self) -> None:
        """Notice when the queue passes the mark, either way."""
        congested = self.queued_bytes > self._config.publish_mark
        if congested != self.congested:
            self.congested = congested
            self.stalled = False
            self._on_change(self)

    # -- the queue

    def _move_on(self, stream: Stream) -> None:
        """See to it that the queue gets shorter."""
        if not self.idle and self._writer is None:
            self._writer = stream.connection.loop.create_task(self._write(stream))
            self._writer.add_done_callback(self._written)

    async def _write(self, stream: Stream) -> None:
        """Move frames from the queue into ``stream`` as it gets room, until it ends or none is left."""
        try:
            while self.stream is stream and not self.idle:
                if not self._has_room(stream):
                    async with asyncio.timeout(self._config.write_timeout):
                        await stream.drain()
                if self.stream is stream:
                    self._refill(stream)
        except TimeoutError:
            logger.debug("%s: the peer took nothing for %g s", stream, self._config.write_timeout)
            self._counters["write-timeout"] += 1
            stream.reset()
        except P2PError as error:
            logger.debug("%s: %s", stream, error)

    def _refill(self, stream: Stream) -> None:
        """Fill the stream up."""
        urgent, messages = self._urgent, self._messages
        while urgent and self._has_room(stream, _RESERVE):
            stream.write(urgent[0])
            self._urgent_size -= len(urgent.popleft())
        if not messages:
            return
        self.stalled = False
        while messages and self._has_room(stream):
            stream.write(messages[0])
            self.queued_bytes -= len(messages.popleft())
        self._look()

    def _written(self, task: asyncio.Task[None]) -> None:
        """The queue is empty, or the stream has ended; with the next one it goes on."""
        self._writer = None
        stream = self.stream
        if not task.cancelled() and stream is not None and stream.failure is None:
            self._move_on(stream)
