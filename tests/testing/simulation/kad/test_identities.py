from __future__ import annotations

from random import Random

import pytest

from p2pstack.identity.multiaddrs import is_public
from p2pstack.kad.groups import groups_of
from p2pstack.kad.keyspace import common_prefix, position
from p2pstack.testing.simulation.kad.identities import ground_ids, public_address, simulated_id


def test_ids_are_those_of_their_names() -> None:
    assert simulated_id("a") == simulated_id("a") != simulated_id("b")
    assert len(simulated_id("a").to_bytes()) == 34


def test_addresses_are_public() -> None:
    random = Random(7)
    addresses = [public_address(random) for _ in range(200)]
    assert all(map(is_public, addresses))
    assert len(groups_of(addresses)) > 150
    assert groups_of(public_address(random, "8.8") for _ in range(9)) == (b"\x08\x08",)


@pytest.mark.req("KAD-21")
def test_ids_near_a_key_can_be_searched_for() -> None:
    ids = ground_ids(b"/sim/key", 6, 5, "sybil")
    assert len(set(ids)) == 5
    target = position(b"/sim/key")
    assert all(common_prefix(position(each.to_bytes()), target) >= 6 for each in ids)
