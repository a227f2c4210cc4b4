"""By what messages are known again."""

from __future__ import annotations

import string
from dataclasses import replace

import pytest

from p2pstack.shinkai import json_form
from p2pstack.shinkai.message import NodeApiData
from p2pstack.shinkai.storage.replay import message_key
from tests.shinkai.messages import MESSAGES, builder


@pytest.mark.req("SHK-46")
def test_all_messages_of_the_real_crate_have_keys_of_their_own() -> None:
    keys = [message_key(json_form.decode(vector["wire_json"].encode())) for vector in MESSAGES]
    assert len(set(keys)) == len({vector["wire_json"] for vector in MESSAGES}) > 10
    assert all(len(key) == 64 and set(key) <= set(string.hexdigits.lower()) for key in keys)


@pytest.mark.req("SHK-46")
def test_a_copy_has_the_same_key_however_it_is_written() -> None:
    message = builder().text("hello").build()
    key = message_key(message)
    noted = message.with_node_api_data(NodeApiData(parent_hash="a", node_message_hash="b", node_timestamp="c"))
    upper = message.external_metadata.signature.upper()
    assert message_key(noted) == key
    assert message_key(json_form.decode(b" " + json_form.encode(message) + b"\n")) == key
    assert message_key(replace(message, external_metadata=replace(message.external_metadata, signature=upper))) == key


@pytest.mark.req("SHK-46")
def test_a_copied_signature_does_not_stand_for_the_real_message() -> None:
    message = builder().text("hello").build()
    forged = builder().text("not hello").build()
    forged = replace(
        forged,
        external_metadata=replace(forged.external_metadata, signature=message.external_metadata.signature),
    )
    other = replace(message, external_metadata=replace(message.external_metadata, signature="00" * 64))
    assert len({message_key(message), message_key(forged), message_key(other)}) == 3
