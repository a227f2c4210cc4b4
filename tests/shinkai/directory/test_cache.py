"""What a directory said, remembered for a while."""

from __future__ import annotations

import asyncio

import pytest

from p2pstack.errors import DeadlineExceeded, LimitExceeded
from p2pstack.shinkai.directory.cache import CachedDirectory
from p2pstack.shinkai.directory.config import CacheConfig
from p2pstack.shinkai.directory.errors import DirectoryUnavailable, IdentityNotFound
from p2pstack.shinkai.directory.memory import MemoryDirectory
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.names import ShinkaiName
from tests.shinkai.directory.people import ALICE, BOB, record


class Slow(MemoryDirectory):
    """Answers when the test lets it; counts what it was asked."""

    def __init__(self, *records: IdentityRecord) -> None:
        super().__init__(records)
        self.asked: list[str] = []
        self.answers = asyncio.Event()
        self.answers.set()
        self.broken = False
        self.closed = False

    async def lookup(self, name: ShinkaiName) -> IdentityRecord:
        self.asked.append(name.node_name)
        await self.answers.wait()
        if self.broken:
            raise DirectoryUnavailable("no server answers")
        return await super().lookup(name)

    async def close(self) -> None:
        self.closed = True


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


@pytest.mark.req("SHK-66")
async def test_fresh_stale_and_old() -> None:
    inner, clock = Slow(ALICE), Clock()
    cache = CachedDirectory(inner, clock=clock)
    for now, asked in [(0.0, 1), (899.0, 1), (900.0, 2), (1_799.0, 2)]:
        clock.now = now
        assert await cache.lookup(ALICE.name) == ALICE
        await settle()
        assert len(inner.asked) == asked
    newer = record("@@alice.shinkai", 5)
    inner.add(newer)
    clock.now = 1_800.0  # the last answer is of 900
    assert await cache.lookup(ALICE.name) == ALICE
    await settle()
    assert await cache.lookup(ALICE.name) == newer
    clock.now = 3_600.0
    inner.broken = True
    with pytest.raises(DirectoryUnavailable):
        await cache.lookup(ALICE.name)
    await cache.close()
    assert inner.closed


@pytest.mark.req("SHK-66")
async def test_a_refresh_that_fails_leaves_what_is_known() -> None:
    inner, clock = Slow(ALICE), Clock()
    cache = CachedDirectory(inner, clock=clock)
    await cache.lookup(ALICE.name)
    inner.broken = True
    clock.now = 1_000.0
    for _ in range(3):
        assert await cache.lookup(ALICE.name) == ALICE
        await settle()
    assert len(inner.asked) == 4
    await cache.close()


@pytest.mark.req("SHK-66")
async def test_that_nobody_has_a_name_is_remembered_for_a_minute() -> None:
    inner, clock = Slow(), Clock()
    cache = CachedDirectory(inner, clock=clock)
    for now, asked in [(0.0, 1), (59.0, 1), (60.0, 2)]:
        clock.now = now
        with pytest.raises(IdentityNotFound):
            await cache.lookup(BOB.name)
        assert len(inner.asked) == asked
    inner.add(BOB)
    cache.forget(BOB.name)
    assert await cache.lookup(BOB.name) == BOB
    await cache.close()


@pytest.mark.req("SHK-67")
async def test_all_who_ask_at_once_wait_for_one_answer() -> None:
    inner = Slow(ALICE)
    inner.answers.clear()
    cache = CachedDirectory(inner)
    waiting = [asyncio.create_task(cache.lookup(ALICE.name)) for _ in range(50)]
    await settle()
    waiting[0].cancel()
    await settle()
    assert waiting[0].cancelled()
    inner.answers.set()
    assert await asyncio.gather(*waiting[1:]) == [ALICE] * 49
    assert len(inner.asked) == 1
    await cache.close()


@pytest.mark.req("SHK-67")
async def test_lookups_and_memory_are_bounded() -> None:
    inner = Slow(*(record(f"n{number}", number) for number in range(10)))
    inner.answers.clear()
    cache = CachedDirectory(inner, CacheConfig(max_lookups=2, max_entries=3))
    waiting = [asyncio.create_task(cache.lookup(ShinkaiName.parse(f"n{number}"))) for number in range(2)]
    await settle()
    with pytest.raises(LimitExceeded) as caught:
        await cache.lookup(ShinkaiName.parse("n2"))
    assert caught.value.name == "max_lookups"
    inner.answers.set()
    await asyncio.gather(*waiting)
    for number in range(10):
        await cache.lookup(ShinkaiName.parse(f"n{number}"))
    assert len(cache) == 3
    await cache.close()


@pytest.mark.req("SHK-67")
async def test_a_lookup_ends_at_its_deadline_and_with_the_directory() -> None:
    inner = Slow(ALICE)
    inner.answers.clear()
    cache = CachedDirectory(inner, CacheConfig(timeout=0.01))
    with pytest.raises(DeadlineExceeded):
        await cache.lookup(ALICE.name)
    await cache.close()
    cache = CachedDirectory(inner)
    waiting = asyncio.create_task(cache.lookup(ALICE.name))
    await settle()
    await cache.close()
    with pytest.raises(DirectoryUnavailable):
        await waiting
    with pytest.raises(DirectoryUnavailable):
        await cache.lookup(ALICE.name)
