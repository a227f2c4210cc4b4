from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from p2pstack.errors import ConfigError
from p2pstack.host.config import DialConfig, HostConfig, LimitsConfig, ManagerConfig, PeerstoreConfig

Config = type[DialConfig] | type[HostConfig] | type[LimitsConfig] | type[ManagerConfig] | type[PeerstoreConfig]


@pytest.mark.parametrize(
    ("config", "field"),
    [
        *((LimitsConfig, field.name) for field in dataclasses.fields(LimitsConfig) if field.name != "window_memory"),
        (DialConfig, "timeout"),
        (DialConfig, "address_timeout"),
        (DialConfig, "max_addresses"),
        (DialConfig, "max_concurrent"),
        (DialConfig, "max_backoffs"),
        (DialConfig, "dns_timeout"),
        (ManagerConfig, "low_water"),
        (ManagerConfig, "grace"),
        (ManagerConfig, "silence"),
        *((PeerstoreConfig, field.name) for field in dataclasses.fields(PeerstoreConfig)),
        (HostConfig, "close_timeout"),
        (HostConfig, "event_queue"),
    ],
)
@pytest.mark.parametrize("value", [0, -1, float("nan")])
def test_values_that_cannot_work_are_refused_by_name(config: Config, field: str, value: float) -> None:
    options: dict[str, Any] = {field: value}
    with pytest.raises(ConfigError, match=field):
        config(**options)


def test_the_low_water_mark_is_not_above_the_high_one() -> None:
    assert ManagerConfig(low_water=5, high_water=5).high_water == 5
    with pytest.raises(ConfigError):
        ManagerConfig(low_water=6, high_water=5)


@pytest.mark.parametrize("config", [HostConfig, LimitsConfig, DialConfig, ManagerConfig, PeerstoreConfig])
def test_configurations_are_frozen_and_take_keywords_only(config: Config) -> None:
    made = config()
    assert made == config()
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(made, dataclasses.fields(made)[0].name, 1)
    with pytest.raises(TypeError):
        config(1)  # type: ignore[call-arg]


@pytest.mark.req("GEN-03", "GEN-05")
def test_the_figures_that_the_requirements_name() -> None:
    config = HostConfig()
    assert config.dial.timeout == 15.0
    assert config.dial.max_addresses == 25
    assert (config.dial.stagger, config.dial.private_stagger) == (0.25, 0.03)
    assert config.connection.upgrade_timeout == 15.0
    assert config.connection.negotiation_timeout == 10.0
    assert config.limits.connections_per_peer == 8
    assert config.limits.window_memory == 128 * 1024 * 1024
