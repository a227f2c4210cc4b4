"""What decides how much is believed, and how often peers may ask (specs/autonat.md)."""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.errors import ConfigError

__all__ = ["ConfidenceConfig", "RateConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfidenceConfig:
    """When answers are believed, and when they are asked for again. Times are seconds."""

    confirmations: int = 4
    """Groups of servers by which one answer has to lead over the other before it is believed (AUTONAT1-04).

    A server can say what it likes: somebody with a single network could have us call a victim's address our own, or
    hide behind a relay that he runs.
    """

    recheck_interval: float = 900.0
    """After which a settled address is asked about again ..."""

    recheck_spread: float = 0.25
    """... and by which part of that at most later, so that nodes which started together do not ask together."""

    answer_ttl: float = 10_800.0
    """How long an answer counts: networks change."""

    max_answers: int = 32
    """Answers about an address that are kept, one a group; the oldest go first."""

    max_addresses: int = 16
    """Addresses that are followed: peers can report any number of them, and all have to fit into one question."""

    def __post_init__(self) -> None:
        """Refuse values that can't work.

        Raises:
            ConfigError: naming the field.
        """
        if self.confirmations < 1 or self.max_addresses < 1:
            raise ConfigError("confirmations and max_addresses must be at least 1")
        if self.max_answers < self.confirmations:
            raise ConfigError("max_answers must not be below confirmations")
        if not self.recheck_interval > 0 or not self.answer_ttl > 0:
            raise ConfigError("recheck_interval and answer_ttl must be positive")
        if self.recheck_spread < 0:
            raise ConfigError("recheck_spread must not be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class RateConfig:
    """How many requests a server takes, in a window that slides (AUTONAT1-03, AUTONAT2-04)."""

    total: int
    """Of all peers together: each may cost a dial, and somebody's patience at its other end."""

    per_peer: int
    """Of one peer."""

    per_ip: int
    """Of one IP address (IPv6: of one /56): peer ids cost nothing."""

    concurrent: int
    """Of one peer at the same time."""

    window: float = 60.0
    """Seconds that these are counted over."""

    def __post_init__(self) -> None:
        """Refuse values that can't work.

        Raises:
            ConfigError: naming the fields.
        """
        if min(self.total, self.per_peer, self.per_ip, self.concurrent) < 1:
            raise ConfigError("total, per_peer, per_ip and concurrent must be at least 1")
        if not self.window > 0:
            raise ConfigError("window must be positive")
