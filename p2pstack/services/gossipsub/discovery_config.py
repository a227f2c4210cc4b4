"""How peers of topics are looked for, each figure with the reason it exists (specs/gossipsub.md). Times are seconds."""

from __future__ import annotations

from dataclasses import dataclass, fields

from p2pstack.errors import ConfigError

__all__ = ["TopicDiscoveryConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicDiscoveryConfig:
    """The configuration of :class:`p2pstack.services.gossipsub.discovery.TopicDiscovery`."""

    wanted: int | None = None
    """Peers of a topic below which more are looked for; None: ``d`` of the router, with which a mesh is full."""

    poll_interval: float = 1.0
    """Between two looks at whether topics have enough peers, as in go, and between two searches of a topic that find
    somebody new."""

    max_interval: float = 60.0
    """Between two searches of a topic that find nobody new: from ``poll_interval`` each doubles the time up to this. A
    network that has fewer peers than are wanted must not be asked every second."""

    find_count: int = 100
    """Peers that a source is asked for at once, as in go."""

    find_timeout: float = 10.0
    """For one search in one source, as in go."""

    max_searches: int = 4
    """Searches, and announcements, that run at once, of all topics."""

    advertise_timeout: float = 60.0
    """For one announcement in one source, as in go."""

    advertise_retry: float = 30.0
    """Time after a failed announcement before the next one."""

    dial_timeout: float = 30.0
    """For one connection."""

    max_dials: int = 8
    """Peers that are dialled at once. Against sources that tell of peers that are not there."""

    backoff_base: float = 10.0
    """For which a peer that was dialled is left alone at most, as in go ..."""

    backoff_factor: float = 5.0
    """... which grows by this with each further failure ..."""

    backoff_max: float = 3_600.0
    """... up to this. The time is a random one up to that, but not below ``backoff_base``."""

    max_backoffs: int = 1_000
    """Peers whose dials are remembered; those that were dialled longest ago are forgotten first."""

    close_timeout: float = 2.0
    """For telling the sources that we have left, when all ends."""

    def __post_init__(self) -> None:
        """Refuse values that can't work.

        Raises:
            ConfigError: naming the field.
        """
        for field in fields(self):
            value = getattr(self, field.name)
            if value is not None and not value > 0:
                raise ConfigError(f"{field.name} must be positive")
        if self.backoff_factor < 1:
            raise ConfigError("backoff_factor must be at least 1")
        for longer, shorter in (("backoff_max", "backoff_base"), ("max_interval", "poll_interval")):
            if getattr(self, longer) < getattr(self, shorter):
                raise ConfigError(f"{longer} must be at least {shorter}")
