"""Values that can't work."""

from __future__ import annotations

import pytest

from p2pstack.errors import ConfigError
from p2pstack.shinkai.directory.config import CacheConfig, ChainConfig, FileDirectoryConfig


@pytest.mark.parametrize(
    "values", [{"timeout": 0}, {"max_size": 0}, {"max_identities": 0}, {"check_interval": -1}], ids=str
)
def test_files(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        FileDirectoryConfig(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values",
    [
        {"endpoint_timeout": 0},
        {"timeout": 0},
        {"max_answer": 0},
        {"endpoints": ()},
        {"endpoints": ("file:///etc/passwd",)},
        {"contract": "0x12"},
        {"contract": "0x" + "g" * 40},
    ],
    ids=str,
)
def test_registries(values: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        ChainConfig(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "values",
    [{"fresh": 0}, {"unknown": 0}, {"timeout": 0}, {"max_entries": 0}, {"max_lookups": 0}, {"stale": 1.0}],
    ids=str,
)
def test_caches(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        CacheConfig(**values)  # type: ignore[arg-type]
