"""Limits of a relay."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from p2pstack.errors import ConfigError
from p2pstack.shinkai.network.config import DirectConfig
from p2pstack.shinkai.relayer.config import RelayerConfig, host_config


@pytest.mark.req("SHK-110")
def test_the_defaults_are_the_originals() -> None:
    config = RelayerConfig()
    relay = config.relay
    assert (relay.max_reservations, relay.reservation_lifetime) == (1_024, 1_800.0)
    assert (relay.max_circuits, relay.circuits_per_peer) == (1_024, 16)
    assert (relay.circuit_duration, relay.circuit_bytes) == (3_600, 1_073_741_824)
    assert (config.try_interval, config.recheck_interval) == (30.0, 600.0)
    assert (config.ping_interval, config.ping_failures) == (10.0, 3)
    assert (config.direct.max_request, config.direct.max_response, config.direct.timeout) == (1_048_576, 10_485_760, 30)


@pytest.mark.req("SHK-110")
@pytest.mark.parametrize("most", [1, 2, 20, 2_048])
def test_a_host_for_any_number_of_connections(most: int) -> None:
    config = host_config(most, 4)
    assert config.limits.connections == config.limits.inbound_connections == most
    assert (config.limits.connections_per_ip, config.limits.connection_burst_per_ip) == (4, 8)
    assert 0 < config.manager.low_water <= config.manager.high_water <= most


@pytest.mark.parametrize(
    "change",
    [
        {"max_named": 0},
        {"max_local": -1},
        {"lookup_timeout": 0.0},
        {"ping_failures": 0},
        {"direct": DirectConfig(timeout=5.0)},
    ],
)
def test_values_that_can_not_work_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        replace(RelayerConfig(), **change)
