"""The tables of known peers, in a file of their own or one that others use too (PEERS-01, PEERS-09).

Ids and addresses stand there as text, so that people can look with ``sqlite3``. All times are seconds since 1970.
"""

from __future__ import annotations

import json
import sqlite3
from collections import defaultdict
from collections.abc import Iterable, Sequence
from functools import partial
from typing import Any

from p2pstack.errors import DecodeError
from p2pstack.identity.multiaddrs import parse
from p2pstack.identity.peer_id import PeerId
from p2pstack.identity.peer_record import PeerRecord
from p2pstack.services.peers.entries import KnownAddress, KnownPeer
from p2pstack.storage.components import Component
from p2pstack.storage.database import Database

__all__ = ["COMPONENT", "PeerTable"]

COMPONENT = Component(
    name="peers",
    migrations=(
        (
            (
                "CREATE TABLE peer (peer TEXT PRIMARY KEY, first_seen REAL NOT NULL, last_seen REAL NOT NULL,"
                " last_success REAL NOT NULL, failures INTEGER NOT NULL, retry_at REAL NOT NULL, protocols TEXT,"
                " agent TEXT NOT NULL, protocol_version TEXT NOT NULL, record BLOB)"
            ),
            (
                "CREATE TABLE peer_address (peer TEXT NOT NULL, address TEXT NOT NULL, first_seen REAL NOT NULL,"
                " last_told REAL NOT NULL, last_success REAL NOT NULL, failures INTEGER NOT NULL,"
                " PRIMARY KEY (peer, address)) WITHOUT ROWID"
            ),
        ),
        (
            "ALTER TABLE peer RENAME TO peer_1",
            "ALTER TABLE peer_address RENAME TO peer_address_1",
            (
                "CREATE TABLE peer (name TEXT NOT NULL, peer TEXT NOT NULL, first_seen REAL NOT NULL,"
                " last_seen REAL NOT NULL, last_success REAL NOT NULL, failures INTEGER NOT NULL,"
                " retry_at REAL NOT NULL, protocols TEXT, agent TEXT NOT NULL, protocol_version TEXT NOT NULL,"
                " record BLOB, PRIMARY KEY (name, peer))"
            ),
            (
                "CREATE TABLE peer_address (name TEXT NOT NULL, peer TEXT NOT NULL, address TEXT NOT NULL,"
                " first_seen REAL NOT NULL, last_told REAL NOT NULL, last_success REAL NOT NULL,"
                " failures INTEGER NOT NULL, PRIMARY KEY (name, peer, address)) WITHOUT ROWID"
            ),
            "INSERT INTO peer SELECT '', * FROM peer_1",
            "INSERT INTO peer_address SELECT '', * FROM peer_address_1",
            "DROP TABLE peer_1",
            "DROP TABLE peer_address_1",
        ),
    ),
)
"""Version 2 tells by ``name`` the peers of several hosts apart that share a file."""

Row = tuple[Any, ...]


class PeerTable:
    """Reads and writes the known peers of one ``name``. Each call is one transaction."""

    def __init__(self, database: Database, name: str = "") -> None:
        self._database = database
        self._name = name

    async def load(self) -> tuple[list[KnownPeer], int]:
        """Return all peers, and how many rows could not be read.

        Raises:
            StorageError: the file can't be read, or its tables are those of a newer program.
            DeadlineExceeded: it took too long.
            LocalError: the file is closed.
            LimitExceeded: too much waits for it.
        """
        return await self._database.run(partial(_load, name=self._name))

    async def write(self, changed: Sequence[KnownPeer], gone: Sequence[PeerId]) -> None:
        """Write these peers in place of what is known of them, and remove others; raises as :meth:`load` does."""
        rows = [(_peer_row(entry), _address_rows(entry)) for entry in changed]
        ended = [str(peer) for peer in gone]
        await self._database.run(partial(_write, name=self._name, rows=rows, gone=ended))


def _load(connection: sqlite3.Connection, name: str) -> tuple[list[KnownPeer], int]:
    COMPONENT.prepare(connection)
    addresses: dict[str, list[Row]] = defaultdict(list)
    for _, peer, *row in connection.execute("SELECT * FROM peer_address WHERE name = ?", (name,)):
        addresses[peer].append(tuple(row))
    found, skipped = [], 0
    for _, *row in connection.execute("SELECT * FROM peer WHERE name = ?", (name,)):
        entry = _read_peer(tuple(row))
        if entry is None:
            skipped += 1
            continue
        for address_row in addresses[row[0]]:
            skipped += not _read_address(entry, address_row)
        found.append(entry)
    return found, skipped


def _write(
    connection: sqlite3.Connection, name: str, rows: Iterable[tuple[Row, list[Row]]], gone: Iterable[str]
) -> None:
    for peer in gone:
        connection.execute("DELETE FROM peer WHERE name = ? AND peer = ?", (name, peer))
        connection.execute("DELETE FROM peer_address WHERE name = ? AND peer = ?", (name, peer))
    for row, addresses in rows:
        connection.execute("INSERT OR REPLACE INTO peer VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", (name, *row))
        connection.execute("DELETE FROM peer_address WHERE name = ? AND peer = ?", (name, row[0]))
        placed = [(name, *address) for address in addresses]
        connection.executemany("INSERT INTO peer_address VALUES (?, ?, ?, ?, ?, ?, ?)", placed)


def _peer_row(entry: KnownPeer) -> Row:
    return (
        str(entry.peer),
        entry.first_seen,
        entry.last_seen,
        entry.last_success,
        entry.failures,
        entry.retry_at,
        None if entry.protocols is None else json.dumps(entry.protocols),
        entry.agent,
        entry.protocol_version,
        entry.record,
    )


def _address_rows(entry: KnownPeer) -> list[Row]:
    return [
        (str(entry.peer), str(address), known.first_seen, known.last_told, known.last_success, known.failures)
        for address, known in entry.addresses.items()
    ]


def _read_peer(row: Row) -> KnownPeer | None:
    """Return the peer of a row, without its addresses; None where damage, or somebody's hand, left what is none."""
    try:
        peer, first_seen, last_seen, last_success, failures, retry_at, protocols, agent, version, record = row
        entry = KnownPeer(
            peer=PeerId.from_string(peer),
            first_seen=float(first_seen),
            last_seen=float(last_seen),
            last_success=float(last_success),
            failures=int(failures),
            retry_at=float(retry_at),
            protocols=None if protocols is None else tuple(str(each) for each in json.loads(protocols)),
            agent=str(agent),
            protocol_version=str(version),
        )
    except (DecodeError, ValueError, TypeError, AttributeError):
        return None
    _take_record(entry, record)
    return entry


def _read_address(entry: KnownPeer, row: Row) -> bool:
    try:
        address, first_seen, last_told, last_success, failures = row
        entry.addresses[parse(str(address))] = KnownAddress(
            first_seen=float(first_seen),
            last_told=float(last_told),
            last_success=float(last_success),
            failures=int(failures),
        )
    except (DecodeError, ValueError, TypeError):
        return False
    return True


def _take_record(entry: KnownPeer, record: object) -> None:
    """Take a signed record, if it still is one of the peer: pages of a file may be damaged unnoticed."""
    if not isinstance(record, bytes):
        return
    try:
        opened, _ = PeerRecord.open(record)
    except DecodeError:
        return
    if opened.peer_id == entry.peer:
        entry.record, entry.record_seq = record, opened.seq
