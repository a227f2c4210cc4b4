"""Configurations refuse what can't work, and say which field it is."""

from __future__ import annotations

import pytest

from p2pstack.errors import ConfigError
from p2pstack.services.relay.client_config import AutoRelayConfig, RelayClientConfig


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("timeout", 0),
        ("stop_timeout", 0),
        ("upgrade_timeout", 0),
        ("max_circuits", 0),
        ("max_addresses", 0),
        ("renew_at", 0),
        ("renew_at", 1),
        ("min_renewal", 0),
        ("max_renewal", 9),
        ("min_lifetime", 10),
        ("retry_base", 0),
        ("retry_max", 0.5),
    ],
)
def test_the_client_refuses_what_cannot_work(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=field):
        RelayClientConfig(**{field: value})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("field", "value"), [("wanted", 0), ("backoff_base", 0), ("backoff_max", 1), ("max_backoffs", 0)]
)
def test_the_automatic_relays_refuse_what_cannot_work(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=field):
        AutoRelayConfig(**{field: value})  # type: ignore[arg-type]


def test_the_defaults_work() -> None:
    assert RelayClientConfig().max_renewal < 3_600 / 2
    assert AutoRelayConfig().wanted == 2
