from __future__ import annotations

from dataclasses import replace

import pytest

from p2pstack.shinkai import json_form
from p2pstack.shinkai.builder import ShinkaiMessageBuilder
from p2pstack.shinkai.contents import JobMessage
from p2pstack.shinkai.errors import BadSignature, InvalidInbox, Undecryptable
from p2pstack.shinkai.keys import NodeKeys
from p2pstack.shinkai.message import NodeApiData, ShinkaiMessage
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.node.stages import (
    NotForUs,
    Stage,
    check_recipient,
    inbox_of,
    open_message,
    peer_keys,
    stage_of,
    strip_node_data,
)
from tests.shinkai.node.pairs import ALICE, BOB, CAROL, keys, record

SECRET = keys(BOB).encryption


def builder(sender: str = ALICE, recipient: str = BOB) -> ShinkaiMessageBuilder:
    counter = iter(range(1, 100))
    return ShinkaiMessageBuilder(
        keys(sender), sender, recipient, time=0.0, entropy=lambda size: next(counter).to_bytes(size, "big")
    )


@pytest.mark.req("SHK-88")
def test_a_message_is_for_the_node_or_a_profile_of_it() -> None:
    name = ShinkaiName.parse("@@bob.shinkai/main")
    check_recipient(builder().build(), name)
    check_recipient(builder(recipient="@@BOB.shinkai").build(), name)
    with pytest.raises(NotForUs):
        check_recipient(builder(recipient=CAROL).build(), name)
    check_recipient(builder(recipient=CAROL).build(), ShinkaiName.parse("@@localhost.sep-shinkai"))


@pytest.mark.req("SHK-90")
def test_messages_are_sorted_as_the_original_does() -> None:
    assert stage_of(builder().ping().build()) is Stage.PING
    assert stage_of(builder().pong().build()) is Stage.PONG
    assert stage_of(builder().ack().build()) is Stage.ACK
    assert stage_of(builder().text("ACK").build()) is Stage.ACK
    assert stage_of(builder().text("Pong").build()) is Stage.MESSAGE
    assert stage_of(builder().job(JobMessage(job_id="1", content="x")).build()) is Stage.JOB
    sealed = builder().text("x").encrypt_content_for(keys(CAROL).encryption.public).build()
    assert stage_of(sealed) is Stage.MESSAGE


@pytest.mark.req("SHK-89")
@pytest.mark.parametrize("body", [True, False])
@pytest.mark.parametrize("content", [True, False])
def test_what_was_encrypted_for_the_node_is_decrypted(body: bool, content: bool) -> None:
    making = builder().text("hello")
    if content:
        making.encrypt_content_for(SECRET.public)
    if body:
        making.encrypt_body_for(SECRET.public)
    message = json_form.decode(json_form.encode(making.build()))
    arrived = open_message(message, record(ALICE), SECRET, peer_keys(message, record(ALICE)))
    assert (arrived.message.content, arrived.stage) == ("hello", Stage.MESSAGE)


@pytest.mark.req("SHK-89")
def test_a_content_for_a_profile_stays_as_it_is() -> None:
    profile = NodeKeys.unsafe_deterministic(77).encryption.public
    message = builder().text("for main").encrypt_content_for(profile).encrypt_body_for(SECRET.public).build()
    arrived = open_message(message, record(ALICE), SECRET, peer_keys(message, record(ALICE)))
    assert arrived.stage is Stage.MESSAGE
    assert arrived.message.encryption_status.value == "ContentEncrypted"


@pytest.mark.req("SHK-91")
def test_wrong_signers_and_wrong_keys_are_told_apart() -> None:
    message = builder().text("x").encrypt_body_for(SECRET.public).build()
    with pytest.raises(BadSignature):
        open_message(message, record(CAROL), SECRET, [record(ALICE).encryption_key])
    with pytest.raises(Undecryptable):
        open_message(message, record(ALICE), keys(CAROL).encryption, [record(ALICE).encryption_key])
    with pytest.raises(Undecryptable):
        open_message(message, record(ALICE), SECRET, [])


@pytest.mark.req("SHK-89")
def test_behind_a_relay_other_keys_are_tried_first() -> None:
    direct = builder().build()
    assert peer_keys(direct, record(ALICE)) == [record(ALICE).encryption_key]
    offered = builder().intra_sender("main").other(record(CAROL).encryption_key.to_hex()).build()
    assert peer_keys(offered, record(ALICE)) == [record(CAROL).encryption_key, record(ALICE).encryption_key]
    garbage = builder().intra_sender("main").other("no key").build()
    assert peer_keys(garbage, record(ALICE), record(CAROL)) == [record(ALICE).encryption_key]
    named = builder().intra_sender(CAROL).build()
    assert peer_keys(named, record(ALICE), record(CAROL)) == [
        record(CAROL).encryption_key,
        record(ALICE).encryption_key,
    ]


def test_inboxes_and_what_is_not_signed() -> None:
    message = builder().text("x").build()
    assert inbox_of(message) == f"inbox::{ALICE}::{BOB}::false"
    assert inbox_of(_with_inbox(message, "nonsense")) == f"inbox::{ALICE}::{BOB}::false"
    with pytest.raises(InvalidInbox):
        bad = replace(message, external_metadata=replace(message.external_metadata, sender="-"))
        inbox_of(_with_inbox(bad, ""))
    noted = message.with_node_api_data(NodeApiData(parent_hash="a", node_message_hash="b", node_timestamp="c"))
    assert strip_node_data(noted) == message
    assert strip_node_data(message) is message


def _with_inbox(message: ShinkaiMessage, inbox: str) -> ShinkaiMessage:
    body = message.readable_body
    return replace(message, body=replace(body, internal_metadata=replace(body.internal_metadata, inbox=inbox)))
