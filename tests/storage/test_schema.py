"""Opening a file."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from p2pstack.storage.config import StorageConfig
from p2pstack.storage.errors import SchemaTooNew, StorageDamaged, StorageError, StorageLocked
from tests.storage.files import MIGRATIONS, NUMBERS, connection


def pragma(file: sqlite3.Connection, name: str) -> object:
    return file.execute(f"PRAGMA {name}").fetchone()[0]


@pytest.mark.req("SHK-40", "SHK-41")
def test_a_new_file_is_ours_private_and_at_the_newest_version(tmp_path: Path) -> None:
    file = connection(tmp_path / "numbers.db")
    assert (pragma(file, "application_id"), pragma(file, "user_version")) == (NUMBERS.application_id, len(MIGRATIONS))
    assert (pragma(file, "journal_mode"), pragma(file, "synchronous")) == ("wal", 1)
    assert (tmp_path / "numbers.db").stat().st_mode & 0o777 == 0o600
    assert all(path.stat().st_mode & 0o077 == 0 for path in tmp_path.iterdir())
    file.close()
    again = connection(tmp_path / "numbers.db", StorageConfig(survive_power_loss=True))
    assert pragma(again, "synchronous") == 2
    again.close()


@pytest.mark.req("SHK-41")
def test_a_file_without_tables_of_its_own_is_marked_too(tmp_path: Path) -> None:
    bare = replace(NUMBERS, migrations=())
    file = connection(tmp_path / "bare.db", schema=bare)
    assert (pragma(file, "application_id"), pragma(file, "user_version")) == (NUMBERS.application_id, 0)
    file.close()
    with pytest.raises(StorageError, match="but not another's"):
        connection(tmp_path / "bare.db", schema=replace(bare, name="another's", application_id=5))


@pytest.mark.req("SHK-40")
def test_no_two_processes_share_a_file(tmp_path: Path) -> None:
    file = connection(tmp_path / "numbers.db")
    with pytest.raises(StorageLocked, match=r"numbers\.db: another process"):
        connection(tmp_path / "numbers.db")
    file.close()
    connection(tmp_path / "numbers.db").close()


@pytest.mark.req("SHK-41")
def test_a_file_of_a_newer_program_is_left_alone(tmp_path: Path) -> None:
    file = connection(tmp_path / "numbers.db")
    file.execute(f"PRAGMA user_version = {len(MIGRATIONS) + 1}")
    file.close()
    with pytest.raises(SchemaTooNew, match=f"version {len(MIGRATIONS) + 1}"):
        connection(tmp_path / "numbers.db")


@pytest.mark.req("SHK-41")
def test_an_older_file_is_brought_up_to_date_or_left_as_it_was(tmp_path: Path) -> None:
    file = connection(tmp_path / "numbers.db")
    file.execute("INSERT INTO numbers VALUES (7)")
    file.close()
    broken = replace(NUMBERS, migrations=(*MIGRATIONS, ("CREATE TABLE news (a)", "CREATE TABLE news (a)")))
    with pytest.raises(StorageError, match="already exists"):
        connection(tmp_path / "numbers.db", schema=broken)
    file = connection(
        tmp_path / "numbers.db", schema=replace(NUMBERS, migrations=(*MIGRATIONS, ("CREATE TABLE news (a)",)))
    )
    assert pragma(file, "user_version") == len(MIGRATIONS) + 1
    assert file.execute("SELECT n FROM numbers").fetchall() == [(7,)]
    assert file.execute("SELECT count(*) FROM news").fetchone() == (0,)
    file.close()


def test_what_is_to_be_done_at_each_opening_is_done(tmp_path: Path) -> None:
    emptied = replace(NUMBERS, on_open=("DELETE FROM numbers WHERE n > 5",))
    for _ in range(2):
        file = connection(tmp_path / "numbers.db", schema=emptied)
        assert file.execute("SELECT n FROM numbers").fetchall() in ([], [(5,)])
        file.execute("INSERT OR IGNORE INTO numbers VALUES (5), (6)")
        file.close()


@pytest.mark.req("SHK-41", "PEERS-08")
@pytest.mark.parametrize("foreign", ["text", "database", "other program"])
def test_what_is_no_file_of_ours_is_left_alone(tmp_path: Path, foreign: str) -> None:
    path = tmp_path / "numbers.db"
    if foreign == "text":
        path.write_text("a diary, and a long one\n" * 100)
    else:
        with sqlite3.connect(path) as other:
            other.execute("CREATE TABLE notes (a)" if foreign == "database" else "PRAGMA application_id = 7")
        other.close()
    before = path.read_bytes()
    with pytest.raises(StorageError) as caught:
        connection(path)
    assert isinstance(caught.value, StorageDamaged) == (foreign == "text")
    if foreign == "text":
        assert path.read_bytes() == before


@pytest.mark.req("PEERS-08")
def test_a_damaged_file_is_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "numbers.db"
    connection(path).close()
    content = bytearray(path.read_bytes())
    content[100:] = b"\xff" * (len(content) - 100)
    path.write_bytes(content)
    with pytest.raises(StorageDamaged, match="malformed"):
        connection(path)


@pytest.mark.req("SHK-40")
def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="No such file"):
        connection(tmp_path / "none" / "numbers.db")
