"""Limits that can't work are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import pytest

from p2pstack.errors import ConfigError
from p2pstack.shinkai.network.config import (
    DirectConfig,
    FindingConfig,
    GossipConfig,
    HandlerConfig,
    LinkConfig,
    ManagerConfig,
)

CONFIGS: list[type[Any]] = [
    DirectConfig,
    FindingConfig,
    GossipConfig,
    HandlerConfig,
    LinkConfig,
    ManagerConfig,
]
MAY_BE_ZERO = {"jitter"}
NUMBERS = [
    (config, each.name)
    for config in CONFIGS
    for each in fields(config)
    if each.type in {"int", "float"} and each.name not in MAY_BE_ZERO
]


@pytest.mark.parametrize(("config", "name"), NUMBERS)
def test_every_number_has_to_be_positive(config: Callable[..., object], name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        config(**{name: 0})


def test_what_contradicts_is_refused() -> None:
    with pytest.raises(ConfigError, match="max_memory"):
        DirectConfig(max_memory=10)
    with pytest.raises(ConfigError, match="jitter"):
        LinkConfig(jitter=-1.0)
    assert LinkConfig(jitter=0.0).jitter == 0.0


def test_a_dht_has_a_protocols_name() -> None:
    with pytest.raises(ConfigError, match="'mine' is no protocol"):
        FindingConfig(protocol="mine")
