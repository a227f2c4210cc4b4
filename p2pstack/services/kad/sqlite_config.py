"""How what a DHT node holds for others is written to disk (specs/peers.md). Times are seconds."""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.errors import ConfigError

__all__ = ["SqliteStoreConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SqliteStoreConfig:
    """Limits and habits of :class:`SqliteStore`. How much there may be stands in :class:`KadConfig`."""

    write_interval: float = 1.0
    """Between a change and its writing, so that many make one commit; they are lost with the process."""

    max_batch: int = 256
    """Keys that are written in one commit."""

    max_pending: int = 10_000
    """Keys that wait to be written; beyond, the oldest stays in the file as it was. Against a disk that fails."""

    close_timeout: float = 2.0
    """For writing what is left. Against a disk that hangs."""

    def __post_init__(self) -> None:
        """Refuse values that can't work.

        Raises:
            ConfigError: naming the field.
        """
        for name in ("write_interval", "max_batch", "max_pending", "close_timeout"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive")
