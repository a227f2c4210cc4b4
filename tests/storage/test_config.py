"""Values that can't work."""

from __future__ import annotations

import pytest

from p2pstack.errors import ConfigError
from p2pstack.storage.config import StorageConfig


@pytest.mark.parametrize(
    "name", ["max_pending", "max_batch", "timeout", "open_timeout", "lock_timeout", "close_timeout"]
)
def test_files_that_cannot_work(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        StorageConfig(**{name: 0})  # type: ignore[arg-type]
