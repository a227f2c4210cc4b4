"""How a file is opened and written. Times are seconds."""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.errors import ConfigError

__all__ = ["StorageConfig"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageConfig:
    """How the file is opened and written."""

    survive_power_loss: bool = False
    """Wait at each commit until the disk has it. Without, what was accepted survives the end of the process by any
    signal, but the last seconds may be missing after a loss of power; the file is consistent either way."""

    max_pending: int = 10_000
    """Operations that wait for the thread. Against a program that sends faster than the disk takes it."""

    max_batch: int = 512
    """Operations that share a commit; more of them let the first one wait longer."""

    timeout: float = 10.0
    """For one operation, waiting included. Against a disk that hangs."""

    open_timeout: float = 30.0
    """For opening the file: recovery after a crash and changes of the schema included."""

    lock_timeout: float = 1.0
    """How long opening waits for a process that is about to close the file."""

    close_timeout: float = 10.0
    """For what is still waiting to be written when the file is closed."""

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        for name in ("max_pending", "max_batch", "timeout", "open_timeout", "lock_timeout", "close_timeout"):
            if not getattr(self, name) > 0:
                raise ConfigError(f"{name} must be positive")
