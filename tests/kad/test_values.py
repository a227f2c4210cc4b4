from __future__ import annotations

import pytest

from p2pstack.errors import DecodeError
from p2pstack.kad.config import KadConfig
from p2pstack.kad.keyspace import position
from p2pstack.kad.records import Record
from p2pstack.kad.store import MemoryStore
from p2pstack.kad.validators import Validators
from p2pstack.kad.values import PutOutcome, Values
from tests.kad.making import CONFIG, peer
from tests.kad.test_validators import Longest

OWN = position(peer(0).to_bytes())
NOW = 1_795_564_489.25
HOUR = 3_600.0


def record(number: int = 0, value: bytes = b"value", ttl: int = 0) -> Record:
    return Record(key=b"/test/%d" % number, value=value, time_received=b"whenever", ttl=ttl)


def make(store: MemoryStore | None = None, **config: int) -> Values:
    return Values(store or MemoryStore(), Validators({"test": Longest()}), KadConfig(**config), OWN)


@pytest.mark.req("KAD-05", "KAD-15")
def test_a_value_is_kept_for_48_hours_and_told_with_our_own_time() -> None:
    values = make()
    assert values.put(record(), NOW) is PutOutcome.STORED
    told = values.record(b"/test/0", NOW + 48 * HOUR - 1)
    assert told == Record(key=b"/test/0", value=b"value", time_received=b"2026-11-24T23:54:49.25Z")
    assert values.record(b"/test/0", NOW + 48 * HOUR) is None
    assert len(values) == 0
    assert values.record(b"/test/1", NOW) is None


@pytest.mark.req("KAD-15")
def test_a_senders_shorter_life_counts_and_what_is_left_is_told() -> None:
    values = make()
    values.put(record(ttl=100), NOW)
    told = values.record(b"/test/0", NOW + 40.5)
    assert told is not None
    assert told.ttl == 60
    assert values.get(b"/test/0", NOW + 100) is None
    values.put(record(ttl=2**32 - 1), NOW)
    assert values.get(b"/test/0", NOW + 48 * HOUR) is None


@pytest.mark.req("KAD-15")
def test_a_value_that_comes_back_unchanged_is_not_new() -> None:
    values = make()
    values.put(record(), NOW)
    assert values.put(record(), NOW + HOUR) is PutOutcome.RENEWED
    assert values.put(record(ttl=5), NOW + 2 * HOUR) is PutOutcome.RENEWED
    assert values.get(b"/test/0", NOW + 49 * HOUR - 1) is not None
    assert values.get(b"/test/0", NOW + 49 * HOUR) is None


@pytest.mark.req("KAD-05")
def test_a_better_value_replaces_and_a_worse_one_does_not() -> None:
    values = make()
    values.put(record(value=b"value"), NOW)
    assert values.put(record(value=b"x"), NOW) is PutOutcome.OLDER
    assert values.put(record(value=b"value 2"), NOW) is PutOutcome.STORED
    stored = values.get(b"/test/0", NOW)
    assert stored is not None
    assert stored.record.value == b"value 2"
    # Once it is over, anything may come.
    assert values.put(record(value=b"x"), NOW + 48 * HOUR) is PutOutcome.STORED


@pytest.mark.req("KAD-05", "KAD-14")
@pytest.mark.parametrize(
    "wrong",
    [
        record(value=b"bad"),
        record(value=bytes(CONFIG.max_value + 1)),
        Record(key=b"/test/" + bytes(CONFIG.max_key), value=b"v"),
        Record(key=b"/none/1", value=b"v"),
        Record(key=b"test", value=b"v"),
    ],
)
def test_what_is_not_stored(wrong: Record) -> None:
    values = make()
    with pytest.raises(DecodeError) as caught:
        values.put(wrong, NOW)
    assert caught.value.requirement == "KAD-14"
    assert len(values) == 0


@pytest.mark.req("KAD-06")
def test_a_full_store_keeps_what_is_near() -> None:
    values = make(max_values=8)
    outcomes = [values.put(record(number), NOW) for number in range(100)]
    assert len(values) == 8
    assert {*outcomes} == {PutOutcome.STORED, PutOutcome.FULL}
    nearest = sorted(range(100), key=lambda number: position(record(number).key) ^ OWN)[:8]
    assert all(values.get(record(number).key, NOW) is not None for number in nearest)
    # What is there can be renewed and replaced.
    assert values.put(record(nearest[0]), NOW) is PutOutcome.RENEWED
    assert values.put(record(nearest[0], b"longer value"), NOW) is PutOutcome.STORED


@pytest.mark.req("KAD-06")
def test_what_is_over_goes_before_what_is_far() -> None:
    values = make(max_values=2)
    values.put(record(0, ttl=10), NOW)
    values.put(record(1), NOW)
    far = max(range(2, 50), key=lambda number: position(record(number).key) ^ OWN)
    assert values.put(record(far), NOW) is PutOutcome.FULL
    assert values.put(record(far), NOW + 10) is PutOutcome.STORED
    assert values.get(record(1).key, NOW) is not None


@pytest.mark.req("KAD-15")
def test_a_sweep_forgets_what_is_over() -> None:
    store = MemoryStore()
    values = make(store)
    values.put(record(0, ttl=10), NOW)
    values.put(record(1, ttl=20), NOW)
    assert values.sweep(NOW + 9) == 0
    assert values.sweep(NOW + 10) == 1
    assert [each.record.key for each in store.values()] == [b"/test/1"]


def test_a_store_from_before_is_taken_over() -> None:
    store = MemoryStore()
    make(store).put(record(), NOW)
    values = make(store)
    assert len(values) == 1
    assert values.put(record(), NOW) is PutOutcome.RENEWED
