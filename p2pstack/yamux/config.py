"""The limits of a yamux session, each with the reason it exists (specs/yamux.md)."""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.errors import ConfigError

__all__ = ["INITIAL_WINDOW", "MAX_STREAM_ID", "YamuxConfig"]

INITIAL_WINDOW = 262_144
"""Receive window of every new stream, in bytes, fixed by the protocol (YMX-06)."""

MAX_STREAM_ID = 0xFFFF_FFFF
"""The last id a stream can have; beyond it no stream is opened (YMX-23)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class YamuxConfig:
    """What one session allows. Sizes are bytes, times seconds."""

    max_inbound_streams: int = 512
    """Streams that the peer may hold open; more are reset with 0x1002. Against stream floods (YMX-20)."""

    max_streams: int = 512
    """Streams of both directions together at which our own opens wait: rust ends the connection beyond 512."""

    max_unacknowledged: int = 256
    """Own streams that the peer has not acknowledged yet; further opens wait. go and rust drop beyond it (YMX-20)."""

    max_window: int = 16 * 1024 * 1024
    """The largest receive window a stream can grow to, as in go (YMX-12)."""

    max_window_growth: int = 16 * 1024 * 1024
    """What the windows of all streams of a session may grow together: the memory that a fast peer can claim."""

    max_unsent: int = 16 * 1024 * 1024
    """Bytes that a stream queues before write() refuses more: for programs that never await drain()."""

    drain_mark: int = 262_144
    """Queued bytes of a stream at or below which drain() returns."""

    max_frame: int = 65_507
    """Largest payload of a DATA frame that is sent: with its header it fills one Noise message."""

    max_body: int = 16 * 1024 * 1024
    """Largest DATA body for a stream that is gone; more is no stray frame but a fault (YMX-16)."""

    quantum: int = 16_384
    """Bytes that a stream of weight 1 sends in one turn while others wait."""

    max_pongs: int = 32
    """Pings answered between two flushes; further ones are dropped, as go does. Against ping floods (YMX-17)."""

    max_control: int = 1_024
    """Control frames waiting to be sent at which reading pauses: a peer that floods but does not read (YMX-22)."""

    max_unread: int = 64 * 1024 * 1024
    """Bytes that all streams of a session hold unread at which reading pauses: handlers slower than the peer."""

    ping_interval: float = 30.0
    """Time between two pings, which measure the round trip and keep the session alive (YMX-18)."""

    ping_timeout: float = 10.0
    """Time without any received byte after a ping that ends the session."""

    close_timeout: float = 10.0
    """How long a stream that was closed here waits for the peer's FIN before it is reset."""

    def __post_init__(self) -> None:
        """Refuse values that can't work.

        Raises:
            ConfigError: naming the field.
        """
        for name in ("max_inbound_streams", "max_streams", "max_unacknowledged", "max_pongs", "max_control"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1")
        for name in ("ping_interval", "ping_timeout", "close_timeout"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive")
        if self.max_window < INITIAL_WINDOW:
            raise ConfigError(f"max_window must be at least {INITIAL_WINDOW}")
        if not 1 <= self.max_frame <= 65_507:
            raise ConfigError("max_frame must be from 1 to 65,507")
        if self.quantum < 1 or self.max_window_growth < 0 or self.max_unread < 1:
            raise ConfigError("quantum and max_unread must be positive, max_window_growth not negative")
        if self.drain_mark < 0 or self.max_unsent < self.drain_mark:
            raise ConfigError("max_unsent must not be below drain_mark")
