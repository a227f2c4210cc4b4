from __future__ import annotations

import inspect
import random

import pytest

from p2pstack.gossipsub.entropy import Random


def drawn(chance: Random) -> tuple[float, list[int], list[int], int]:
    """One of everything."""
    shuffled = list(range(20))
    chance.shuffle(shuffled)
    return chance.random(), chance.sample(range(100), 10), shuffled, chance.randrange(1_000_000)


def test_a_seeded_source_does_the_same_again() -> None:
    assert drawn(random.Random(1)) == drawn(random.Random(1))
    assert drawn(random.Random(1)) != drawn(random.Random(2))


def test_the_source_of_the_system_fits_too() -> None:
    number, sample, shuffled, below = drawn(random.SystemRandom())
    assert 0 <= number < 1
    assert len(set(sample)) == 10
    assert sorted(shuffled) == list(range(20))
    assert 0 <= below < 1_000_000


@pytest.mark.parametrize("name", ["random", "sample", "shuffle", "randrange"])
def test_arguments_are_called_as_in_the_standard_library(name: str) -> None:
    ours, theirs = (inspect.signature(getattr(each, name)).parameters for each in (Random, random.Random))
    assert list(ours) == list(theirs)[: len(ours)]
