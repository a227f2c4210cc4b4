"""The tables of what a DHT node holds for others, in whatever file it is given (PEERS-10). Times are Unix seconds."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from p2pstack.errors import DecodeError
from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import decode_contact
from p2pstack.kad.records import Record
from p2pstack.kad.store import StoredProvider, StoredValue
from p2pstack.storage.components import Component

__all__ = ["COMPONENT", "Changes", "Loaded", "load", "write"]

COMPONENT = Component(
    name="kad",
    migrations=(
        (
            (
                "CREATE TABLE kad_value (dht TEXT NOT NULL, key BLOB NOT NULL, record BLOB NOT NULL,"
                " received REAL NOT NULL, expires REAL NOT NULL, PRIMARY KEY (dht, key))"
            ),
            (
                "CREATE TABLE kad_provider (dht TEXT NOT NULL, key BLOB NOT NULL, peer BLOB NOT NULL,"
                " contact BLOB NOT NULL, received REAL NOT NULL, PRIMARY KEY (dht, key, peer)) WITHOUT ROWID"
            ),
        ),
    ),
)

Row = tuple[Any, ...]


@dataclass(slots=True)
class Loaded:
    """What was found in the file; ``skipped`` counts the rows that are none, or over, or too many."""

    values: list[StoredValue] = field(default_factory=list)
    providers: list[tuple[bytes, StoredProvider]] = field(default_factory=list)
    skipped: int = 0


@dataclass(slots=True)
class Changes:
    """Keys as they are now: None for a value, and no provider for a key, where nothing is left to hold."""

    values: dict[bytes, StoredValue | None] = field(default_factory=dict)
    providers: dict[bytes, list[StoredProvider]] = field(default_factory=dict)


def load(connection: sqlite3.Connection, dht: str, config: KadConfig, now: float) -> Loaded:
    """Return what the file holds for ``dht`` and is not over, up to the caps of ``config``; remove the rest from it."""
    COMPONENT.prepare(connection)
    found = Loaded()
    values = connection.execute(
        "SELECT key, record, received, expires FROM kad_value WHERE dht = ? ORDER BY expires DESC", (dht,)
    )
    for row in values.fetchall():
        value = _value(row, config, now)
        if value is None or len(found.values) >= config.max_values:
            connection.execute("DELETE FROM kad_value WHERE dht = ? AND key = ?", (dht, row[0]))
            found.skipped += 1
        else:
            found.values.append(value)
    keys: dict[bytes, int] = {}
    providers = connection.execute(
        "SELECT key, contact, received, peer FROM kad_provider WHERE dht = ? ORDER BY received DESC", (dht,)
    )
    for row in providers.fetchall():
        provider = _provider(row, config, now)
        key = row[0]
        full = keys.get(key, 0) >= config.max_providers or (key not in keys and len(keys) >= config.max_provided_keys)
        if provider is None or full:
            connection.execute("DELETE FROM kad_provider WHERE dht = ? AND key = ? AND peer = ?", (dht, key, row[3]))
            found.skipped += 1
        else:
            keys[key] = keys.get(key, 0) + 1
            found.providers.append((key, provider))
    found.providers.reverse()
    return found


def write(connection: sqlite3.Connection, dht: str, changes: Changes) -> None:
    """Make the file say of these keys what ``changes`` says."""
    for key, value in changes.values.items():
        connection.execute("DELETE FROM kad_value WHERE dht = ? AND key = ?", (dht, key))
        if value is not None:
            row = (dht, key, value.record.encode(), value.received, value.expires)
            connection.execute("INSERT INTO kad_value VALUES (?, ?, ?, ?, ?)", row)
    for key, providers in changes.providers.items():
        connection.execute("DELETE FROM kad_provider WHERE dht = ? AND key = ?", (dht, key))
        connection.executemany("INSERT INTO kad_provider VALUES (?, ?, ?, ?, ?)", _provider_rows(dht, key, providers))


def _provider_rows(dht: str, key: bytes, providers: Iterable[StoredProvider]) -> list[Row]:
    return [(dht, key, each.contact.peer.to_bytes(), each.contact.encode(), each.received) for each in providers]


def _value(row: Row, config: KadConfig, now: float) -> StoredValue | None:
    """Return the value of a row; None where it is over or none. A clock that was set back makes nothing live longer."""
    try:
        key, record, received, expires = row
        value = StoredValue(
            record=Record.decode(record),
            received=min(float(received), now),
            expires=min(float(expires), now + config.value_lifetime),
        )
    except (DecodeError, ValueError, TypeError):
        return None
    return value if value.expires > now and value.record.key == key else None


def _provider(row: Row, config: KadConfig, now: float) -> StoredProvider | None:
    """Return the provider of a row; None where it is over or none."""
    try:
        _, contact, received, _ = row
        found = decode_contact(contact, config.max_addresses)
        at = min(float(received), now)
    except (DecodeError, ValueError, TypeError):
        return None
    if found is None or at + config.provider_lifetime <= now:
        return None
    return StoredProvider(contact=found, received=at)
