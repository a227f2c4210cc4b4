"""Configurations refuse what can't work, and say which field it is."""

from __future__ import annotations

import pytest

from p2pstack.errors import ConfigError
from p2pstack.services.config import IdentifyConfig, PingConfig, ServiceConfig


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timeout", 0),
        ("max_streams", 0),
        ("push_delay", -1),
        ("push_burst", 0),
        ("push_interval", 0),
        ("max_pushes", 0),
        ("received_push_burst", 0),
        ("received_push_interval", 0),
        ("max_observed", -1),
        ("max_observations", 0),
        ("interface_interval", 0),
    ],
)
def test_identify_refuses_what_cannot_work(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=field):
        IdentifyConfig(**{field: value})


@pytest.mark.req("IDN-07")
def test_a_single_report_can_not_be_made_enough() -> None:
    with pytest.raises(ConfigError, match="confirmations"):
        IdentifyConfig(confirmations=1)
    assert IdentifyConfig().confirmations == 4


@pytest.mark.parametrize("field", ["timeout", "idle_timeout", "max_streams"])
def test_ping_refuses_what_cannot_work(field: str) -> None:
    with pytest.raises(ConfigError, match=field):
        PingConfig(**{field: 0})


def test_the_defaults_are_made_of_the_parts() -> None:
    assert ServiceConfig() == ServiceConfig(identify=IdentifyConfig(), ping=PingConfig())
