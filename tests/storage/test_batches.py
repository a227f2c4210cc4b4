"""Operations that are committed together."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from p2pstack.errors import LimitExceeded
from p2pstack.storage.batches import execute
from p2pstack.storage.errors import StorageError
from tests.storage.files import connection


def put(value: int) -> Callable[[sqlite3.Connection], object]:
    return lambda file: file.execute("INSERT INTO numbers VALUES (?)", (value,)).rowcount


def refuse(file: sqlite3.Connection) -> None:
    put(99)(file)
    raise LimitExceeded("rows", 1)


def numbers(file: sqlite3.Connection) -> list[int]:
    return [row[0] for row in file.execute("SELECT n FROM numbers ORDER BY n")]


@pytest.fixture
def file(tmp_path: Path) -> sqlite3.Connection:
    return connection(tmp_path / "numbers.db")


@pytest.mark.req("SHK-42")
def test_a_refused_operation_is_undone_alone(file: sqlite3.Connection) -> None:
    outcomes = execute(file, [put(1), refuse, put(2)])
    assert [outcome.value for outcome in outcomes] == [1, None, 1]
    assert isinstance(outcomes[1].error, LimitExceeded)
    assert numbers(file) == [1, 2]
    file.close()


@pytest.mark.req("SHK-42")
def test_what_sqlite_refuses_costs_the_others_nothing(file: sqlite3.Connection) -> None:
    outcomes = execute(file, [put(1), put(1), put(2)])
    assert [outcome.value for outcome in outcomes] == [1, None, 1]
    assert isinstance(outcomes[1].error, StorageError)
    assert numbers(file) == [1, 2]
    file.close()


@pytest.mark.req("SHK-42")
def test_a_full_disk_is_told_and_left(file: sqlite3.Connection) -> None:
    pages = file.execute("PRAGMA page_count").fetchone()[0]
    file.execute(f"PRAGMA max_page_count = {pages}")

    def fill(file: sqlite3.Connection) -> None:
        file.execute("CREATE TABLE filling (b)")
        file.execute("INSERT INTO filling VALUES (zeroblob(100000))")

    outcomes = execute(file, [put(1), fill])
    assert "full" in str(outcomes[1].error)
    assert numbers(file) == [1]
    assert not file.in_transaction
    file.close()


def test_a_fault_of_the_program_is_not_swallowed(file: sqlite3.Connection) -> None:
    def fault(_: sqlite3.Connection) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        execute(file, [put(1), fault])
    assert numbers(file) == []
    assert not file.in_transaction
    file.close()
