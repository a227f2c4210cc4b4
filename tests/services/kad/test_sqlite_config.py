"""Values that can't work."""

from __future__ import annotations

import pytest

from p2pstack.errors import ConfigError
from p2pstack.services.kad.sqlite_config import SqliteStoreConfig


@pytest.mark.parametrize("name", ["write_interval", "max_batch", "max_pending", "close_timeout"])
def test_stores_that_cannot_work(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        SqliteStoreConfig(**{name: 0})  # type: ignore[arg-type]
