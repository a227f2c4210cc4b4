"""A client's configuration."""

from __future__ import annotations

from typing import Any

import pytest

from p2pstack.errors import ConfigError
from p2pstack.services.rendezvous.client_config import RendezvousClientConfig


@pytest.mark.parametrize(
    "wrong",
    [
        {"timeout": 0.0},
        {"max_peers": -1},
        {"renew_at": 1.1},
        {"page": 1_001},
        {"max_answer": 1_048_577},
        {"retry_max": 4.0},
    ],
)
def test_values_that_can_not_work_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        RendezvousClientConfig(**wrong)


def test_retries_become_rarer() -> None:
    config = RendezvousClientConfig(retry_base=5.0, retry_max=30.0)
    assert [config.retry_delay(failures) for failures in (1, 2, 3, 4, 9_999)] == [5.0, 10.0, 20.0, 30.0, 30.0]
