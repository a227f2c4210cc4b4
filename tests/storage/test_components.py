"""Parts of a program that share a file."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from p2pstack.storage.components import NETWORK_SCHEMA, Component
from p2pstack.storage.database import Database
from p2pstack.storage.errors import SchemaTooNew, StorageError
from p2pstack.storage.schema import Schema
from tests.storage.files import NUMBERS

FIRST = Component(name="first", migrations=(("CREATE TABLE first_thing (a)",),))
SECOND = Component(name="second", migrations=(("CREATE TABLE second_thing (a)",),))


@pytest.mark.req("PEERS-09")
@pytest.mark.parametrize("schema", [NETWORK_SCHEMA, NUMBERS])
async def test_parts_share_a_file_and_grow_apart(tmp_path: Path, schema: Schema) -> None:
    async with await Database.open(tmp_path / "file.db", schema) as database:
        await database.run(FIRST.prepare)
        await database.run(lambda file: file.execute("INSERT INTO first_thing VALUES (1)"))
    newer = replace(FIRST, migrations=(*FIRST.migrations, ("ALTER TABLE first_thing ADD COLUMN b DEFAULT 2",)))
    async with await Database.open(tmp_path / "file.db", schema) as database:
        await database.run(SECOND.prepare)
        await database.run(newer.prepare)
        await database.run(newer.prepare)
        assert await database.run(lambda file: file.execute("SELECT * FROM first_thing").fetchall()) == [(1, 2)]
        versions = await database.run(lambda file: dict(file.execute("SELECT * FROM component").fetchall()))
        assert versions == {"first": 2, "second": 1}


@pytest.mark.req("PEERS-09")
async def test_tables_of_a_newer_program_are_left_alone(tmp_path: Path) -> None:
    async with await Database.open(tmp_path / "file.db", NETWORK_SCHEMA) as database:
        await database.run(FIRST.prepare)
        with pytest.raises(SchemaTooNew, match="first has version 1 in the file, this program knows 0"):
            await database.run(replace(FIRST, migrations=()).prepare)
        await database.run(FIRST.prepare)


@pytest.mark.req("PEERS-09")
async def test_a_step_that_fails_leaves_nothing(tmp_path: Path) -> None:
    broken = replace(FIRST, migrations=(("CREATE TABLE first_thing (a)", "no statement"),))
    async with await Database.open(tmp_path / "file.db", NETWORK_SCHEMA) as database:
        with pytest.raises(StorageError, match="syntax error"):
            await database.run(broken.prepare)
        await database.run(FIRST.prepare)
