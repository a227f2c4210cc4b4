"""What a DHT node holds for others, over restarts."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pstack.errors import DeadlineExceeded, LocalError
from p2pstack.kad.config import KadConfig
from p2pstack.kad.keyspace import position
from p2pstack.kad.protocols import PROTOCOL
from p2pstack.kad.providers import Providers
from p2pstack.kad.store import MemoryStore, Store
from p2pstack.services.kad.sqlite_config import SqliteStoreConfig
from p2pstack.services.kad.sqlite_rows import load
from p2pstack.services.kad.sqlite_store import SqliteStore
from p2pstack.storage.components import NETWORK_SCHEMA
from p2pstack.storage.database import Database
from p2pstack.storage.errors import SchemaTooNew, StorageError
from tests.kad.making import peer
from tests.project.sources import ROOT
from tests.services.hosts import until
from tests.services.kad.test_sqlite_rows import NOW, provider, value

CONFIG = KadConfig()
LATE = {"write_interval": 3_600.0}


async def store_of(database: Database, **config: Any) -> SqliteStore:
    return await SqliteStore.open(database, CONFIG, config=SqliteStoreConfig(**(LATE | config)), clock=lambda: NOW)


@asynccontextmanager
async def opened(folder: Path, **config: Any) -> AsyncIterator[tuple[Database, SqliteStore]]:
    async with (
        await Database.open(folder / "kad.db", NETWORK_SCHEMA) as database,
        await store_of(database, **config) as store,
    ):
        yield database, store


def held(store: Store) -> tuple[Any, Any]:
    values = {each.record.key: each for each in store.values()}
    return values, {
        key: sorted(store.providers(key), key=lambda each: each.contact.peer) for key in store.provided_keys()
    }


@pytest.mark.req("PEERS-10")
async def test_a_path_is_enough(tmp_path: Path) -> None:
    file = tmp_path / "own.db"
    async with await SqliteStore.open(file, CONFIG, clock=lambda: NOW) as store:
        store.put_value(value(1))
        with pytest.raises(StorageError):
            await SqliteStore.open(str(file), CONFIG)
    async with await SqliteStore.open(str(file), CONFIG, clock=lambda: NOW) as store:
        assert [each.record.key for each in store.values()] == [b"/ns/1"]
    async with await Database.open(file, NETWORK_SCHEMA) as database:  # it was closed
        newer = "UPDATE component SET version = 99"
        await database.run(lambda connection: connection.execute(newer))
    for _ in range(2):  # nor does one that can't be read stay open
        with pytest.raises(SchemaTooNew):
            await SqliteStore.open(file, CONFIG)


async def test_a_file_that_is_slow_to_close_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    store = await SqliteStore.open(tmp_path / "own.db", CONFIG, config=SqliteStoreConfig(close_timeout=0.05))
    going_on, working = threading.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def work(_: object) -> None:
        loop.call_soon_threadsafe(working.set)
        going_on.wait(10)

    hanging = asyncio.create_task(store._database.run(work))
    await working.wait()
    await store.close()
    assert isinstance(store.error, DeadlineExceeded)
    assert "not kept on disk" in caplog.text
    going_on.set()
    await hanging


@pytest.mark.req("PEERS-10")
async def test_what_was_held_is_held_again(tmp_path: Path) -> None:
    async with opened(tmp_path) as (_, store):
        for number in (1, 2, 3):
            store.put_value(value(number))
            store.put_provider(b"k", provider(number))
        store.put_provider(b"l", provider(1))
        store.drop_value(b"/ns/2")
        store.drop_provider(b"k", peer(3))
        store.drop_provider(b"l", peer(1))
        before = held(store)
    async with opened(tmp_path) as (_, store):
        assert held(store) == before
        assert before == (
            {b"/ns/1": value(1), b"/ns/3": value(3)},
            {b"k": sorted([provider(1), provider(2)], key=lambda each: each.contact.peer)},
        )
        assert (store.pending, store.skipped, store.error) == (0, 0, None)
        providers = Providers(store, CONFIG, position(b"own"))
        assert {each.peer for each in providers.get(b"k", NOW + 1)} == {peer(1), peer(2)}


OPERATIONS = st.lists(
    st.tuples(st.sampled_from(["put", "drop", "provide", "unprovide"]), st.integers(1, 4), st.integers(1, 3)),
    max_size=30,
)


@pytest.mark.req("PEERS-10")
@settings(max_examples=25)
@given(rounds=st.lists(OPERATIONS, min_size=1, max_size=3), batch=st.integers(1, 5))
async def test_it_does_what_the_store_in_memory_does(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[list[tuple[str, int, int]]], batch: int
) -> None:
    folder = tmp_path_factory.mktemp("store")
    model = MemoryStore()
    for operations in rounds:
        async with opened(folder, max_batch=batch) as (_, store):
            assert held(store) == held(model)
            for name, number, other in operations:
                for each in (store, model):
                    if name == "put":
                        each.put_value(value(number, expires=NOW + other))
                    elif name == "drop":
                        each.drop_value(b"/ns/%d" % number)
                    elif name == "provide":
                        each.put_provider(b"%d" % number, provider(other))
                    else:
                        each.drop_provider(b"%d" % number, peer(other))
            assert held(store) == held(model)


@pytest.mark.req("PEERS-10")
async def test_changes_are_written_behind_and_each_key_once(tmp_path: Path) -> None:
    async with opened(tmp_path, write_interval=0.01) as (database, store):
        written: list[str] = []
        await database.run(lambda file: file.set_trace_callback(written.append))
        for expires in range(1, 50):
            store.put_value(value(1, expires=NOW + expires))
        assert store.pending == 1
        await until(lambda: store.pending == 0 and not store._writing.locked())
        assert sum("INSERT INTO kad_value" in each for each in written) == 1
        found = await database.run(lambda file: load(file, PROTOCOL, CONFIG, NOW))
        assert found.values == [value(1, expires=NOW + 49)]


@pytest.mark.req("PEERS-10")
async def test_a_file_that_fails_costs_the_memory_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with opened(tmp_path, write_interval=0.01) as (database, store):
        await database.run(lambda file: file.execute("ALTER TABLE kad_value RENAME TO elsewhere"))
        store.put_value(value(1))
        await until(lambda: store.error is not None)
        assert "no such table" in str(store.error)
        assert caplog.text.count("not kept on disk") == 1
        assert store.value(b"/ns/1") == value(1)
        with pytest.raises(StorageError):
            await store.flush()
        await database.run(lambda file: file.execute("ALTER TABLE elsewhere RENAME TO kad_value"))
        store.put_value(value(2))
        await until(lambda: store.error is None)
        assert store.pending == 0
    async with opened(tmp_path) as (_, store):
        assert held(store)[0] == {b"/ns/1": value(1), b"/ns/2": value(2)}


@pytest.mark.req("PEERS-10")
async def test_what_waits_to_be_written_is_bounded(tmp_path: Path) -> None:
    async with opened(tmp_path, max_pending=3) as (_, store):
        for number in range(1, 9):
            store.put_value(value(number))
            store.put_provider(b"%d" % number, provider(1))
        assert store.pending == 6
        assert len(list(store.values())) == 8
    async with opened(tmp_path) as (_, store):
        assert set(held(store)[0]) == {b"/ns/6", b"/ns/7", b"/ns/8"}
        assert set(held(store)[1]) == {b"6", b"7", b"8"}


@pytest.mark.req("PEERS-10")
async def test_closing_waits_no_longer_than_it_may(tmp_path: Path) -> None:
    release = threading.Event()
    async with await Database.open(tmp_path / "kad.db", NETWORK_SCHEMA) as database:
        store = await store_of(database, close_timeout=0.02)
        hanging = asyncio.create_task(database.run(lambda _: release.wait(20)))
        store.put_value(value(1))
        await store.close()
        assert isinstance(store.error, DeadlineExceeded)
        release.set()
        await hanging
        await store.close()


async def test_a_database_that_was_closed_first_is_told(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "kad.db", NETWORK_SCHEMA)
    store = await store_of(database)
    store.put_value(value(1))
    await database.close()
    await store.close()
    assert isinstance(store.error, LocalError)
    with pytest.raises(LocalError):
        await store_of(database)


PROGRAM = """
import asyncio, os, sys
from pathlib import Path
from p2pstack.storage.components import NETWORK_SCHEMA
from p2pstack.storage.database import Database
from tests.services.kad.test_sqlite_rows import value
from tests.services.kad.test_sqlite_store import store_of

async def main():
    database = await Database.open(Path(sys.argv[1]), NETWORK_SCHEMA)
    store = await store_of(database)
    number = 0
    while True:
        number += 1
        store.put_value(value(number))
        await store.flush()
        os.write(1, b"%d\\n" % number)

asyncio.run(main())
"""


@pytest.mark.slow
@pytest.mark.req("PEERS-10")
async def test_what_was_flushed_survives_a_kill(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PROGRAM, str(tmp_path / "kad.db"), stdout=asyncio.subprocess.PIPE, cwd=ROOT
    )
    assert process.stdout is not None
    for _ in range(50):
        await process.stdout.readline()
    os.kill(process.pid, signal.SIGKILL)
    rest = (await process.stdout.read()).splitlines(keepends=True)
    assert await process.wait() == -signal.SIGKILL
    async with opened(tmp_path) as (_, store):
        assert len(list(store.values())) >= 50 + sum(line.endswith(b"\n") for line in rest)
        assert store.skipped == 0
