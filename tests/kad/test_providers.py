from __future__ import annotations

import pytest

from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import Contact
from p2pstack.kad.keyspace import position
from p2pstack.kad.providers import Providers
from p2pstack.kad.store import MemoryStore
from tests.kad.making import contact, contacts, nearest, peer

OWN = position(peer(0).to_bytes())
KEY = b"\x12\x20" + bytes(32)
NOW = 1_795_564_489.25
HOUR = 3_600.0


def make(store: MemoryStore | None = None, **config: int) -> Providers:
    return Providers(store or MemoryStore(), KadConfig(**config), OWN)


@pytest.mark.req("KAD-06")
def test_a_provider_counts_for_48_hours_and_its_addresses_for_24() -> None:
    providers = make()
    assert providers.get(KEY, NOW) == []
    assert providers.add(KEY, contact(1), NOW)
    assert providers.get(KEY, NOW + 24 * HOUR - 1) == [contact(1)]
    assert providers.get(KEY, NOW + 24 * HOUR) == [Contact(peer(1))]
    assert providers.get(KEY, NOW + 48 * HOUR - 1) == [Contact(peer(1))]
    assert providers.get(KEY, NOW + 48 * HOUR) == []
    assert len(providers) == 0


@pytest.mark.req("KAD-06")
def test_who_announces_itself_again_counts_anew() -> None:
    providers = make()
    providers.add(KEY, contact(1), NOW)
    providers.add(KEY, contact(1), NOW + 40 * HOUR)
    assert providers.get(KEY, NOW + 60 * HOUR) == [contact(1)]
    assert len(providers) == 1


@pytest.mark.req("KAD-06")
def test_of_many_providers_of_a_key_the_nearest_are_kept() -> None:
    providers = make()
    outcomes = [providers.add(KEY, each, NOW) for each in contacts(range(1, 101))]
    assert providers.get(KEY, NOW) == nearest(KEY, contacts(range(1, 101)))
    assert {*outcomes} == {True, False}
    assert providers.add(KEY, nearest(KEY, contacts(range(1, 101)))[19], NOW)


@pytest.mark.req("KAD-06")
def test_of_many_keys_the_nearest_are_kept() -> None:
    store = MemoryStore()
    providers = make(store, max_provided_keys=8)
    keys = [b"key %d" % number for number in range(100)]
    outcomes = [providers.add(key, contact(1), NOW) for key in keys]
    assert len(providers) == len(list(store.provided_keys())) == 8
    assert {*outcomes} == {True, False}
    wanted = sorted(keys, key=lambda key: position(key) ^ OWN)[:8]
    assert all(providers.get(key, NOW) == [contact(1)] for key in wanted)
    assert providers.add(wanted[7], contact(2), NOW)


@pytest.mark.req("KAD-06")
def test_a_key_whose_providers_are_over_makes_room() -> None:
    providers = make(max_provided_keys=1)
    near, far = sorted([b"a", b"b"], key=lambda key: position(key) ^ OWN)
    providers.add(near, contact(1), NOW)
    assert not providers.add(far, contact(1), NOW)
    assert providers.add(far, contact(1), NOW + 48 * HOUR)


@pytest.mark.req("KAD-06")
def test_a_sweep_forgets_what_is_over() -> None:
    store = MemoryStore()
    providers = make(store)
    providers.add(b"a", contact(1), NOW)
    providers.add(b"b", contact(1), NOW + HOUR)
    providers.add(b"b", contact(2), NOW)
    assert providers.sweep(NOW + 48 * HOUR) == 1
    assert list(store.provided_keys()) == [b"b"]
    assert len(store.providers(b"b")) == 1


def test_a_store_from_before_is_taken_over() -> None:
    store = MemoryStore()
    make(store).add(KEY, contact(1), NOW)
    assert make(store).get(KEY, NOW) == [contact(1)]
