"""How peers of topics are looked for: values that can't work."""

from __future__ import annotations

from typing import Any

import pytest

from p2pstack.errors import ConfigError
from p2pstack.services.gossipsub.discovery_config import TopicDiscoveryConfig


@pytest.mark.parametrize(
    "wrong",
    [
        {"wanted": 0},
        {"poll_interval": 0.0},
        {"max_dials": -1},
        {"backoff_factor": 0.5},
        {"backoff_max": 9.0},
        {"max_interval": 0.5},
    ],
)
def test_values_that_can_not_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        TopicDiscoveryConfig(**wrong)


def test_go_s_figures() -> None:
    config = TopicDiscoveryConfig()
    assert (config.poll_interval, config.find_timeout, config.find_count) == (1.0, 10.0, 100)
    assert (config.backoff_base, config.backoff_factor, config.backoff_max) == (10.0, 5.0, 3_600.0)
