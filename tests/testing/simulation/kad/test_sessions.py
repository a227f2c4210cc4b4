from __future__ import annotations

from random import Random
from statistics import mean

import pytest

from p2pstack.errors import ConfigError
from p2pstack.testing.simulation.kad.sessions import Sessions

HOUR = 3_600.0


def sessions(seed: int = 7) -> Sessions:
    return Sessions(2 * HOUR, Random(seed))


def test_they_are_as_long_as_was_measured() -> None:
    """In the public network half stayed for two hours or less, and four in five for eight or less."""
    made = sessions()
    lengths = [made.whole() for _ in range(20_000)]
    assert mean(each <= 2 * HOUR for each in lengths) == pytest.approx(0.5, abs=0.02)
    assert mean(each <= 8 * HOUR for each in lengths) == pytest.approx(0.8, abs=0.02)
    assert mean(lengths) == pytest.approx(made.mean, rel=0.05)


def test_who_is_there_stays_for_longer_than_who_comes() -> None:
    """A population stays as it is: in an hour as many go of those that were there as come and are there at its end."""
    made = sessions()
    gone = mean(made.rest() <= HOUR for _ in range(20_000))
    there = mean(mean(made.whole() > minute * 60.0 for _ in range(500)) for minute in range(60))
    assert gone == pytest.approx(there * HOUR / made.mean, rel=0.05)


def test_the_same_seed_gives_the_same() -> None:
    assert [sessions(7).whole(), sessions(7).rest()] == [sessions(7).whole(), sessions(7).rest()]
    assert sessions(7).whole() != sessions(8).whole()


@pytest.mark.parametrize("median", [0.0, -1.0, float("nan")])
def test_a_median_is_positive(median: float) -> None:
    with pytest.raises(ConfigError):
        Sessions(median, Random(7))
