"""What a node refuses, by name, and that nothing else is disturbed; what it answers and acknowledges again."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from p2pstack.identity.peer_id import PeerId
from p2pstack.shinkai import json_form, signatures
from p2pstack.shinkai.directory.memory import MemoryDirectory
from p2pstack.shinkai.frames import Frame, MessageType, encode_frame
from p2pstack.shinkai.keys import key_of_name
from p2pstack.shinkai.message import EncryptedBody, ShinkaiMessage
from p2pstack.shinkai.network.profiles import Profile
from p2pstack.shinkai.node import NodeConfig, SendResult, SendState, ShinkaiNode
from p2pstack.shinkai.node.acks import make_ack
from p2pstack.shinkai.node.config import SendConfig
from p2pstack.shinkai.storage.replay import message_key
from tests.shinkai.node.pairs import (
    ALICE,
    BOB,
    CAROL,
    QUICK,
    TCP_ONLY,
    directory,
    keys,
    nothing_left,
    pair,
    record,
    running,
    send_bytes,
    signed_text,
    take,
    until,
)


def text(**options: object) -> ShinkaiMessage:
    options.setdefault("time", time.time())
    return signed_text(ALICE, BOB, "hello", **options)  # type: ignore[arg-type]


def tampered() -> ShinkaiMessage:
    message = text()
    assert isinstance(message.body, EncryptedBody)
    flipped = message.body.content[:-1] + ("0" if message.body.content[-1] != "0" else "1")
    return replace(message, body=EncryptedBody(flipped))


def to_another() -> ShinkaiMessage:
    return signed_text(ALICE, CAROL, "not for bob", time=time.time())


def stranger() -> ShinkaiMessage:
    message = text(number=9)
    external = replace(message.external_metadata, sender="@@stranger.shinkai")
    return signatures.sign_outer(replace(message, external_metadata=external), keys(ALICE).signature)


def wrong_key() -> ShinkaiMessage:
    return text(encrypt_for=9)


def nested() -> bytes:
    value = json.loads(json_form.encode(text()))
    deep = "[" * 200 + "]" * 200
    return json.dumps(value).replace('"version"', f'"extra": {deep}, "version"', 1).replace(": ", ":").encode()


REFUSALS: list[tuple[Callable[[], ShinkaiMessage | bytes], str]] = [
    (to_another, "not-for-us"),
    (lambda: text(number=9), "bad-signature"),
    (stranger, "unknown-sender"),
    (tampered, "bad-signature"),
    (wrong_key, "wrong-key-or-tampered"),
    (lambda: text(time=time.time() - 30 * 86_400), "too-old"),
    (lambda: text(time=time.time() + 86_400), "from-the-future"),
    (nested, "too-deep"),
    (lambda: b"\xff\xfe not UTF-8", "malformed"),
    (lambda: b"{" + b"[]," * 100_000 + b"}", "oversized"),
]


async def deliver(node: ShinkaiNode, message: ShinkaiMessage | bytes) -> bytes:
    payload = message if isinstance(message, bytes) else json_form.encode(message)
    return await send_bytes(node.listen_address, encode_frame(Frame(BOB, MessageType.SHINKAI_MESSAGE, payload)))


async def refused(node: ShinkaiNode) -> dict[str, int]:
    return dict((await node.status()).refused)


async def counted(node: ShinkaiNode, reason: str, count: int = 1) -> None:
    """Wait until a refusal is counted."""
    seen: dict[str, int] = {}

    def enough() -> bool:
        parts = node._parts
        assert parts is not None
        seen.update(parts.refused(node.libp2p_managers))
        return seen.get(reason, 0) >= count

    await until(enough)


@pytest.mark.req("SHK-88", "SHK-89", "SHK-91")
@pytest.mark.parametrize(("make", "reason"), REFUSALS, ids=[f"{n}-{reason}" for n, (_, reason) in enumerate(REFUSALS)])
async def test_what_is_refused_has_a_name_and_disturbs_nothing(
    make: Callable[[], ShinkaiMessage | bytes], reason: str
) -> None:
    async with pair() as (alice, bob):
        assert await deliver(bob, make()) == b""
        await counted(bob, reason)
        assert (await alice.send_text(BOB, "still here")).state is SendState.ACKNOWLEDGED
        [message] = await take(bob, 1)
        assert message.text == "still here"
        await nothing_left(bob)


@pytest.mark.req("SHK-91")
async def test_what_was_refused_as_forged_does_not_keep_the_real_one_out() -> None:
    known = directory()
    config = replace(QUICK, handler=replace(QUICK.handler, echo_window=0.001))
    async with running(BOB, known, config=config) as bob:
        message = text()
        known.add(record(ALICE, number=9))
        await deliver(bob, message)
        await counted(bob, "bad-signature")
        known.add(record(ALICE))
        await deliver(bob, message)
        assert [each.text for each in await take(bob, 1)] == ["hello"]


@pytest.mark.req("SHK-91")
async def test_a_request_that_was_refused_is_not_acknowledged_when_it_comes_again() -> None:
    known = directory()
    async with running(ALICE, known) as alice, running(BOB, known) as bob:
        known.remove(record(ALICE).name)
        first = await alice.send_text(BOB, "who am I?")
        assert (first.state, first.reason) == (SendState.QUEUED, "unacknowledged")
        await counted(bob, "duplicate")  # the second attempt, within the window of echoes
        assert (await alice.status()).queue.rows == 1
        assert (await bob.messages.stats()).untaken == 0


@pytest.mark.req("SHK-92")
async def test_a_replayed_message_is_known_and_not_given_out_again() -> None:
    async with pair() as (_, bob):
        message = text()
        await deliver(bob, message)
        await take(bob, 1)
        for _ in range(3):
            await deliver(bob, message)
        await counted(bob, "duplicate", 3)
        stats = await bob.messages.stats()
        assert (stats.untaken, stats.kept) == (0, 1)


@pytest.mark.req("SHK-82", "SHK-92")
async def test_a_copy_after_a_lost_acknowledgement_is_acknowledged_again() -> None:
    known = directory()
    handler = replace(QUICK.handler, echo_window=0.001)
    async with running(BOB, known, config=replace(TCP_ONLY, handler=handler)) as bob:
        message = text()
        await deliver(bob, message)  # whose acknowledgement goes nowhere: alice is off
        await take(bob, 1)
        async with running(ALICE, known, config=TCP_ONLY) as alice:
            result = await alice.send(message)
            assert (result.state, result.key) == (SendState.ACKNOWLEDGED, message_key(message))
            assert (await bob.messages.stats()).untaken == 0


@pytest.mark.req("SHK-82")
@pytest.mark.parametrize("named", [True, False])
async def test_an_acknowledgement_that_comes_late_still_counts(named: bool) -> None:
    known = directory()
    config = replace(
        TCP_ONLY, send=SendConfig(ack_timeout=0.01), retry=replace(QUICK.retry, backoff_base=60.0, backoff_max=60.0)
    )
    async with running(ALICE, known, config=config) as alice:
        silent = await send_to_nobody(alice, known)
        assert silent.state is SendState.QUEUED
        assert silent.reason == "unacknowledged"
        ack = make_ack(
            keys(BOB),
            record(BOB).name,
            ALICE,
            silent.key if named else "nothing",
            time=time.time(),
            entropy=lambda n: b"0" * n,
        )
        await deliver_to(alice, ack)
        await until_delivered(alice)
        assert (await alice.status()).sent["late-acknowledgement"] == 1


@pytest.mark.req("SHK-82")
async def test_nobody_acknowledges_what_was_sent_to_another() -> None:
    known = directory()
    config = replace(
        TCP_ONLY, send=SendConfig(ack_timeout=0.01), retry=replace(QUICK.retry, backoff_base=60.0, backoff_max=60.0)
    )
    async with running(ALICE, known, config=config) as alice:
        result = await send_to_nobody(alice, known)
        for key in (result.key, "nothing"):
            ack = make_ack(keys(CAROL), record(CAROL).name, ALICE, key, time=time.time(), entropy=lambda n: b"0" * n)
            await deliver_to(alice, ack)
        await until(lambda: received(alice, "ack") == 2)
        assert (await alice.status()).queue.rows == 1


@pytest.mark.req("SHK-83")
async def test_a_node_that_shows_up_is_sent_what_waits_for_it_at_once() -> None:
    known = directory()
    config: NodeConfig = replace(QUICK, retry=replace(QUICK.retry, backoff_base=300.0, backoff_max=300.0))
    async with running(ALICE, known, config=config) as alice:
        assert (await alice.send_text(BOB, "waits")).state is SendState.QUEUED
        async with running(BOB, known) as bob:
            assert (await bob.send_text(ALICE, "here I am")).state is SendState.ACKNOWLEDGED
            assert [message.text for message in await take(bob, 1)] == ["waits"]


@pytest.mark.req("SHK-83")
async def test_strangers_who_claim_a_name_use_up_no_attempts() -> None:
    known = directory()
    config = replace(TCP_ONLY, retry=replace(QUICK.retry, backoff_base=300.0, backoff_max=300.0))
    async with running(ALICE, known, config=config) as alice:
        key = (await alice.send_text(BOB, "waits")).key
        parts = alice._parts
        assert parts is not None
        bob, stranger = record(BOB), record(CAROL).peer_id
        seed = key_of_name(bob.name).peer_id

        async def attempts() -> int:
            queued = await alice.queue.find(key)
            assert queued is not None
            return queued.attempts

        async def claims(profile: Profile, peer: PeerId) -> bool:
            """Whether a claim makes what waits due."""
            parts.ledger.backlog.add(BOB)
            await parts.receiver.showed_up(profile, peer, bob.name)
            return BOB not in parts.ledger.backlog

        assert not await claims(Profile.HEAD, stranger)
        assert not await claims(Profile.SEED, stranger)
        assert await attempts() == 1
        assert await claims(Profile.HEAD, bob.peer_id)
        assert await claims(Profile.SEED, seed)
        assert not await claims(Profile.SEED, seed)
        known.remove(bob.name)
        assert not await claims(Profile.HEAD, bob.peer_id)
        parts.ledger.backlog.clear()
        await parts.receiver.showed_up(Profile.HEAD, bob.peer_id, bob.name)


# -- helpers


def received(node: ShinkaiNode, stage: str) -> int:
    assert node._parts is not None
    return node._parts.manager.counters[stage]


async def deliver_to(node: ShinkaiNode, message: ShinkaiMessage) -> None:
    frame = Frame(node.name.node_name, MessageType.SHINKAI_MESSAGE, json_form.encode(message))
    await send_bytes(node.listen_address, encode_frame(frame))


async def send_to_nobody(alice: ShinkaiNode, known: MemoryDirectory) -> SendResult:
    """Send to somebody who reads everything and says nothing."""

    async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    server = await asyncio.start_server(swallow, "127.0.0.1", 0)
    async with server:
        known.add(record(BOB, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        return await alice.send_text(BOB, "to somebody silent")


async def until_delivered(node: ShinkaiNode) -> None:
    assert node._parts is not None
    parts = node._parts
    await until(lambda: parts.sender.counters["late-acknowledgement"] == 1)
    await nothing_left(node)
