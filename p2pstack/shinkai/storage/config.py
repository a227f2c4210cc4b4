"""The limits of the queues in a node's file (specs/shinkai.md). Times are seconds, sizes bytes."""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.errors import ConfigError
from p2pstack.shinkai import json_form
from p2pstack.shinkai.checks import require_positive

__all__ = ["JobConfig", "QueueConfig", "RetryConfig"]

_DAY = 86_400.0


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueConfig:
    """What both queues have: bounds, leases, and how often and how long something is tried."""

    max_rows: int = 10_000
    """Entries that are alive. Against a peer that is never back, and strangers who send without end."""

    max_bytes: int = 256 * 1024 * 1024
    """What they hold together."""

    max_size: int = json_form.MAX_SIZE
    """One of them: as long as a message may be."""

    max_dead_rows: int = 1_000
    """Dead ones that are kept for somebody to look at; the oldest goes first."""

    max_dead_bytes: int = 64 * 1024 * 1024
    """What those hold together."""

    max_attempts: int = 100
    """After as many an entry is dead, those that ended with the process included."""

    max_age: float = 3 * _DAY
    """An entry that is older is dead after its next failure."""

    backoff_base: float = 1.0
    """Between the first failure and the second attempt, as in the original ..."""

    backoff_factor: float = 4.0
    """... and by what that grows with each further one, as in the original ..."""

    backoff_max: float = 3_600.0
    """... up to this; the original knows no cap."""

    lease: float = 120.0
    """How long who took an entry has it alone. Must be longer than an attempt: then another may take it."""

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        require_positive(
            self,
            "max_rows",
            "max_bytes",
            "max_size",
            "max_dead_rows",
            "max_dead_bytes",
            "max_attempts",
            "max_age",
            "backoff_base",
            "lease",
        )
        if self.backoff_factor < 1.0:
            raise ConfigError("backoff_factor must be at least 1")
        if self.backoff_max < self.backoff_base:
            raise ConfigError("backoff_max must be at least backoff_base")

    def backoff(self, attempts: int) -> float:
        """Return the seconds to wait after ``attempts`` failures: 1, 4, 16, ... up to the cap (SHK-43)."""
        delay = self.backoff_base
        for _ in range(attempts - 1):
            delay *= self.backoff_factor
            if delay >= self.backoff_max:
                return self.backoff_max
        return delay


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryConfig(QueueConfig):
    """Limits of the messages that are to be delivered (SHK-43)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobConfig(QueueConfig):
    """Limits of the jobs (SHK-46 to SHK-48)."""

    max_attempts: int = 5
    """A message that ends the process, or its handler, each time is put aside after as many."""

    replay_window: float = _DAY
    """How long a message is known again. Older ones have to be refused by their time."""

    max_seen: int = 200_000
    """Messages that are known again; beyond, the oldest is forgotten early. Against strangers who fill the disk."""

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        # Not `super()`: slots make the class anew, and its cell keeps the old one on Python 3.11.
        QueueConfig.__post_init__(self)
        require_positive(self, "replay_window", "max_seen")
