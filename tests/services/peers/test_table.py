"""Known peers in a file."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from p2pstack.identity.peer_record import PeerRecord
from p2pstack.services.peers.table import COMPONENT, PeerTable
from p2pstack.shinkai.storage.schema import open_database
from p2pstack.storage.components import NETWORK_SCHEMA, Component
from p2pstack.storage.database import Database
from p2pstack.storage.errors import SchemaTooNew, StorageError
from tests.services.peers.known import NOW, address, entry, key, peer


@asynccontextmanager
async def opened(folder: Path) -> AsyncIterator[tuple[Database, PeerTable]]:
    async with await Database.open(folder / "peers.db", NETWORK_SCHEMA) as database:
        table = PeerTable(database)
        await table.load()
        yield database, table


def sealed(number: int, seq: int = 7) -> bytes:
    return PeerRecord(peer(number), seq, (address(number),)).seal(key(number)).to_bytes()


@pytest.mark.req("PEERS-01")
async def test_everything_comes_back(tmp_path: Path) -> None:
    written = entry(1, 1, 2, last_success=NOW - 5, failures=2, retry_at=NOW + 60)
    written.protocols, written.agent, written.protocol_version = ("/a", "/b"), "agent", "version"
    written.record = sealed(1)
    written.addresses[address(2)].failures = 3
    written.addresses[address(1)].last_success = NOW - 5
    async with opened(tmp_path) as (_, table):
        await table.write([written, entry(2)], [])
    async with opened(tmp_path) as (_, table):
        found, skipped = await table.load()
        assert skipped == 0
        written.record_seq = 7
        assert sorted(found, key=lambda each: len(each.addresses)) == [entry(2), written]


@pytest.mark.req("PEERS-01")
async def test_what_is_written_again_replaces_and_what_is_gone_is_gone(tmp_path: Path) -> None:
    async with opened(tmp_path) as (database, table):
        await table.write([entry(1, 1, 2), entry(2, 3)], [])
        await table.write([entry(1, 2, 4)], [peer(2), peer(3)])
        assert await table.load() == ([entry(1, 2, 4)], 0)
        count = await database.run(lambda file: file.execute("SELECT count(*) FROM peer_address").fetchone()[0])
        assert count == 2


@pytest.mark.req("PEERS-07")
async def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    async with opened(tmp_path) as (database, table):
        await table.write([entry(1, 1)], [])
        trigger = (
            "CREATE TRIGGER refuse BEFORE INSERT ON peer WHEN NEW.agent = 'refused' BEGIN"
            " SELECT RAISE(ABORT, 'refused by the test'); END"
        )
        await database.run(lambda file: file.execute(trigger))
        refused = entry(3, 3)
        refused.agent = "refused"
        with pytest.raises(StorageError, match="refused by the test"):
            await table.write([entry(2, 2), refused], [peer(1)])
        assert await table.load() == ([entry(1, 1)], 0)


@pytest.mark.req("PEERS-08")
@pytest.mark.parametrize(
    ("statement", "left", "skipped"),
    [
        ("UPDATE peer SET peer = 'nobody' WHERE peer = :p", 1, 1),
        ("UPDATE peer SET first_seen = 'then' WHERE peer = :p", 1, 1),
        ("UPDATE peer SET protocols = '{' WHERE peer = :p", 1, 1),
        ("UPDATE peer SET protocols = '7' WHERE peer = :p", 1, 1),
        ("UPDATE peer_address SET address = '/ip4/nowhere' WHERE peer = :p", 2, 1),
        ("UPDATE peer_address SET failures = x'00ff' WHERE peer = :p", 2, 1),
        ("UPDATE peer SET record = x'0102' WHERE peer = :p", 2, 0),
        ("UPDATE peer SET record = 'text' WHERE peer = :p", 2, 0),
    ],
)
async def test_rows_that_are_none_are_left_out_alone(tmp_path: Path, statement: str, left: int, skipped: int) -> None:
    async with opened(tmp_path) as (database, table):
        first = entry(1, 1)
        first.record = sealed(1)
        await table.write([first, entry(2, 2)], [])
        await database.run(lambda file: file.execute(statement, {"p": str(peer(1))}))
        found, count = await table.load()
        assert (len(found), count) == (left, skipped)
        assert all(each.record is None for each in found if "record" in statement)


@pytest.mark.req("PEERS-08")
async def test_a_record_of_somebody_else_is_not_taken(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, table):
        wrong = entry(1, 1)
        wrong.record = sealed(2)
        await table.write([wrong], [])
        ((found,), _) = await table.load()
        assert (found.record, found.record_seq) == (None, -1)


@pytest.mark.req("PEERS-09")
async def test_hosts_that_share_a_file_have_their_own_peers(tmp_path: Path) -> None:
    async with opened(tmp_path) as (database, table):
        other = PeerTable(database, "other")
        await table.write([entry(1, 1), entry(2, 2)], [])
        await other.write([entry(1, 3)], [peer(2)])
        assert await other.load() == ([entry(1, 3)], 0)
        await other.write([], [peer(1)])
        assert sorted((await table.load())[0], key=lambda each: str(each.peer)) == sorted(
            [entry(1, 1), entry(2, 2)], key=lambda each: str(each.peer)
        )


@pytest.mark.req("PEERS-09")
async def test_a_file_of_the_first_version_keeps_its_peers(tmp_path: Path) -> None:
    first = Component(name=COMPONENT.name, migrations=COMPONENT.migrations[:1])
    async with await Database.open(tmp_path / "peers.db", NETWORK_SCHEMA) as database:
        await database.run(first.prepare)
        values = (str(peer(1)), NOW, NOW, 0.0, 0, 0.0, None, "", "", None)
        statement = "INSERT INTO peer VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
        await database.run(lambda file: file.execute(statement, values))
        values = (str(peer(1)), str(address(1)), NOW, NOW, 0.0, 0)
        statement = "INSERT INTO peer_address VALUES (?, ?, ?, ?, ?, ?)"
        await database.run(lambda file: file.execute(statement, values))
        assert await PeerTable(database).load() == ([entry(1, 1)], 0)


@pytest.mark.req("PEERS-09")
async def test_a_nodes_file_holds_them_too(tmp_path: Path) -> None:
    async with await open_database(tmp_path / "node.db") as database:
        table = PeerTable(database)
        assert await table.load() == ([], 0)
        await table.write([entry(1, 1)], [])
    async with await open_database(tmp_path / "node.db") as database:
        assert (await PeerTable(database).load())[0] == [entry(1, 1)]
        await database.run(lambda file: file.execute("UPDATE component SET version = 9"))
        with pytest.raises(SchemaTooNew, match=COMPONENT.name):
            await PeerTable(database).load()
