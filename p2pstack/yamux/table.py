"""The streams of a session, and what they have taken: ids, places, window growth, unread bytes (specs/yamux.md). Pure.

Invariants between two calls: ``streams`` holds the streams that have not ended; ``unacknowledged`` counts our own of
them that have no ACK; ``inbound_budget`` has granted one for each of the peer's, ``budget`` what windows have grown;
``unread`` is the sum of what streams hold unread, those included that have ended and were not read to their end.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from p2pstack.errors import ConnectionClosed, LimitExceeded, P2PError, StreamReset
from p2pstack.yamux.config import INITIAL_WINDOW, MAX_STREAM_ID, YamuxConfig
from p2pstack.yamux.frames import ACK, SYN
from p2pstack.yamux.scheduler import SendQueue
from p2pstack.yamux.stream import Stream
from p2pstack.yamux.window import Budget

__all__ = ["StreamTable"]


class StreamTable(SendQueue):
    """The part of a :class:`~p2pstack.yamux.session.Session` that makes streams and lets them go.

    ``readable`` collects the streams whose state has changed for their reader. ``now`` is the time of the last call
    that had one, in seconds of the caller's clock.
    """

    __slots__ = (
        "_lingering",
        "_next_id",
        "budget",
        "client",
        "ended",
        "inbound_budget",
        "now",
        "owner",
        "readable",
        "stream_class",
        "streams",
        "terminated",
        "unacknowledged",
        "unread",
    )

    def __init__(
        self,
        *,
        client: bool,
        config: YamuxConfig,
        now: float,
        stream_class: type[Stream],
        owner: Any,
        ended: Callable[[Stream], None] | None,
        budget: Budget | None,
        inbound_budget: Budget | None,
    ) -> None:
        super().__init__(config)
        self.client = client
        self.now = now
        self.stream_class: Callable[[Any, int, int], Stream] = stream_class  # it takes the Session that this is
        self.owner = owner
        self.ended = ended
        self.budget = Budget(config.max_window_growth, budget)
        self.inbound_budget = Budget(config.max_inbound_streams, inbound_budget)
        self.streams: dict[int, Stream] = {}
        self.readable: list[Stream] = []
        self.unacknowledged = self.unread = 0
        self.terminated = False
        self._next_id = 1 if client else 2
        self._lingering: dict[Stream, tuple[float, int]] = {}

    @property
    def can_open(self) -> bool:
        """Whether :meth:`open` may be called now; if not, it may once a stream ends or is acknowledged."""
        config = self.config
        return self.unacknowledged < config.max_unacknowledged and len(self.streams) < config.max_streams

    def open(self) -> Stream:
        """Open a stream; its SYN travels on its first frame.

        Raises:
            ConnectionClosed: the session is over.
            LimitExceeded: ``yamux.max_unacknowledged``, ``yamux.max_streams`` (see :attr:`can_open`) or
                ``yamux.stream_ids``.
        """
        if self.terminated:
            raise ConnectionClosed("the session has ended")
        config = self.config
        if self.unacknowledged >= config.max_unacknowledged:
            raise LimitExceeded("yamux.max_unacknowledged", config.max_unacknowledged)
        if len(self.streams) >= config.max_streams:
            raise LimitExceeded("yamux.max_streams", config.max_streams)
        stream_id = self._next_id
        if stream_id > MAX_STREAM_ID:
            raise LimitExceeded("yamux.stream_ids", MAX_STREAM_ID)
        self._next_id = stream_id + 2
        self.unacknowledged += 1
        stream = self.streams[stream_id] = self.stream_class(self, stream_id, SYN)
        return stream

    def admit(self, stream_id: int) -> Stream | None:
        """Make the stream that the peer opens, or return None where there is no place for it (YMX-20)."""
        if not self.inbound_budget.take(1):
            return None
        stream = self.streams[stream_id] = self.stream_class(self, stream_id, ACK)
        return stream

    def drop(self, stream: Stream, failure: P2PError) -> None:
        """Declare ``stream`` dead with ``failure``; its reader and writer are to be woken."""
        stream.failure = failure
        stream.unsent.clear()
        stream.unsent_size = 0
        self.unread -= stream.unread
        stream.received = []
        stream.unread = 0
        self.forget(stream)
        if stream.queued:
            self.sweep(len(self.streams))
        if not stream.marked:
            stream.marked = True
            self.readable.append(stream)

    def fail_all(self, failure: P2PError) -> None:
        """End every stream with ``failure``; what has been received stays readable, and a FIN stays an EOF."""
        self.fresh.clear()
        self.turns.clear()
        for stream in list(self.streams.values()):
            stream.failure = failure
            stream.unsent.clear()
            stream.unsent_size = 0
            self.forget(stream)
            if not stream.marked:
                stream.marked = True
                self.readable.append(stream)

    def forget(self, stream: Stream) -> None:
        """Release the id and the window growth of a stream that has ended in both directions."""
        if self.streams.pop(stream.id, None) is None:
            return
        self._lingering.pop(stream, None)
        if self.ended is not None:
            self.ended(stream)
        if (stream.id & 1 == 1) == self.client:
            if not stream.acknowledged:
                self.unacknowledged -= 1
        else:
            self.inbound_budget.give_back(1)
        if stream.window > INITIAL_WINDOW:
            self.budget.give_back(stream.window - INITIAL_WINDOW)

    # -- streams that were closed here, and wait for the peer's FIN, or for its window to send the rest

    def linger(self, stream: Stream) -> None:
        """Wait ``close_timeout`` for a stream to end that nobody here waits for any more; see :meth:`expire`."""
        self._lingering[stream] = (self.now + self.config.close_timeout, stream.unsent_size)

    def next_expiry(self) -> float | None:
        """When the first of them has waited long enough."""
        for deadline, _ in self._lingering.values():
            return deadline
        return None

    def expire(self, now: float) -> None:
        """Reset those that have; as long as bytes go out, or more may be written, they get ``close_timeout`` again."""
        self.now = now
        while self._lingering:
            stream, (deadline, unsent) = next(iter(self._lingering.items()))
            if deadline > now:
                break
            del self._lingering[stream]
            if stream.unsent_size < unsent or not stream.fin_wanted:
                self.linger(stream)
            else:
                stream.kill(StreamReset(remote=False), 0)
