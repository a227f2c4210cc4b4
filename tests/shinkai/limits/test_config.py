"""Values of limits that can't work, and the original's defaults."""

from __future__ import annotations

import pytest

from p2pstack.errors import ConfigError
from p2pstack.shinkai.limits.config import BandwidthConfig, ConnectionRateConfig


@pytest.mark.req("SHK-50")
def test_the_defaults_are_the_originals() -> None:
    config = ConnectionRateConfig()
    assert (config.per_second, config.burst, config.concurrent) == (5, 3, 10)


@pytest.mark.parametrize("name", ["per_second", "burst", "concurrent", "max_tracked"])
def test_connections_must_be_positive(name: str) -> None:
    with pytest.raises(ConfigError, match=name):
        ConnectionRateConfig(**{name: 0})


@pytest.mark.parametrize(
    "values",
    [
        {"per_second": 0},
        {"burst": 0},
        {"max_peers": 0},
        {"max_waiting": 0},
        {"max_waiting_bytes": 0},
        {"control_share": 0.0},
        {"control_share": 1.0},
    ],
)
def test_bandwidths_that_cannot_work(values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        BandwidthConfig(**values)  # type: ignore[arg-type]
