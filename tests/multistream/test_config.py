from __future__ import annotations

import pytest

from p2pstack.errors import ConfigError
from p2pstack.multistream import MultistreamConfig


@pytest.mark.req("MSS-05", "MSS-08")
def test_defaults_are_those_of_the_catalogue() -> None:
    config = MultistreamConfig()
    assert (config.max_message, config.max_messages, config.max_listed, config.max_listing) == (1024, 128, 1000, 16_383)


@pytest.mark.parametrize(
    "field",
    [{"max_message": 31}, {"max_message": 16_384}, {"max_listing": 31}, {"max_messages": 1}, {"max_listed": -1}],
)
def test_values_that_can_not_work_are_refused(field: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match=next(iter(field))):
        MultistreamConfig(**field)


def test_the_bounds_themselves_work() -> None:
    config = MultistreamConfig(max_message=32, max_listing=16_383, max_messages=2, max_listed=0)
    assert config.max_message == 32
