"""What the services that a host starts by default allow: identify and ping."""

from __future__ import annotations

from dataclasses import dataclass, field

from p2pstack.errors import ConfigError

__all__ = ["IdentifyConfig", "PingConfig", "ServiceConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifyConfig:
    """Limits and habits of identify (specs/identify.md). Times are seconds."""

    timeout: float = 5.0
    """For a whole exchange, either way: a peer that never answers, or sends a byte now and then (IDN-12)."""

    max_streams: int = 8
    """Requests and pushes of a peer that are served at once on a connection; further streams are reset."""

    push_delay: float = 0.1
    """Between a change and its push, so that several changes in a row make one push."""

    push_burst: int = 8
    """Pushes that may follow each other like that ..."""

    push_interval: float = 6.0
    """... before one may go out only every so often. go drops what comes faster than one in 5 s after 10 (IDN-14)."""

    max_pushes: int = 32
    """Peers that are sent a push at the same time (IDN-10)."""

    received_push_burst: int = 32
    """Pushes that a connection's peer may send in a row ..."""

    received_push_interval: float = 1.0
    """... before it may send only one every so often; further ones are reset. Against peers that keep us busy."""

    confirmations: int = 4
    """Groups of peers that have to see the host at an address before it is believed to be its own (IDN-07)."""

    max_observed: int = 3
    """Such addresses that are advertised, those that most groups have seen."""

    max_observations: int = 1_024
    """Reports of observed addresses that are kept, one a connection; those of the oldest go first."""

    interface_interval: float = 30.0
    """How often the addresses of the machine's interfaces are looked at, which decide what is advertised."""

    def __post_init__(self) -> None:
        """Refuse values that can't work.

        Raises:
            ConfigError: naming the field.
        """
        for name in ("timeout", "push_interval", "received_push_interval", "interface_interval"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive")
        for name in ("max_streams", "push_burst", "max_pushes", "received_push_burst", "max_observations"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name} must be at least 1")
        if self.push_delay < 0 or self.max_observed < 0:
            raise ConfigError("push_delay and max_observed must not be negative")
        if self.confirmations < 2:
            raise ConfigError("confirmations must be at least 2: a single report is never believed")


@dataclass(frozen=True, slots=True, kw_only=True)
class PingConfig:
    """Limits of ping (specs/ping.md). Times are seconds."""

    timeout: float = 10.0
    """For an echo, unless the caller says otherwise."""

    max_streams: int = 2
    """Ping streams of a peer that are served at once on a connection; further ones are reset (PING-02)."""

    idle_timeout: float = 30.0
    """How long an inbound ping stream may be silent before it is closed (PING-05). rust pings every 15 s on one."""

    def __post_init__(self) -> None:
        """Refuse values that can't work.

        Raises:
            ConfigError: naming the field.
        """
        if not self.timeout > 0 or not self.idle_timeout > 0:
            raise ConfigError("timeout and idle_timeout must be positive")
        if self.max_streams < 1:
            raise ConfigError("max_streams must be at least 1")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceConfig:
    """The configuration of the services of :class:`p2pstack.Host`."""

    identify: IdentifyConfig = field(default_factory=IdentifyConfig)
    """Who one is."""

    ping: PingConfig = field(default_factory=PingConfig)
    """The round trip."""
