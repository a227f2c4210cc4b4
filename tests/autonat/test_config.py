from __future__ import annotations

import pytest

from p2pstack.autonat.config import ConfidenceConfig, RateConfig
from p2pstack.errors import ConfigError

RATES = {"total": 4, "per_peer": 3, "per_ip": 2, "concurrent": 1}


@pytest.mark.parametrize(
    "field",
    [
        {"confirmations": 0},
        {"max_addresses": 0},
        {"max_answers": 3},
        {"recheck_interval": 0.0},
        {"answer_ttl": 0.0},
        {"recheck_spread": -0.1},
    ],
)
def test_confidence_that_can_not_work_is_refused(field: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(field))):
        ConfidenceConfig(**field)  # type: ignore[arg-type]


@pytest.mark.parametrize("field", [*({name: 0} for name in RATES), {"window": 0.0}])
def test_rates_that_can_not_work_are_refused(field: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(field))):
        RateConfig(**(RATES | field))  # type: ignore[arg-type]


@pytest.mark.req("AUTONAT1-04")
def test_by_default_more_than_three_answers_decide_and_are_asked_for_again_after_a_quarter_of_an_hour() -> None:
    config = ConfidenceConfig()
    assert config.confirmations > 3
    assert config.recheck_interval == 15 * 60
