from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import ConfigError
from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.keyspace import BITS, MAX_MADE_UP, common_prefix, made_up_id, position
from tests.vectors import load

positions = st.integers(0, 2**BITS - 1)


@pytest.mark.req("KAD-02")
@pytest.mark.parametrize("case", load("kad")["distance_input"], ids=lambda case: case["kind"])
def test_what_is_hashed(case: dict[str, str]) -> None:
    assert position(bytes.fromhex(case["preimage"])) == int(case["sha256"], 16)


@pytest.mark.req("KAD-02")
def test_distances_as_go_measures_them() -> None:
    vectors = load("kad")["kademlia"]
    key = position(bytes.fromhex(vectors["key"]))
    assert key == int(vectors["sha256_key"], 16)
    for case in vectors["peers"]:
        there = position(bytes.fromhex(case["peer_id"]))
        assert there == int(case["sha256_peer_id"], 16)
        assert there ^ key == int(case["distance"], 16)
        assert common_prefix(there, key) == case["common_prefix_length"]


@given(positions, positions, positions)
def test_a_longer_common_prefix_is_a_shorter_distance(a: int, b: int, c: int) -> None:
    if common_prefix(a, b) > common_prefix(a, c):
        assert a ^ b < a ^ c
    assert 0 <= common_prefix(a, b) <= BITS
    assert (common_prefix(a, b) == BITS) == (a == b)


@pytest.mark.req("KAD-12")
@given(positions, st.integers(0, 9), st.binary(min_size=32, max_size=32))
def test_an_id_is_made_up_for_each_bucket(own: int, prefix: int, start: bytes) -> None:
    made_up = made_up_id(own, prefix, start)
    PeerId(made_up)
    assert common_prefix(own, position(made_up)) == prefix


def test_made_up_ids_wrap_at_the_end_of_the_numbers() -> None:
    ids = {made_up_id(7, 3, b"\xff" * 32), made_up_id(7, 3, b"\xff" * 31 + b"\xfe")}
    assert all(each.startswith(b"\x12\x20\x00") for each in ids)


@pytest.mark.parametrize("prefix", [-1, MAX_MADE_UP + 1])
def test_no_id_is_made_up_that_takes_too_long(prefix: int) -> None:
    with pytest.raises(ConfigError, match="0 to 15"):
        made_up_id(7, prefix, bytes(32))
