"""What a relay's client does and allows (specs/relay.md)."""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.errors import ConfigError

__all__ = ["AutoRelayConfig", "RelayClientConfig"]


def _require_positive(config: object, *names: str) -> None:
    for name in names:
        if not getattr(config, name) > 0:
            raise ConfigError(f"{name} must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayClientConfig:
    """The configuration of :class:`p2pstack.services.relay.client.RelayClient`. Times are seconds."""

    timeout: float = 15.0
    """For one attempt at a reservation, the dial of the relay included: a relay that never answers."""

    stop_timeout: float = 10.0
    """For a relay to say who wants to talk to us, once it has opened its stream."""

    upgrade_timeout: float = 15.0
    """For whoever is behind the relay to prove who it is: a circuit that leads to nobody is not held open."""

    max_circuits: int = 32
    """Peers that one relay may connect to us at the same time, whichever its connections; go allows a peer 16."""

    max_addresses: int = 8
    """Addresses of one relay that we pass on as our own: a relay must not have us advertise a thousand."""

    renew_at: float = 0.5
    """The share of a reservation's time after which it is renewed (RELAY-04)."""

    min_renewal: float = 10.0
    """The shortest time between a reservation and its renewal, whatever the relay says."""

    max_renewal: float = 1_200.0
    """The longest one: our clock may be behind the relay's, which promises an hour, and counts it from its own."""

    min_lifetime: float = 20.0
    """A reservation for less is none: it would be over before it is known."""

    retry_base: float = 1.0
    """Time after a loss, or a first failure, before the relay is asked again ..."""

    retry_max: float = 300.0
    """... which doubles with each further failure, up to this. A random part of up to a half is left out."""

    def __post_init__(self) -> None:
        """Refuse values that can't work.

        Raises:
            ConfigError: naming the field.
        """
        _require_positive(
            self,
            "timeout",
            "stop_timeout",
            "upgrade_timeout",
            "max_circuits",
            "max_addresses",
            "min_renewal",
            "retry_base",
        )
        if not 0 < self.renew_at < 1:
            raise ConfigError("renew_at must be between 0 and 1")
        if self.max_renewal < self.min_renewal or self.retry_max < self.retry_base:
            raise ConfigError("max_renewal and retry_max must not be below min_renewal and retry_base")
        if self.min_lifetime <= self.min_renewal:
            raise ConfigError("min_lifetime must be above min_renewal, or reservations end before they are renewed")


@dataclass(frozen=True, slots=True, kw_only=True)
class AutoRelayConfig:
    """The configuration of :class:`p2pstack.services.relay.auto.AutoRelay`. Times are seconds."""

    wanted: int = 2
    """Relays to have a reservation with, so that one can go."""

    backoff_base: float = 10.0
    """Time for which a relay that refuses, or can't be reached, is left alone ..."""

    backoff_max: float = 1_800.0
    """... which doubles with each further failure in a row, up to this."""

    max_backoffs: int = 256
    """Relays that are left alone at once. While there are so many, only those that the program has named are asked:
    anybody can say that he is a relay."""

    def __post_init__(self) -> None:
        """Refuse values that can't work.

        Raises:
            ConfigError: naming the field.
        """
        _require_positive(self, "wanted", "backoff_base", "max_backoffs")
        if self.backoff_max < self.backoff_base:
            raise ConfigError("backoff_max must not be below backoff_base")
