"""What the upgrade of a connection and the negotiation of its streams allow."""

from __future__ import annotations

from dataclasses import dataclass, field

from p2pstack.errors import ConfigError
from p2pstack.multistream.config import MultistreamConfig
from p2pstack.noise.config import NoiseConfig
from p2pstack.yamux.config import YamuxConfig

__all__ = ["NOISE_PROTOCOL", "YAMUX_PROTOCOL", "ConnectionConfig"]

NOISE_PROTOCOL = "/noise"
YAMUX_PROTOCOL = "/yamux/1.0.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionConfig:
    """Limits of one connection. Times are seconds."""

    upgrade_timeout: float = 15.0
    """From the first byte to the muxer, after which the connection is closed. Against half-open ones (GEN-03)."""

    negotiation_timeout: float = 10.0
    """For agreeing on the protocol of a stream, after which it is reset, as in go and rust (GEN-03)."""

    max_negotiating: int = 256
    """Inbound streams that have not named their protocol yet; more are reset (YMX-20)."""

    multistream: MultistreamConfig = field(default_factory=MultistreamConfig)
    """Limits of protocol negotiation."""

    noise: NoiseConfig = field(default_factory=NoiseConfig)
    """Limits of the handshake."""

    yamux: YamuxConfig = field(default_factory=YamuxConfig)
    """Limits of the multiplexer."""

    def __post_init__(self) -> None:
        """Refuse values that can't work.

        Raises:
            ConfigError: naming the field.
        """
        if not self.upgrade_timeout > 0 or not self.negotiation_timeout > 0:
            raise ConfigError("upgrade_timeout and negotiation_timeout must be positive")
        if self.max_negotiating < 1:
            raise ConfigError("max_negotiating must be at least 1")
