"""What a message tells about itself."""

from __future__ import annotations

import json
from typing import Any

import pytest

from p2pstack.shinkai import json_form
from p2pstack.shinkai.errors import InvalidName, StillEncrypted
from p2pstack.shinkai.message import EncryptionMethod, EncryptionStatus, NodeApiData, ShinkaiMessage
from p2pstack.shinkai.schemas import MessageSchemaType
from tests.shinkai.messages import BOB, MESSAGES, builder, label


def read(vector: dict[str, Any]) -> ShinkaiMessage:
    return json_form.decode(vector["wire_json"].encode())


@pytest.mark.parametrize("vector", MESSAGES, ids=label)
def test_the_status_is_the_real_crate_s(vector: dict[str, Any]) -> None:
    assert read(vector).encryption_status.value == vector["encryption_status"]


def test_what_can_be_read() -> None:
    message = builder().profiles("main", "main/device/phone").text("hello").build()
    assert message.encryption_status is EncryptionStatus.NOT_CURRENTLY_ENCRYPTED
    assert (message.content, message.schema) == ("hello", MessageSchemaType.TEXT_CONTENT)
    assert str(message.sender_name) == "@@alice.shinkai/main"
    assert str(message.recipient_name) == "@@bob.shinkai/main/device/phone"
    assert (str(message.sender_node), str(message.recipient_node)) == ("@@alice.shinkai", "@@bob.shinkai")


def test_an_encrypted_content_is_not_read() -> None:
    message = builder().text("hello").encrypt_content_for(BOB.encryption.public).build()
    assert message.encryption_status is EncryptionStatus.CONTENT_ENCRYPTED
    assert message.readable_body.internal_metadata.encryption is EncryptionMethod.DIFFIE_HELLMAN_CHACHA_POLY1305
    for name in ("data", "content", "schema"):
        with pytest.raises(StillEncrypted, match="content") as caught:
            getattr(message, name)
        assert caught.value.reason == "still-encrypted"
    assert str(message.sender_name) == "@@alice.shinkai"


def test_an_encrypted_body_is_not_read() -> None:
    message = builder().text("hello").encrypt_body_for(BOB.encryption.public).build()
    assert message.encryption_status is EncryptionStatus.BODY_ENCRYPTED
    for name in ("readable_body", "content", "schema", "sender_name", "recipient_name"):
        with pytest.raises(StillEncrypted, match="body"):
            getattr(message, name)
    with pytest.raises(StillEncrypted):
        message.with_node_api_data(None)
    assert str(message.sender_node) == "@@alice.shinkai"


def test_names_that_are_none() -> None:
    message = builder("@@a-b.shinkai", "@@bob.shinkai").profiles("", "x/y").build()
    for name in ("sender_node", "sender_name", "recipient_name"):
        with pytest.raises(InvalidName):
            getattr(message, name)
    assert str(message.recipient_node) == "@@bob.shinkai"


def test_a_node_notes_something_in_a_message() -> None:
    message = builder().text("hello").build()
    data = NodeApiData(parent_hash="p", node_message_hash="n", node_timestamp="t")
    noted = message.with_node_api_data(data)
    assert noted.readable_body.internal_metadata.node_api_data == data
    assert noted != message
    assert noted.with_node_api_data(None) == message


def test_a_log_does_not_hold_ciphertexts() -> None:
    message = builder().text("hello").encrypt_content_for(BOB.encryption.public).build()
    assert "encrypted:" not in repr(message)
    assert json.loads(json_form.encode(message))["encryption"] == "None"
