"""What a server of AutoNAT does for strangers, and how a client asks (specs/autonat.md). Times are seconds."""

from __future__ import annotations

from dataclasses import dataclass, field

from p2pstack.autonat.config import ConfidenceConfig, RateConfig
from p2pstack.errors import ConfigError

__all__ = ["AutonatClientConfig", "AutonatServerConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class AutonatServerConfig:
    """Limits of :class:`p2pstack.services.autonat.server.AutonatServer`."""

    v1: RateConfig = field(default_factory=lambda: RateConfig(total=30, per_peer=3, per_ip=10, concurrent=1))
    """Requests of version 1 (AUTONAT1-03)."""

    v2: RateConfig = field(default_factory=lambda: RateConfig(total=60, per_peer=12, per_ip=30, concurrent=2))
    """Requests of version 2 (AUTONAT2-04)."""

    v2_elsewhere: RateConfig = field(default_factory=lambda: RateConfig(total=12, per_peer=12, per_ip=12, concurrent=2))
    """Those of them that would have us dial another IP than the peer's, for which it has to send data (AUTONAT2-04)."""

    private: bool = False
    """Also dial addresses of private networks and of this machine. For networks that know no other; from the internet
    a stranger could have us look for open ports inside."""

    timeout: float = 15.0
    """For a request up to its dial, and of version 2 up to its end: a peer that sends a byte now and then."""

    dial_timeout: float = 15.0
    """For a dial of version 1, and until a failure is told: how long it took would say what is at the other end
    (AUTONAT1-03)."""

    back_dial_timeout: float = 10.0
    """For a dial of version 2, as in go: an answer has to follow within ``timeout``."""

    back_timeout: float = 5.0
    """For the exchange on the connection of a dial-back (AUTONAT2-03)."""

    max_delay: float = 3.0
    """Longest wait, by chance, before a dial to another IP: against many servers that are sent to one victim at once
    (AUTONAT2-02)."""

    def __post_init__(self) -> None:
        """Refuse values that can't work.

        Raises:
            ConfigError: naming the fields.
        """
        if not min(self.timeout, self.dial_timeout, self.back_dial_timeout, self.back_timeout) > 0:
            raise ConfigError("timeout, dial_timeout, back_dial_timeout and back_timeout must be positive")
        if self.max_delay < 0:
            raise ConfigError("max_delay must not be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class AutonatClientConfig:
    """Habits and limits of :class:`p2pstack.services.autonat.client.AutonatClient`."""

    confidence: ConfidenceConfig = field(default_factory=ConfidenceConfig)
    """When answers are believed, and for how long."""

    retry_interval: float = 90.0
    """After which servers of a group that has been asked may be asked again (AUTONAT1-04)."""

    max_questions: int = 4
    """Questions that are under way at once: a server that can't reach us takes 15 s to say so."""

    timeout: float = 30.0
    """For a question: servers of version 1 wait before they say that they failed, go's up to 15 s."""

    back_timeout: float = 5.0
    """For a nonce to come after the server has said that it did, and for the exchange that brings it (AUTONAT2-03)."""

    follow_interval: float = 30.0
    """How often the host's addresses are looked at, where no event tells that they have changed."""

    private: bool = False
    """Also ask servers in private networks, and about addresses there. For networks that know no other."""

    def __post_init__(self) -> None:
        """Refuse values that can't work.

        Raises:
            ConfigError: naming the fields.
        """
        if not min(self.retry_interval, self.timeout, self.back_timeout, self.follow_interval) > 0:
            raise ConfigError("retry_interval, timeout, back_timeout and follow_interval must be positive")
        if self.max_questions < 1:
            raise ConfigError("max_questions must be at least 1")
