"""Pings: how far the peer is away, and whether it is still there (YMX-17, YMX-18; specs/yamux.md).

A ping every ``ping_interval`` keeps the session alive and measures the round trip, which the growth of windows goes by.
Any byte from the peer is a sign of life, not only the answer: go drops pings that come too fast, and a peer that sends
data may have its answer behind megabytes.
"""

from __future__ import annotations

from p2pstack.errors import YamuxError
from p2pstack.yamux.config import YamuxConfig
from p2pstack.yamux.frames import PING, SYN, pack_header

__all__ = ["Liveness"]

_MAX_VALUE = 0xFFFF_FFFF


class Liveness:
    """The pings of one session; at most one is under way. ``round_trip`` is in seconds, 0 until it is known."""

    __slots__ = ("_interval", "_next", "_sent", "_timeout", "_value", "round_trip")

    def __init__(self, config: YamuxConfig, now: float) -> None:
        self._interval = config.ping_interval
        self._timeout = config.ping_timeout
        self._next = now
        self._sent: float | None = None
        self._value = 0
        self.round_trip = 0.0

    def ping(self, now: float) -> list[bytes]:
        """Return the frame of a new ping, or nothing while one is under way."""
        if self._sent is not None:
            return []
        self._value = (self._value + 1) & _MAX_VALUE
        self._sent = now
        self._next = now + self._interval
        return [pack_header(0, PING, SYN, 0, self._value)]

    def receive_pong(self, value: int, now: float) -> None:
        """Take an answer; one that was not asked for is ignored. The shortest trips count most: others had to queue."""
        if self._sent is not None and value == self._value:
            sample = now - self._sent
            self._sent = None
            known = self.round_trip
            self.round_trip = min(sample, (known * 7 + sample) / 8) if known else sample

    def next_timeout(self) -> float:
        """When :meth:`handle_timeout` wants to be called."""
        return self._next if self._sent is None else self._sent + self._timeout

    def handle_timeout(self, now: float, last_received: float) -> list[bytes]:
        """Return the ping that is due, if one is.

        Raises:
            YamuxError: nothing has come since the last ping, and its time is over.
        """
        if self._sent is not None and now >= self._sent + self._timeout:
            if last_received <= self._sent:
                raise YamuxError(f"no sign of life for {self._timeout:g} s after a ping", requirement="YMX-18")
            self._sent = None
        return self.ping(now) if now >= self._next else []
