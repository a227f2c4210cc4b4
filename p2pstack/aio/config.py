"""What the asyncio shell of a connection allows."""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.errors import ConfigError

__all__ = ["ShellConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellConfig:
    """Limits and habits of the shell. Times are seconds, sizes bytes."""

    stream_timeout: float | None = 60.0
    """What a read or a drain of a stream waits at most, unless the stream's own ``timeout`` says otherwise.
    None: for ever. Against peers that fall silent."""

    write_timeout: float = 10.0
    """How long a peer may take no bytes at all before the connection is closed, as in go (YMX-22)."""

    unread_timeout: float = 60.0
    """How long reading may stand still since ``yamux.max_unread`` is passed before the connection is closed."""

    write_high_water: int = 131_072
    """Bytes in the transport at which the machine stops to send: small, so that urgent streams pass bulk ones."""

    max_handlers: int = 512
    """Handlers that may run at once on one connection; further streams are reset. Against streams that are opened and
    reset at once, whose handlers would outlive them (YMX-21)."""

    handler_grace: float = 60.0
    """How long handlers may go on after their connection has ended before they are cancelled: what they have received
    is still theirs, but a handler that waits for something else must not outlive its peer for ever (GEN-03)."""

    spin_seconds: float = 0.0
    """Keeps the loop polling this long after each receive: shorter round trips, paid in CPU time. 50e-6 is enough
    where it helps at all; 0 is off. See :mod:`p2pstack.aio.spin`."""

    def __post_init__(self) -> None:
        """Refuse values that can't work.

        Raises:
            ConfigError: naming the field.
        """
        if self.stream_timeout is not None and not self.stream_timeout > 0:
            raise ConfigError("stream_timeout must be positive, or None")
        if not self.write_timeout > 0 or not self.unread_timeout > 0:
            raise ConfigError("write_timeout and unread_timeout must be positive")
        if not self.handler_grace > 0:
            raise ConfigError("handler_grace must be positive")
        if self.write_high_water < 1 or self.max_handlers < 1:
            raise ConfigError("write_high_water and max_handlers must be at least 1")
        if not 0 <= self.spin_seconds <= 0.01:
            raise ConfigError("spin_seconds must be from 0 to 0.01")
