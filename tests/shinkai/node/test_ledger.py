from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from p2pstack.shinkai import json_form
from p2pstack.shinkai.builder import ShinkaiMessageBuilder
from p2pstack.shinkai.message import ShinkaiMessage
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.node.ledger import Ledger, readable
from p2pstack.shinkai.node.outgoing import Outcome, Parcel
from p2pstack.shinkai.node.results import Attempt, SendState
from p2pstack.shinkai.node.store import MessageState, MessageStore
from p2pstack.shinkai.storage.config import RetryConfig
from p2pstack.shinkai.storage.retry_queue import RetryQueue
from p2pstack.shinkai.storage.schema import open_database
from tests.shinkai.node.pairs import ALICE, BOB, CAROL, keys, signed_text
from tests.shinkai.storage.files import Clock

FAILED = Outcome(state=None, attempts=(Attempt("tcp", "refused"),), reason="unreachable")
DONE = Outcome(state=SendState.ACKNOWLEDGED, via="tcp")


@asynccontextmanager
async def ledger(path: Path, **limits: float) -> AsyncIterator[Ledger]:
    async with await open_database(path / "node.sqlite") as database:
        clock = Clock()
        queue = RetryQueue(database, RetryConfig(**limits), clock=clock)  # type: ignore[arg-type]
        store = await MessageStore.open(database, clock=clock)
        it = Ledger(database, queue, store, clock=clock)
        await it.load()
        yield it


def message() -> ShinkaiMessage:
    return signed_text(ALICE, BOB, "hello", time=0.0)


async def accepted(it: Ledger, key: str = "k") -> Parcel:
    await it.queue.add(json_form.encode(message()), key=key, recipient=BOB, claim=True)
    return Parcel(key=key, recipient=ShinkaiName.parse(BOB), message=message())


@pytest.mark.req("SHK-83")
async def test_what_failed_is_tried_again_and_remembered(tmp_path: Path) -> None:
    async with ledger(tmp_path) as it:
        result = await it.settle(await accepted(it), 1, FAILED, save=None)
        assert (result.state, result.reason, result.detail) == (SendState.QUEUED, "unreachable", "tcp: refused")
        assert result.next_attempt == 1_000_001.0
        assert it.backlog == {BOB}
    async with ledger(tmp_path) as it:
        assert it.backlog == {BOB}


@pytest.mark.req("SHK-83")
async def test_the_last_failure_ends_it(tmp_path: Path) -> None:
    async with ledger(tmp_path, max_attempts=1) as it:
        result = await it.settle(await accepted(it), 1, FAILED, save=None)
        assert (result.state, result.reason) == (SendState.REFUSED, "dead-attempts")


@pytest.mark.req("SHK-80")
async def test_what_was_delivered_leaves_the_queue_and_is_saved_in_one_step(tmp_path: Path) -> None:
    async with ledger(tmp_path) as it:
        parcel = await accepted(it)
        plain = readable(message(), keys(ALICE).encryption, keys(BOB).encryption.public)
        result = await it.settle(parcel, 1, DONE, save=it.sent("k", plain, "tcp"))
        assert (result.state, result.via) == (SendState.ACKNOWLEDGED, "tcp")
        [saved] = await it.store.history()
        assert (saved.state, saved.inbox) == (MessageState.SENT, f"inbox::{ALICE}::{BOB}::false")
        assert await it.queue.find("k") is None


async def test_an_acknowledgement_in_the_last_moment_counts(tmp_path: Path) -> None:
    async with ledger(tmp_path) as it:
        parcel = await accepted(it)
        assert await it.delivered("k")
        assert (await it.settle(parcel, 1, FAILED, save=None)).state is SendState.ACKNOWLEDGED
        again = await accepted(it, "l")
        assert (await it.settle(again, 7, FAILED, save=None)).state is SendState.QUEUED


async def test_a_message_is_found_for_its_recipient_alone(tmp_path: Path) -> None:
    async with ledger(tmp_path) as it:
        await accepted(it)
        assert await it.waiting_for("k", CAROL) is None
        found = await it.waiting_for("k", BOB)
        assert found is not None
        assert found[1] is True
        await it.begin_at("k", 5)
        queued = await it.queue.find("k")
        assert queued is not None
        assert queued.attempts == 5


def test_our_own_messages_can_be_read_as_far_as_they_were_for_the_node() -> None:
    secret, bob = keys(ALICE).encryption, keys(BOB).encryption.public
    assert readable(message(), secret, bob).content == "hello"
    assert readable(message(), secret, None) == message() or readable(message(), secret, None).encryption
    sealed = signed_text(ALICE, BOB, "x", encrypt_for=9, time=0.0)
    assert readable(sealed, secret, bob) == sealed
    profile = ShinkaiMessageBuilder(keys(ALICE), ALICE, BOB, time=0.0, entropy=bytes).text("x")
    profile.encrypt_content_for(keys(CAROL).encryption.public).encrypt_body_for(bob)
    assert readable(profile.build(), secret, bob).encryption_status.value == "ContentEncrypted"
