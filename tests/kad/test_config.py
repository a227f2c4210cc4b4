from __future__ import annotations

from typing import Any

import pytest

from p2pstack.errors import ConfigError
from p2pstack.kad.config import KadConfig
from p2pstack.kad.filters import Network


@pytest.mark.req("KAD-02")
def test_the_defaults_are_those_of_the_field() -> None:
    config = KadConfig()
    assert (config.k, config.alpha, config.beta, config.network) == (20, 10, 20, Network.ANY)


@pytest.mark.parametrize(
    "wrong",
    [
        {"k": 0},
        {"peer_timeout": float("inf")},
        {"query_timeout": float("nan")},
        {"max_requests": -1},
        {"beta": 21},
        {"beta": 4, "k": 3},
        {"paths": 11},
        {"max_value": 16_000},
        {"max_request": 16_383},
        {"max_request": 5 << 20},
    ],
)
def test_what_can_not_work_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        KadConfig(**wrong)
