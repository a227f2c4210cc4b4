"""What configuration classes of the Shinkai layer check of their values (specs/shinkai.md)."""

from __future__ import annotations

from p2pstack.errors import ConfigError

__all__ = ["require_positive"]


def require_positive(config: object, *names: str) -> None:
    """Check that the fields of ``config`` with these names are above zero.

    Raises:
        ConfigError: one of them is not; the error names it.
    """
    for name in names:
        if not getattr(config, name) > 0:
            raise ConfigError(f"{name} must be positive")
