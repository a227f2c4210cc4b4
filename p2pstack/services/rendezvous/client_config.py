"""What a client of rendezvous points does and allows (specs/rendezvous.md)."""

from __future__ import annotations

from dataclasses import dataclass, fields

from p2pstack.errors import ConfigError
from p2pstack.rendezvous.messages import MAX_REGISTRATIONS
from p2pstack.rendezvous.protocols import MAX_MESSAGE

__all__ = ["RendezvousClientConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class RendezvousClientConfig:
    """The configuration of :class:`p2pstack.services.rendezvous.client.RendezvousClient`. Times are seconds."""

    timeout: float = 15.0
    """For one question to a point, the dial included. Against points that never answer."""

    close_timeout: float = 2.0
    """For telling the points that we are gone."""

    max_answer: int = MAX_MESSAGE
    """Bytes of an answer; beyond, its stream is reset. rust's points do not cut theirs shorter."""

    page: int = 100
    """Registrations that are asked for at once; those that a point sends beyond that are not looked at."""

    max_pages: int = 20
    """Questions in a row, as long as each answer brings something. Against answers without end."""

    max_peers: int = 1_000
    """Peers of a namespace that are kept of one point; beyond, those that expire first go."""

    max_addresses: int = 16
    """Addresses of a peer that are kept; and of our own that are registered."""

    renew_at: float = 0.5
    """The share of a registration's time after which it is renewed."""

    min_renewal: float = 10.0
    """The shortest time between two registrations that succeed, whatever the point grants, and however often our
    addresses change."""

    retry_base: float = 5.0
    """Time after a failure before the point is asked again ..."""

    retry_max: float = 600.0
    """... which doubles with each further one, up to this. A random part of up to a half is left out."""

    def __post_init__(self) -> None:
        """Refuse values that can't work.

        Raises:
            ConfigError: naming the field.
        """
        for field in fields(self):
            if not getattr(self, field.name) > 0:
                raise ConfigError(f"{field.name} must be positive")
        if self.renew_at > 1:
            raise ConfigError("renew_at must be at most 1")
        if self.page > MAX_REGISTRATIONS:
            raise ConfigError(f"page must be at most {MAX_REGISTRATIONS}")
        if self.max_answer > MAX_MESSAGE:
            raise ConfigError(f"max_answer must be at most {MAX_MESSAGE}")
        if self.retry_max < self.retry_base:
            raise ConfigError("retry_max must be at least retry_base")

    def retry_delay(self, failures: int) -> float:
        """Return the seconds to wait after so many failures in a row, before a random part is left out."""
        return min(self.retry_base * 2.0 ** min(failures - 1, 64), self.retry_max)
