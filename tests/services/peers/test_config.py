"""Values that can't work, and the back-off."""

from __future__ import annotations

from dataclasses import fields

import pytest

from p2pstack.errors import ConfigError
from p2pstack.services.peers.config import PeersConfig


@pytest.mark.parametrize("name", [each.name for each in fields(PeersConfig)])
@pytest.mark.parametrize("value", [-1, float("nan"), float("inf")])
def test_values_that_cannot_work(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=name):
        PeersConfig(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", [each.name for each in fields(PeersConfig) if each.name != "wanted"])
def test_nothing_but_wanted_may_be_zero(name: str) -> None:
    assert PeersConfig(wanted=0).wanted == 0
    with pytest.raises(ConfigError, match=name):
        PeersConfig(**{name: 0})  # type: ignore[arg-type]


@pytest.mark.parametrize("values", [{"backoff_factor": 0.5}, {"backoff_max": 29.0}])
def test_a_back_off_never_shrinks(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        PeersConfig(**values)  # type: ignore[arg-type]


@pytest.mark.req("PEERS-05")
def test_the_back_off_doubles_up_to_its_cap() -> None:
    config = PeersConfig()
    assert [config.backoff(failures) for failures in (1, 2, 3, 10)] == [30, 60, 120, 15_360]
    assert config.backoff(11) == config.backoff(10**6) == config.backoff_max
