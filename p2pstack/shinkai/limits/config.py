"""How many connections an address may open, and how many bytes go to a peer (SHK-50 to SHK-53)."""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.errors import ConfigError
from p2pstack.shinkai.checks import require_positive

__all__ = ["BandwidthConfig", "ConnectionRateConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionRateConfig:
    """TCP connections of one address; the defaults are the original's (``network_limiter.rs``)."""

    per_second: float = 5.0
    """Connections a second that an address may go on opening. The original calls it MAX_CONNECTIONS."""

    burst: int = 3
    """Connections that it may open at once. The original calls it BURST_ALLOWANCE."""

    concurrent: int = 10
    """Connections of it that are open at the same time. The original calls it MAX_CONNECTIONS_PER_IP."""

    exempt_loopback: bool = True
    """Count none of this machine's own: nodes beside each other share an address. The original counts them."""

    max_tracked: int = 4_096
    """Addresses without open connections whose rate is remembered; the quietest is forgotten first. Against floods
    from many addresses."""

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        require_positive(self, "per_second", "burst", "concurrent", "max_tracked")


@dataclass(frozen=True, slots=True, kw_only=True)
class BandwidthConfig:
    """Bytes that are sent to one peer, or taken from it. Sizes are bytes."""

    per_second: float = 4 * 1024 * 1024
    """Bytes a second. Against a peer with much to say, or to be told, that leaves no room for others."""

    burst: int = 2 * 1024 * 1024
    """Bytes at once, after silence: more than the longest message."""

    control_share: float = 0.1
    """Part of both that is for control and ACKs alone, so that they pass whatever else is sent."""

    max_peers: int = 1_024
    """Peers whose use is remembered, and to whom messages wait; of the former the quietest is forgotten first."""

    max_waiting: int = 256
    """Messages that wait for one peer. Against a peer that takes nothing."""

    max_waiting_bytes: int = 16 * 1024 * 1024
    """What they hold together."""

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        require_positive(self, "per_second", "burst", "max_peers", "max_waiting", "max_waiting_bytes")
        if not 0.0 < self.control_share < 1.0:
            raise ConfigError("control_share must be between 0 and 1")
