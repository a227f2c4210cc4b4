from __future__ import annotations

import pytest

from p2pstack.errors import ConfigError
from p2pstack.services.port_mapping.config import PortMappingConfig


@pytest.mark.parametrize(
    "name", ["lifetime", "min_renewal", "retry", "timeout", "upnp_timeout", "stop_timeout", "max_ports"]
)
def test_values_must_be_positive(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name} must be positive"):
        PortMappingConfig(**{name: 0})  # type: ignore[arg-type]


def test_a_lifetime_has_to_fit_its_field() -> None:
    with pytest.raises(ConfigError, match="lifetime must be less"):
        PortMappingConfig(lifetime=2**31)


@pytest.mark.parametrize("gateway", ["", "router", "::1", "192.168.1"])
def test_a_gateway_is_an_ipv4_address(gateway: str) -> None:
    with pytest.raises(ConfigError, match="no IPv4 address"):
        PortMappingConfig(gateway=gateway)
