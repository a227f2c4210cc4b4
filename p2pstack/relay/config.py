"""What a relay allows, each with the reason it exists (RELAY-06, RELAY-07, specs/relay.md)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite

from p2pstack.errors import ConfigError
from p2pstack.relay.messages import Limit

__all__ = ["Rate", "RelayConfig"]


@dataclass(frozen=True, slots=True)
class Rate:
    """How often something may happen: ``burst`` times at once, and then once every ``interval`` seconds."""

    burst: int
    interval: float

    def __post_init__(self) -> None:
        """Refuse values that can't work.

        Raises:
            ConfigError: naming the field.
        """
        if self.burst < 1:
            raise ConfigError("burst must be at least 1")
        if not (self.interval > 0 and isfinite(self.interval)):
            raise ConfigError("interval must be positive")


_PER_PEER = Rate(30, 120.0)
_PER_IP = Rate(60, 60.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayConfig:
    """What one relay does for all peers together and for each: go's figures, and rust's rates. Times are seconds."""

    max_reservations: int = 128
    """Peers that hold a reservation. Each keeps a connection open, which is spared by the connection manager."""

    reservations_per_ip: int = 8
    """Of those, with the same IPv4 address or IPv6 /56; loopback is exempt. Against one machine that is many peers."""

    reservation_lifetime: float = 3_600.0
    """For which a reservation holds; a peer renews it in time (RELAY-04)."""

    reservation_rate_per_peer: Rate | None = _PER_PEER
    """Requests of one peer for reservations that are looked at; further ones are refused. None: no such limit."""

    reservation_rate_per_ip: Rate | None = _PER_IP
    """The same for an IPv4 address or IPv6 /56; loopback is exempt."""

    max_circuits: int = 1_024
    """Circuits at once, those included whose target has not answered yet. Each holds two streams."""

    circuits_per_peer: int = 16
    """Of those, with the same peer at either end, as in go. Against a peer that takes them all, and for its target."""

    circuit_rate_per_peer: Rate | None = _PER_PEER
    """Circuits that one peer asks for; further ones are refused. None: no such limit."""

    circuit_rate_per_ip: Rate | None = _PER_IP
    """The same for an IPv4 address or IPv6 /56; loopback is exempt."""

    circuit_duration: int = 120
    """Whole seconds after which a circuit ends: it is there to arrange a direct connection (RELAY-06)."""

    circuit_bytes: int = 131_072
    """Bytes that pass a circuit in each direction; one more ends it."""

    requests_per_peer: int = 8
    """Hop streams of a peer whose request has not come whole. Against streams that say nothing (GEN-04)."""

    max_requests: int = 256
    """The same for all peers together."""

    request_timeout: float = 30.0
    """For a request to come whole. Against streams that send a byte now and then (GEN-03); go waits 60."""

    connect_timeout: float = 30.0
    """For opening the stop stream to a circuit's target, as in go."""

    answer_timeout: float = 60.0
    """For the target's answer, as in go."""

    tracked_rates: int = 4_096
    """Peers, and addresses, whose rates are remembered; those that were quiet longest are forgotten first."""

    @classmethod
    def shinkai(cls) -> RelayConfig:
        """Return what Shinkai's relayer allows: circuits of an hour and a gigabyte, and no rates."""
        return cls(
            max_reservations=1_024,
            reservations_per_ip=1_024,
            reservation_lifetime=1_800.0,
            reservation_rate_per_peer=None,
            reservation_rate_per_ip=None,
            max_circuits=1_024,
            circuits_per_peer=16,
            circuit_rate_per_peer=None,
            circuit_rate_per_ip=None,
            circuit_duration=3_600,
            circuit_bytes=1 << 30,
        )

    @property
    def limit(self) -> Limit:
        """What the ends of a circuit are told."""
        return Limit(self.circuit_duration, self.circuit_bytes)

    def __post_init__(self) -> None:
        """Refuse values that can't work.

        Raises:
            ConfigError: naming the field.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, float) and not (value > 0 and isfinite(value)):
                raise ConfigError(f"{field.name} must be positive")
            if isinstance(value, int) and value < 1:
                raise ConfigError(f"{field.name} must be at least 1")
        if self.reservation_lifetime < 1:
            raise ConfigError("reservation_lifetime must be at least 1: it is told in whole seconds")
        if self.circuit_duration >= 1 << 32 or self.circuit_bytes >= 1 << 63:
            raise ConfigError("circuit_duration and circuit_bytes must fit 32 and 63 bits")
