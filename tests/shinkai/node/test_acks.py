from __future__ import annotations

import pytest

from p2pstack.shinkai import json_form, signatures
from p2pstack.shinkai.builder import ShinkaiMessageBuilder
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.node.acks import AckWaiters, acknowledged_key, make_ack
from p2pstack.shinkai.node.stages import Stage, stage_of
from tests.shinkai.node.pairs import ALICE, BOB, keys

KEY = "ab" * 32


@pytest.mark.req("SHK-82")
def test_an_acknowledgement_names_its_message_and_is_one_for_the_original_too() -> None:
    ack = make_ack(keys(BOB), ShinkaiName.parse(BOB), ALICE, KEY, time=0.0, entropy=bytes)
    read = json_form.decode(json_form.encode(ack))
    signatures.verify_outer(read, keys(BOB).signature.public_key)
    signatures.verify_inner(read, keys(BOB).signature.public_key)
    assert acknowledged_key(read) == KEY
    assert stage_of(read) is Stage.ACK
    assert read.external_metadata.other == keys(BOB).encryption.public.to_hex()
    plain = ShinkaiMessageBuilder(keys(BOB), BOB, ALICE, time=0.0, entropy=bytes).ack().build()
    assert acknowledged_key(plain) is None


@pytest.mark.req("SHK-82")
async def test_waits_end_with_the_recipients_acknowledgement_alone() -> None:
    waiters = AckWaiters(10)
    first, second = waiters.expect(BOB, "1"), waiters.expect(BOB, "2")
    assert waiters.expect(BOB, "1") is first
    assert waiters.oldest(BOB) == "1"
    assert waiters.oldest(ALICE) is None
    assert not waiters.acknowledged("1", ALICE)
    assert waiters.acknowledged("1", BOB)
    assert first.done()
    assert not second.done()
    assert not waiters.acknowledged("1", BOB)
    second.cancel()
    assert not waiters.acknowledged("2", BOB)
    assert len(waiters) == 0


async def test_the_oldest_is_forgotten_beyond_the_limit_and_a_wait_that_ended_begins_anew() -> None:
    waiters = AckWaiters(2)
    first = waiters.expect(BOB, "1")
    first.cancel()
    assert waiters.expect(BOB, "1") is not first
    waiters.expect(ALICE, "2")
    waiters.expect(BOB, "3")
    assert waiters.oldest(BOB) == "3"
    assert len(waiters) == 2
    waiters.forget("nothing")
