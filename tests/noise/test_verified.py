from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.noise import NoiseConfig, VerifyCache
from tests.noise.pairs import ALICE, BOB

KEY = ALICE.key.public_key


def triple(number: int) -> tuple[bytes, bytes, bytes]:
    return (b"key %d" % number, b"signature", b"static")


def test_what_was_added_is_found_and_nothing_else() -> None:
    cache = VerifyCache()
    assert cache.get((b"k", b"s", b"x")) is None
    cache.add((b"k", b"s", b"x"), KEY)
    assert cache.get((b"k", b"s", b"x")) is KEY
    for other in ((b"k", b"s", b"y"), (b"k", b"t", b"x"), (b"l", b"s", b"x"), (b"ks", b"", b"x")):
        assert cache.get(other) is None
    cache.add((b"k", b"s", b"x"), BOB.key.public_key)
    assert len(cache) == 1


@pytest.mark.req("GEN-04")
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 7)), max_size=60), st.integers(0, 4))
def test_the_least_recently_used_makes_room(operations: list[tuple[bool, int]], size: int) -> None:
    cache = VerifyCache(NoiseConfig(verified_entries=size))
    model: list[int] = []  # the least recently used first
    for add, number in operations:
        known = cache.get(triple(number)) is not None
        assert known == (number in model)
        if known:
            model.remove(number)
            model.append(number)
        elif add:
            cache.add(triple(number), KEY)
            model = [*model, number][-size:] if size else []
        assert len(cache) == len(model)


@pytest.mark.req("GEN-04")
def test_a_padded_identity_is_not_remembered() -> None:
    cache = VerifyCache()
    cache.add((b"k" * 900, b"s" * 92, b"x" * 32), KEY)
    cache.add((b"k" * 901, b"s" * 92, b"x" * 32), KEY)
    assert len(cache) == 1
    assert cache.get((b"k" * 901, b"s" * 92, b"x" * 32)) is None
