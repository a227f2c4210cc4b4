"""The check that configuration classes of this layer make."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from p2pstack.errors import ConfigError
from p2pstack.shinkai.checks import require_positive


@dataclass
class Some:
    size: int = 1
    time: float = 0.0


def test_what_is_not_positive_is_named() -> None:
    require_positive(Some(), "size")
    with pytest.raises(ConfigError, match="time must be positive"):
        require_positive(Some(), "size", "time")
