from __future__ import annotations

from dataclasses import replace

import pytest

from p2pstack.shinkai import signatures
from p2pstack.shinkai.builder import ShinkaiMessageBuilder
from p2pstack.shinkai.keys import NodeKeys
from p2pstack.shinkai.message import EncryptedBody
from p2pstack.shinkai.node import SendState
from p2pstack.shinkai.node.config import SendConfig
from tests.shinkai.node.pairs import ALICE, BOB, QUICK, directory, keys, pair, running, take, until


@pytest.mark.req("SHK-80")
async def test_a_body_in_the_clear_is_encrypted_on_the_way_and_readable_in_the_history() -> None:
    known = directory()
    config = replace(QUICK, retry=replace(QUICK.retry, backoff_base=60.0, backoff_max=60.0))
    async with running(ALICE, known, config=config) as alice:
        key = (await alice.send_text(BOB, "a secret")).key
        parts = alice._parts
        assert parts is not None
        found = await parts.ledger.waiting_for(key, BOB)
        assert found is not None
        assert b"a secret" not in found[0]
        async with running(BOB, known) as bob:
            await alice.queue.hasten(BOB)
            await take(bob, 1)
            await until(lambda: parts.sender.counters["acknowledged"] == 1)
        [saved] = await alice.messages.history()
        assert b"a secret" in saved.message


@pytest.mark.req("SHK-80")
async def test_what_a_profile_has_signed_is_signed_again_by_the_node() -> None:
    profile = NodeKeys.unsafe_deterministic(50)
    async with pair() as (alice, bob):
        builder = ShinkaiMessageBuilder(profile, ALICE, BOB, time=alice._clock(), entropy=alice._entropy)
        message = builder.profiles("main", "").text("by main").build()
        assert (await alice.send(message)).state is SendState.ACKNOWLEDGED
        [received] = await take(bob, 1)
        signatures.verify_inner(received.message, profile.signature.public_key)
        assert received.message.sender_name.full_name == f"{ALICE}/main"
        again = await alice.send(replace(message, external_metadata=replace(message.external_metadata, signature="")))
        assert again.state is SendState.ACKNOWLEDGED


@pytest.mark.req("SHK-80")
async def test_a_message_that_is_sealed_already_goes_as_it_is() -> None:
    async with pair() as (alice, bob):
        sealed = alice.builder(BOB).text("sealed").encrypt_body_for(keys(BOB).encryption.public).build()
        assert isinstance(sealed.body, EncryptedBody)
        assert (await alice.send(sealed)).state is SendState.ACKNOWLEDGED
        [received] = await take(bob, 1)
        assert received.text == "sealed"
        [saved] = [each for each in await alice.messages.history() if each.outgoing]
        assert b"sealed" in saved.message


async def test_encryption_can_be_switched_off() -> None:
    config = replace(QUICK, send=SendConfig(encrypt=False))
    async with pair(alice=config) as (alice, bob):
        await alice.send_text(BOB, "in the clear")
        [received] = await take(bob, 1)
        assert received.message.encryption.value == "None"


async def test_texts_that_are_no_unicode_are_refused() -> None:
    async with pair() as (alice, _):
        message = alice.builder(BOB).text("x").build()
        body = message.readable_body
        bad = replace(
            message, body=replace(body, message_data=replace(body.message_data, message_raw_content="\ud800"))
        )
        assert (await alice.send(bad)).reason in {"invalid", "malformed"}
