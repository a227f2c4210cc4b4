"""Verifying: a few at once, more on threads, always in order."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from p2pstack.gossipsub.incoming import Incoming
from p2pstack.gossipsub.signing import build
from p2pstack.gossipsub.values import Message
from p2pstack.identity.keys import KeyType, PrivateKey
from p2pstack.services.gossipsub import verifier as module
from p2pstack.services.gossipsub.verifier import Outcome, Verifier

KEY = PrivateKey.generate()


def incoming(message: Message) -> Incoming:
    return Incoming(message, b"id", KEY.peer_id, 0.0)


def good(number: int = 1, key: PrivateKey = KEY) -> Incoming:
    return incoming(build("t", b"%d" % number, key=key, seqno=number))


def forged(number: int = 1) -> Incoming:
    message = build("t", b"true", key=KEY, seqno=number)
    return incoming(Message(b"false", "t", message.source, message.seqno, message.signature))


def unsigned() -> Incoming:
    return incoming(build("t", b"anonymous"))


def of_nobody() -> Incoming:
    message = build("t", b"data", key=KEY, seqno=1)
    return incoming(Message(b"data", "t", b"no peer id", message.seqno, message.signature))


@asynccontextmanager
async def running(threads: int, *, inline: int = 4, batch: int = 8) -> AsyncIterator[Verifier]:
    verifier = Verifier(threads=threads, inline=inline, batch=batch)
    yield verifier
    verifier.close()


async def all_outcomes(verifier: Verifier, messages: list[Incoming]) -> list[Outcome]:
    outcomes: list[Outcome] = []
    seen: list[Incoming] = []
    for batch in verifier.start(messages):
        outcomes += await batch.outcomes()
        seen += batch.messages
    assert seen == messages
    return outcomes


@pytest.mark.req("GS10-08", "GS10-09")
@pytest.mark.parametrize("threads", [0, 1, 2])
@pytest.mark.parametrize("count", [0, 1, 4, 5, 8, 9, 50])
async def test_outcomes_stand_with_their_messages(threads: int, count: int) -> None:
    kinds = [(good, None), (forged, "bad-signature"), (unsigned, None), (of_nobody, "bad-source")]
    messages, expected = [], []
    for number in range(count):
        make, outcome = kinds[number * 7 % 4]
        messages.append(make())  # type: ignore[operator]
        expected.append(outcome)
    async with running(threads) as verifier:
        assert await all_outcomes(verifier, messages) == expected


@pytest.mark.req("GS10-09")
@pytest.mark.parametrize("kind", list(KeyType))
async def test_every_kind_of_key(kind: KeyType) -> None:
    key = PrivateKey.generate(kind)
    async with running(1, inline=1) as verifier:
        assert await all_outcomes(verifier, [good(number, key) for number in range(4)]) == [None] * 4


async def test_few_messages_need_no_thread() -> None:
    threads = threading.active_count()
    async with running(2) as verifier:
        await all_outcomes(verifier, [good(number) for number in range(4)])
        await all_outcomes(verifier, [unsigned() for _ in range(100)])
        assert threading.active_count() == threads
        await all_outcomes(verifier, [good(number) for number in range(20)])
        assert threads < threading.active_count() <= threads + 2
    assert threading.active_count() == threads


class Threads:
    """Stands in for the verification: a thread waits for ``release``, the loop does not."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.release, self.begun = threading.Event(), threading.Event()
        self.by_the_loop = self.by_threads = 0
        monkeypatch.setattr(module, "verify_jobs", self._verify)

    def _verify(self, jobs: list[object]) -> list[bool]:
        if threading.current_thread() is threading.main_thread():
            self.by_the_loop += 1
        else:
            self.by_threads += 1
            self.begun.set()
            assert self.release.wait(10)
        return [True] * len(jobs)


async def test_the_loop_goes_on_while_a_thread_verifies(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = Threads(monkeypatch)
    async with running(1) as verifier:
        batches = verifier.start([good(number) for number in range(16)])
        assert await asyncio.to_thread(stand_in.begun.wait, 10)
        assert await batches[0].outcomes() == [None] * 8
        task = asyncio.create_task(batches[1].outcomes())
        for _ in range(10):
            await asyncio.sleep(0)
        assert not task.done()
        stand_in.release.set()
        assert await task == [None] * 8


async def test_what_no_thread_has_begun_the_loop_verifies(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = Threads(monkeypatch)
    async with running(1) as verifier:
        batches = verifier.start([good(number) for number in range(50)])
        assert await asyncio.to_thread(stand_in.begun.wait, 10)
        for batch in [batches[0], *batches[2:]]:
            assert await batch.outcomes() == [None] * len(batch.messages)
        stand_in.release.set()
        assert await batches[1].outcomes() == [None] * 8
        assert (stand_in.by_the_loop, stand_in.by_threads) == (len(batches) - 1, 1)


async def test_others_get_their_turn_between_batches() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    task = asyncio.create_task(count())
    async with running(0) as verifier:
        await all_outcomes(verifier, [good(number) for number in range(80)])
    task.cancel()
    assert turns >= 8


async def test_after_the_end_the_loop_verifies() -> None:
    threads = threading.active_count()
    verifier = Verifier(threads=2, inline=4, batch=8)
    verifier.close()
    assert await all_outcomes(verifier, [good(number) for number in range(20)]) == [None] * 20
    assert threading.active_count() == threads


async def test_what_was_not_begun_at_the_end_is_left_to_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in = Threads(monkeypatch)
    verifier = Verifier(threads=1, inline=1, batch=8)
    batches = verifier.start([good(number) for number in range(24)])
    assert await asyncio.to_thread(stand_in.begun.wait, 10)
    stand_in.release.set()
    verifier.close()
    for batch in batches:
        assert await batch.outcomes() == [None] * 8
