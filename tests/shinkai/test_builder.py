"""Built messages are the real builder's, byte for byte where no nonce is in them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from p2pstack.errors import LocalError
from p2pstack.shinkai import encryption, json_form, signatures
from p2pstack.shinkai.builder import ShinkaiMessageBuilder
from p2pstack.shinkai.contents import JobCreation, JobMessage
from p2pstack.shinkai.errors import InvalidInbox, InvalidKey
from p2pstack.shinkai.keys import EncryptionPublicKey
from p2pstack.shinkai.message import EncryptionStatus, ExternalMetadata, NodeApiData
from p2pstack.shinkai.schemas import MessageSchemaType
from tests.shinkai.messages import ALICE, BOB, MESSAGES, PROFILE, TIME, builder, entropy

TO_BOB = BOB.encryption.public


def nonces(vector: dict[str, Any]) -> Any:
    """The nonces of a vector in the order of encryption: content, then body."""
    found = []
    if "data_key" in vector:
        found.append(bytes.fromhex(vector["encrypted_data_content"].partition(":")[2])[16:28])
    if "body_key" in vector:
        content = json.loads(vector["wire_json"])["body"]["encrypted"]["content"]
        found.append(bytes.fromhex(content.partition(":")[2])[:12])
    given = iter(found)
    return lambda _: next(given)


def rebuild(vector: dict[str, Any]) -> ShinkaiMessageBuilder:
    """Follow the inputs that the vector names."""
    inputs, name = vector["inputs"], vector["label"]
    sender, recipient = (
        ("@@relay.sep-shinkai", "@@bob.shinkai") if "relay" in name else ("@@alice.shinkai", "@@bob.shinkai")
    )
    build = ShinkaiMessageBuilder(ALICE, sender, recipient, time=TIME, entropy=nonces(vector))
    kind = inputs.get("builder", name)
    if kind == "ack_message":
        return build.ack()
    if kind == "ping_pong_message":
        return build.pong() if name == "pong" else build.ping()
    if kind == "error_message":
        return build.error(inputs["error_msg"], TO_BOB)
    if kind == "job_message":
        job = JobMessage(job_id=inputs["job_id"], content="hello hello, are u there?", parent="")
        return build.job(job).profiles("main", "").intra_sender("main").encrypt_body_for(TO_BOB)
    build.profiles("main", "main")
    if name.startswith("onion"):
        return build.text("onion text").encrypt_content_for(PROFILE.encryption.public).encrypt_body_for(TO_BOB)
    if name.startswith("relay"):
        return build.offering_request("@@bob.shinkai")
    build.text(inputs["content"])
    if inputs["mode"] == "content":
        build.encrypt_content_for(TO_BOB)
    if inputs["mode"] == "body":
        build.encrypt_body_for(TO_BOB)
    return build


@pytest.mark.req("SHK-23", "SHK-24", "SHK-25", "SHK-26")
@pytest.mark.parametrize("vector", MESSAGES, ids=lambda vector: vector["label"])
def test_messages_of_the_real_builder(vector: dict[str, Any]) -> None:
    assert json_form.encode(rebuild(vector).build()).decode() == vector["wire_json"]


@pytest.mark.req("SHK-23")
def test_both_layers_are_encrypted_and_signed_in_this_order() -> None:
    message = builder().profiles("main", "main").text("hi").encrypt_content_for(PROFILE.encryption.public)
    built = message.encrypt_body_for(TO_BOB).build()
    assert built.encryption_status is EncryptionStatus.BODY_ENCRYPTED
    signatures.verify_outer(built, ALICE.signature.public_key)
    opened = encryption.decrypt_outer(built, BOB.encryption, ALICE.encryption.public)
    signatures.verify_inner(opened, ALICE.signature.public_key)
    assert opened.encryption_status is EncryptionStatus.CONTENT_ENCRYPTED
    assert encryption.decrypt_inner(opened, PROFILE.encryption, ALICE.encryption.public).content == "hi"
    again = message.build()
    assert again != built, "a nonce was used twice"


@pytest.mark.req("SHK-23")
def test_where_no_inbox_follows_from_the_names_it_stays_empty() -> None:
    message = builder("@@a-b.shinkai").text("hi").build()
    assert message.readable_body.internal_metadata.inbox == ""


def test_the_other_messages() -> None:
    assert builder().pong().build().content == "Pong"
    terminate = builder().terminate().build()
    assert (terminate.content, terminate.schema) == ("terminate", MessageSchemaType.EMPTY)
    creation = builder().job_creation(JobCreation(is_hidden=True)).build()
    assert creation.schema is MessageSchemaType.JOB_CREATION_SCHEMA
    assert JobCreation.from_json(creation.content).is_hidden


@pytest.mark.req("SHK-26")
def test_an_answer_to_an_offering_request() -> None:
    tools: list[dict[str, Any]] = [{"network_tool": {}, "tool_offering": {}}]
    direct = builder().offering_response(tools).encrypt_body_for(TO_BOB).build()
    assert direct.external_metadata.other == ALICE.encryption.public.to_hex()
    assert direct.external_metadata.intra_sender == ""
    opened = encryption.decrypt_outer(direct, BOB.encryption, ALICE.encryption.public)
    assert opened.schema is MessageSchemaType.AGENT_NETWORK_OFFERING_RESPONSE
    assert opened.content == '[{"network_tool":{},"tool_offering":{}}]'
    assert str(opened.recipient_name) == "@@bob.shinkai/main"
    assert str(opened.sender_name) == "@@alice.shinkai"

    request = ExternalMetadata(sender="r", recipient="a", scheduled_time=TIME, intra_sender="12D3", other="aa")
    relayed = builder().offering_response(tools, request).build()
    assert (relayed.external_metadata.intra_sender, relayed.external_metadata.other) == ("12D3", "aa")
    assert relayed.readable_body.internal_metadata.sender_subidentity == "12D3"
    for half in ({"intra_sender": "12D3"}, {"other": "aa"}):
        request = ExternalMetadata(sender="r", recipient="a", scheduled_time=TIME, **half)
        plain = builder().offering_response(tools, request).build()
        assert plain.external_metadata.other == ALICE.encryption.public.to_hex()


def test_what_a_node_notes_is_in_the_message() -> None:
    data = NodeApiData(parent_hash="p", node_message_hash="n", node_timestamp="t")
    message = builder().text("hi").node_api_data(data).build()
    assert message.readable_body.internal_metadata.node_api_data == data
    signatures.verify_inner(message, ALICE.signature.public_key)


@pytest.mark.req("SHK-28")
def test_times_are_given_in_seconds_or_as_text() -> None:
    build = ShinkaiMessageBuilder(ALICE, "@@alice.shinkai", "@@bob.shinkai", time=1_748_867_696.789, entropy=entropy)
    assert build.ack().build() == builder().ack().build()
    with pytest.raises(LocalError):
        ShinkaiMessageBuilder(ALICE, "a", "b", time=1e300, entropy=entropy)


def test_what_can_t_be_built() -> None:
    with pytest.raises(InvalidInbox):
        builder().job(JobMessage(job_id="", content=""))
    with pytest.raises(InvalidKey):
        builder().error("x", EncryptionPublicKey(bytes(32))).build()
    with pytest.raises(LocalError):
        builder().text("\ud800").encrypt_content_for(TO_BOB).build()
