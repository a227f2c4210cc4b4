"""What a relay allows: go's figures, Shinkai's, and values that can't work."""

from __future__ import annotations

from typing import Any

import pytest

from p2pstack.errors import ConfigError
from p2pstack.relay.config import Rate, RelayConfig
from p2pstack.relay.messages import Limit


@pytest.mark.req("RELAY-06", "RELAY-07")
def test_the_defaults_are_go_s() -> None:
    config = RelayConfig()
    assert (config.max_reservations, config.reservations_per_ip, config.reservation_lifetime) == (128, 8, 3_600.0)
    assert config.circuits_per_peer == 16
    assert config.limit == Limit(120, 128 * 1024)
    assert config.reservation_rate_per_peer == config.circuit_rate_per_peer == Rate(30, 120.0)
    assert config.reservation_rate_per_ip == config.circuit_rate_per_ip == Rate(60, 60.0)


@pytest.mark.req("RELAY-07")
def test_shinkai_s_relayer() -> None:
    config = RelayConfig.shinkai()
    assert (config.max_reservations, config.reservation_lifetime) == (1_024, 1_800.0)
    assert (config.max_circuits, config.circuits_per_peer) == (1_024, 16)
    assert config.limit == Limit(3_600, 1 << 30)
    assert config.reservation_rate_per_peer is config.reservation_rate_per_ip is None
    assert config.circuit_rate_per_peer is config.circuit_rate_per_ip is None


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_reservations", 0),
        ("reservations_per_ip", 0),
        ("reservation_lifetime", 0.0),
        ("reservation_lifetime", 0.5),
        ("reservation_lifetime", float("inf")),
        ("max_circuits", 0),
        ("circuit_duration", 0),
        ("circuit_duration", 1 << 32),
        ("circuit_bytes", 0),
        ("circuit_bytes", 1 << 63),
        ("request_timeout", float("nan")),
        ("answer_timeout", -1.0),
        ("tracked_rates", 0),
    ],
)
def test_values_that_can_not_work(field: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=field):
        RelayConfig(**{field: value})


@pytest.mark.parametrize(("burst", "interval"), [(0, 1.0), (1, 0.0), (1, float("inf")), (1, float("nan"))])
def test_rates_that_can_not_work(burst: int, interval: float) -> None:
    with pytest.raises(ConfigError, match=r"burst|interval"):
        Rate(burst, interval)
