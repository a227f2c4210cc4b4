from __future__ import annotations

import pytest

from p2pstack.kad.records import Record
from p2pstack.kad.store import MemoryStore, Store, StoredProvider, StoredValue
from tests.kad.making import contact, peer


def stored(key: bytes, value: bytes = b"v") -> StoredValue:
    return StoredValue(record=Record(key=key, value=value), received=1.0, expires=2.0)


@pytest.fixture
def store() -> Store:
    return MemoryStore()


def test_values_are_kept_by_their_key(store: Store) -> None:
    assert store.value(b"a") is None
    store.drop_value(b"a")
    for each in (stored(b"a"), stored(b"b"), stored(b"a", b"w")):
        store.put_value(each)
    assert store.value(b"a") == stored(b"a", b"w")
    assert sorted(each.record.key for each in store.values()) == [b"a", b"b"]
    store.drop_value(b"a")
    assert store.value(b"a") is None
    assert list(store.values()) == [stored(b"b")]


def test_providers_are_kept_by_key_and_peer(store: Store) -> None:
    assert store.providers(b"a") == []
    store.drop_provider(b"a", peer(1))
    first, second, again = (
        StoredProvider(contact=contact(number), received=when) for number, when in ((1, 1.0), (2, 2.0), (1, 3.0))
    )
    for each in (first, second, again):
        store.put_provider(b"a", each)
    store.put_provider(b"b", first)
    assert store.providers(b"a") == [again, second]
    assert sorted(store.provided_keys()) == [b"a", b"b"]
    store.drop_provider(b"a", peer(1))
    assert store.providers(b"a") == [second]
    store.drop_provider(b"a", peer(2))
    assert list(store.provided_keys()) == [b"b"]
