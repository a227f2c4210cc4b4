"""Values that can't work, and the back-off."""

from __future__ import annotations

import pytest

from p2pstack.errors import ConfigError
from p2pstack.shinkai.storage.config import JobConfig, QueueConfig, RetryConfig


@pytest.mark.req("SHK-43")
def test_the_back_off_is_the_originals_up_to_its_cap() -> None:
    config = RetryConfig()
    assert [config.backoff(attempts) for attempts in range(1, 8)] == [1, 4, 16, 64, 256, 1024, 3600]
    assert config.backoff(10**6) == 3600


@pytest.mark.parametrize(
    "values",
    [{name: 0} for name in ("max_rows", "max_bytes", "max_size", "max_dead_rows", "max_dead_bytes", "max_attempts")]
    + [{"max_age": 0}, {"lease": 0}, {"backoff_base": 0}, {"backoff_factor": 0.5}, {"backoff_max": 0.5}],
)
@pytest.mark.parametrize("kind", [QueueConfig, RetryConfig, JobConfig])
def test_queues_that_cannot_work(kind: type[QueueConfig], values: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=next(iter(values))):
        kind(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["replay_window", "max_seen"])
def test_jobs_have_limits_of_their_own(name: str) -> None:
    assert JobConfig().max_attempts == 5
    with pytest.raises(ConfigError, match=name):
        JobConfig(**{name: 0})  # type: ignore[arg-type]
