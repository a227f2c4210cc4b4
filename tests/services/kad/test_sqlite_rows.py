"""What a DHT node holds for others, as rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from p2pstack.kad.config import KadConfig
from p2pstack.kad.protocols import LAN_PROTOCOL, PROTOCOL
from p2pstack.kad.records import Record
from p2pstack.kad.store import StoredProvider, StoredValue
from p2pstack.services.kad.sqlite_rows import Changes, Loaded, load, write
from p2pstack.storage.components import NETWORK_SCHEMA
from tests.kad.making import contact, peer
from tests.storage.files import connection

NOW = 1_000_000_000.0
CONFIG = KadConfig()


def value(number: int, *, received: float = NOW, expires: float = NOW + 100) -> StoredValue:
    record = Record(
        key=b"/ns/%d" % number, value=b"v", time_received=b"2001-09-09T01:46:40Z", publisher=peer(number), ttl=9
    )
    return StoredValue(record=record, received=received, expires=expires)


def provider(number: int, received: float = NOW) -> StoredProvider:
    return StoredProvider(contact=contact(number), received=received)


def values(*every: StoredValue) -> Changes:
    return Changes(values={each.record.key: each for each in every})


@pytest.fixture
def file(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    file = connection(tmp_path / "kad.db", schema=NETWORK_SCHEMA)
    load(file, PROTOCOL, CONFIG, NOW)
    yield file
    file.close()


@pytest.mark.req("PEERS-10")
def test_everything_comes_back_and_what_is_gone_is_gone(file: sqlite3.Connection) -> None:
    changes = values(value(1), value(2))
    changes.providers = {b"k": [provider(1), provider(2, NOW + 1)], b"l": [provider(1)]}
    write(file, PROTOCOL, changes)
    found = load(file, PROTOCOL, CONFIG, NOW + 2)
    assert found.values == [value(1), value(2)]
    assert sorted(found.providers, key=lambda each: (each[0], each[1].received)) == [
        (b"k", provider(1)),
        (b"k", provider(2, NOW + 1)),
        (b"l", provider(1)),
    ]
    assert found.skipped == 0
    write(file, PROTOCOL, Changes(values={b"/ns/1": None}, providers={b"k": [provider(3)], b"l": []}))
    assert load(file, PROTOCOL, CONFIG, NOW) == Loaded(values=[value(2)], providers=[(b"k", provider(3))])


@pytest.mark.req("PEERS-10")
def test_networks_are_kept_apart(file: sqlite3.Connection) -> None:
    write(file, PROTOCOL, values(value(1)))
    write(file, LAN_PROTOCOL, values(value(1), value(2)))
    write(file, LAN_PROTOCOL, Changes(values={b"/ns/1": None}))
    assert load(file, PROTOCOL, CONFIG, NOW).values == [value(1)]
    assert load(file, LAN_PROTOCOL, CONFIG, NOW).values == [value(2)]


@pytest.mark.req("PEERS-10")
def test_what_is_over_is_removed(file: sqlite3.Connection) -> None:
    changes = values(value(1, expires=NOW), value(2))
    changes.providers = {b"k": [provider(1, NOW - CONFIG.provider_lifetime), provider(2)]}
    write(file, PROTOCOL, changes)
    found = load(file, PROTOCOL, CONFIG, NOW)
    assert found == Loaded(values=[value(2)], providers=[(b"k", provider(2))], skipped=2)
    assert load(file, PROTOCOL, CONFIG, NOW).skipped == 0


@pytest.mark.req("PEERS-10")
def test_a_clock_that_was_set_back_makes_nothing_live_longer(file: sqlite3.Connection) -> None:
    changes = values(value(1, received=NOW + 99, expires=NOW + 10 * CONFIG.value_lifetime))
    changes.providers = {b"k": [provider(1, NOW + 99)]}
    write(file, PROTOCOL, changes)
    found = load(file, PROTOCOL, CONFIG, NOW)
    assert (found.values[0].received, found.values[0].expires) == (NOW, NOW + CONFIG.value_lifetime)
    assert found.providers == [(b"k", provider(1))]


@pytest.mark.req("PEERS-10")
def test_no_more_is_taken_than_the_dht_may_hold(file: sqlite3.Connection) -> None:
    changes = values(*(value(number, expires=NOW + number) for number in range(1, 6)))
    changes.providers = {
        b"%d" % key: [provider(number, NOW + key + number / 10) for number in range(1, 5)] for key in range(3)
    }
    write(file, PROTOCOL, changes)
    small = replace(CONFIG, max_values=2, max_provided_keys=2, max_providers=3)
    found = load(file, PROTOCOL, small, NOW + 0.5)
    assert {each.record.key for each in found.values} == {b"/ns/5", b"/ns/4"}, "those that live longest"
    assert {key for key, _ in found.providers} == {b"1", b"2"}, "those that were announced last"
    assert len(found.providers) == 6
    assert found.skipped == 3 + 4 + 2
    assert load(file, PROTOCOL, CONFIG, NOW + 0.5).skipped == 0


@pytest.mark.req("PEERS-10")
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE kad_value SET record = x'ff'",
        "UPDATE kad_value SET record = 7",
        "UPDATE kad_value SET key = x'00'",
        "UPDATE kad_value SET expires = 'then'",
        "UPDATE kad_provider SET contact = x'ff'",
        "UPDATE kad_provider SET contact = x'0a0100'",
        "UPDATE kad_provider SET contact = 7",
        "UPDATE kad_provider SET received = 'then'",
    ],
)
def test_rows_that_are_none_are_removed_alone(file: sqlite3.Connection, statement: str) -> None:
    changes = values(value(1))
    changes.providers = {b"k": [provider(1)]}
    write(file, PROTOCOL, changes)
    file.execute(statement)
    found = load(file, PROTOCOL, CONFIG, NOW)
    assert (len(found.values) + len(found.providers), found.skipped) == (1, 1)
    assert load(file, PROTOCOL, CONFIG, NOW).skipped == 0
