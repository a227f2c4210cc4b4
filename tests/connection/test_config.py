from __future__ import annotations

import pytest

from p2pstack.connection.config import NOISE_PROTOCOL, YAMUX_PROTOCOL, ConnectionConfig
from p2pstack.errors import ConfigError


@pytest.mark.req("NOISE-01", "YMX-01")
def test_the_protocols_of_an_upgrade() -> None:
    assert (NOISE_PROTOCOL, YAMUX_PROTOCOL) == ("/noise", "/yamux/1.0.0")


@pytest.mark.req("GEN-03")
def test_the_deadlines_are_those_of_go() -> None:
    config = ConnectionConfig()
    assert (config.upgrade_timeout, config.negotiation_timeout) == (15.0, 10.0)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("upgrade_timeout", 0.0),
        ("upgrade_timeout", float("nan")),
        ("negotiation_timeout", -1.0),
        ("max_negotiating", 0),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_its_name(field: str, value: float) -> None:
    with pytest.raises(ConfigError, match=field):
        ConnectionConfig(**{field: value})  # type: ignore[arg-type]
