from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from p2pstack.shinkai import json_form
from p2pstack.shinkai.directory.errors import DirectoryUnavailable
from p2pstack.shinkai.directory.memory import MemoryDirectory
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.message import ShinkaiMessage
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.node.config import InboxConfig
from p2pstack.shinkai.node.jobs import NetworkJobManager
from p2pstack.shinkai.node.stages import Arrived
from p2pstack.shinkai.node.store import MessageStore, StoredMessage
from p2pstack.shinkai.storage.config import JobConfig
from p2pstack.shinkai.storage.job_queue import JobQueue
from p2pstack.shinkai.storage.replay import message_key
from p2pstack.shinkai.storage.schema import open_database
from tests.shinkai.node.pairs import ALICE, BOB, CAROL, directory, keys, record, signed_text, until
from tests.shinkai.storage.files import job


class Told:
    """What the manager tells."""

    def __init__(self) -> None:
        self.stored: list[StoredMessage] = []
        self.nothing: list[str] = []
        self.other: list[str] = []

    async def on_ping(self, sender: IdentityRecord) -> None:
        self.other.append(f"ping {sender.name}")

    async def on_ack(self, sender: IdentityRecord, arrived: Arrived) -> None:
        self.other.append(f"ack {sender.name} {arrived.stage.value}")

    async def on_stored(self, sender: IdentityRecord, stored: StoredMessage, *, by_libp2p: bool) -> None:
        assert by_libp2p
        self.stored.append(stored)

    def answer_nothing(self, key: str) -> None:
        self.nothing.append(key)


@asynccontextmanager
async def working(
    path: Path, known: Any = None, **limits: Any
) -> AsyncIterator[tuple[NetworkJobManager, JobQueue, MessageStore, Told]]:
    async with await open_database(path / "node.sqlite") as database:
        jobs = JobQueue(database, JobConfig(backoff_base=0.02, backoff_factor=1.0, backoff_max=0.02))
        store = await MessageStore.open(database, InboxConfig(**limits))
        told = Told()
        manager = NetworkJobManager(
            name=ShinkaiName.parse(BOB),
            keys=keys(BOB),
            database=database,
            jobs=jobs,
            store=store,
            lookup=(known or directory()).lookup,
            dispatch=told,
            workers=2,
            batch=4,
            clock=lambda: 5.0,
        )
        task = asyncio.create_task(manager.run())
        yield manager, jobs, store, told
        task.cancel()
        await asyncio.wait((task,))


def text(number: int, sender: str = ALICE) -> ShinkaiMessage:
    return signed_text(sender, BOB, str(number), time=float(number))


async def add(jobs: JobQueue, message: ShinkaiMessage) -> str:
    key = message_key(message)
    await jobs.add(job(json_form.encode(message)), key=key)
    return key


@pytest.mark.req("SHK-88", "SHK-93")
async def test_messages_of_one_sender_come_in_order_and_leave_the_queue_for_the_inbox(tmp_path: Path) -> None:
    async with working(tmp_path) as (manager, jobs, store, told):
        for number in range(30):
            await add(jobs, text(number, ALICE if number % 2 else CAROL))
        await until(lambda: len(told.stored) == 30)
        for sender in (ALICE, CAROL):
            texts = [json_form.decode(each.message).content for each in told.stored if each.sender == sender]
            assert texts == sorted(texts, key=int)
        assert (await jobs.stats()).rows == 0
        assert (await store.stats()).untaken == 30
        await until(lambda: manager.waiting == 0)


@pytest.mark.req("SHK-88")
async def test_a_sender_whose_directory_hangs_holds_up_nobody_else(tmp_path: Path) -> None:
    class Hanging(MemoryDirectory):
        async def lookup(self, name: ShinkaiName) -> IdentityRecord:
            if name.node_name == CAROL:
                await asyncio.Event().wait()
            return await super().lookup(name)

    known = Hanging([record(ALICE), record(CAROL)])
    async with working(tmp_path, known) as (_, jobs, _, told):
        await add(jobs, text(1, CAROL))
        await add(jobs, text(2, ALICE))
        await until(lambda: len(told.stored) == 1)


@pytest.mark.req("SHK-88")
async def test_a_directory_that_does_not_answer_is_asked_again(tmp_path: Path) -> None:
    class Once(MemoryDirectory):
        failures = 2

        async def lookup(self, name: ShinkaiName) -> IdentityRecord:
            if self.failures:
                self.failures -= 1
                raise DirectoryUnavailable("not now")
            return await super().lookup(name)

    async with working(tmp_path, Once([record(ALICE)])) as (manager, jobs, _, told):
        key = await add(jobs, text(1))
        await until(lambda: len(told.stored) == 1)
        assert told.nothing == [key, key]
        assert manager.counters["postponed"] == 2


@pytest.mark.req("SHK-93")
async def test_a_full_inbox_lets_messages_wait(tmp_path: Path) -> None:
    async with working(tmp_path, max_untaken=1) as (manager, jobs, store, told):
        await add(jobs, text(1))
        await add(jobs, text(2))
        await until(lambda: manager.counters["postponed"] >= 1)
        [first], _ = await store.give(1)
        await store.take(first.seq)
        await until(lambda: len(told.stored) == 2)


@pytest.mark.req("SHK-91")
async def test_refused_messages_are_counted_and_forgotten(tmp_path: Path) -> None:
    async with working(tmp_path) as (manager, jobs, _, told):
        forged = text(1)
        forged = replace(forged, external_metadata=replace(forged.external_metadata, other="changed"))
        key = await add(jobs, forged)
        await jobs.add(job(b"{}"), key="no message")
        await until(lambda: manager.counters["bad-signature"] == 1 and manager.counters["malformed"] == 1)
        assert key in told.nothing
        assert await jobs.seen() == 0
        assert (await jobs.stats()).rows == 0
