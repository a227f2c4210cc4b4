"""A point's configuration."""

from __future__ import annotations

from typing import Any

import pytest

from p2pstack.errors import ConfigError
from p2pstack.rendezvous.config import RendezvousConfig


@pytest.mark.req("RDV-05", "RDV-09")
def test_the_defaults_are_those_of_the_specification() -> None:
    config = RendezvousConfig()
    assert (config.min_ttl, config.default_ttl, config.max_ttl) == (7_200, 7_200, 259_200)
    assert (config.registrations_per_peer, config.discover_limit) == (1_000, 1_000)


@pytest.mark.parametrize(
    "wrong",
    [
        {"max_registrations": 0},
        {"request_timeout": 0.0},
        {"request_timeout": float("inf")},
        {"default_ttl": 7_199},
        {"default_ttl": 259_201},
        {"discover_limit": 1_001},
        {"max_answer": 4_700},
        {"max_answer": 1_048_577},
        {"max_request": 4_300},
    ],
)
def test_values_that_can_not_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        RendezvousConfig(**wrong)
