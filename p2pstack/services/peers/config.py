"""How many peers are remembered, for how long, and how they are dialled (specs/peers.md). Times are seconds."""

from __future__ import annotations

from dataclasses import dataclass, fields
from math import isfinite

from p2pstack.errors import ConfigError

__all__ = ["PeersConfig"]

_DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PeersConfig:
    """Limits and habits of :class:`PersistentPeers`."""

    max_peers: int = 1_000
    """Peers that are remembered. Against strangers who come without end: those that we reached ourselves go last."""

    max_addresses: int = 16
    """Addresses of a peer; those that have worked go last."""

    max_protocols: int = 128
    """Protocols of a peer that are remembered; the rest of a longer list is left out."""

    max_record: int = 4_096
    """Bytes of a signed record that is kept; a longer one is asked for again when the peer is met."""

    max_age: float = 30 * _DAY
    """After which a peer is forgotten that was not connected meanwhile."""

    address_lifetime: float = 7 * _DAY
    """For which an address is kept after its peer told it last, or it worked last."""

    max_failures: int = 12
    """Failures in a row after which a peer is forgotten, and an address of one that has others; 15 hours as it is."""

    backoff_base: float = 30.0
    """For which a peer is left alone after its first failure ..."""

    backoff_factor: float = 2.0
    """... which grows by this with each further one ..."""

    backoff_max: float = 21_600.0
    """... up to this."""

    wanted: int = 8
    """Peers that the host should have: while it has fewer, known ones are dialled. 0: none are."""

    dial_parallel: int = 4
    """Known peers that are dialled at once."""

    write_interval: float = 5.0
    """Between two rounds of writing: what was learned since the last one is lost with the process."""

    max_batch: int = 64
    """Peers that are written in one commit."""

    close_timeout: float = 2.0
    """For writing what is left when the host is closed. Against a disk that hangs."""

    def __post_init__(self) -> None:
        """Refuse values that can't work.

        Raises:
            ConfigError: naming the field.
        """
        for each in fields(self):
            value = getattr(self, each.name)
            if not isfinite(value) or value < 0 or (value == 0 and each.name != "wanted"):
                raise ConfigError(f"{each.name} must be finite and positive")
        if self.backoff_factor < 1.0:
            raise ConfigError("backoff_factor must be at least 1")
        if self.backoff_max < self.backoff_base:
            raise ConfigError("backoff_max must be at least backoff_base")

    def backoff(self, failures: int) -> float:
        """Return the seconds for which a peer is left alone after that many failures in a row (PEERS-05)."""
        delay = self.backoff_base
        for _ in range(failures - 1):
            delay *= self.backoff_factor
            if delay >= self.backoff_max:
                return self.backoff_max
        return delay
