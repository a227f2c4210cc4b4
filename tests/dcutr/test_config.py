"""The configuration of hole punching refuses what can't work, and says which field it is."""

from __future__ import annotations

from dataclasses import fields

import pytest

from p2pstack.dcutr.config import DcutrConfig
from p2pstack.errors import ConfigError

NAMES = [field.name for field in fields(DcutrConfig)]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("value", [0, -1])
def test_each_field_must_be_positive(name: str, value: int) -> None:
    with pytest.raises(ConfigError, match=name):
        DcutrConfig(**{name: type(getattr(DcutrConfig(), name))(value)})


def test_a_time_must_end() -> None:
    with pytest.raises(ConfigError, match="dial_timeout"):
        DcutrConfig(dial_timeout=float("inf"))


@pytest.mark.req("DCUTR-05", "DCUTR-06")
def test_the_defaults_are_those_of_the_page() -> None:
    config = DcutrConfig()
    assert (config.max_attempts, config.max_addresses, config.max_hosts, config.lowest_port) == (3, 16, 4, 1024)
