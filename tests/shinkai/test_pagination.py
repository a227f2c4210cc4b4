"""The hash by which messages are stored."""

from __future__ import annotations

from typing import Any

import pytest

from p2pstack.shinkai import json_form
from p2pstack.shinkai.message import NodeApiData
from p2pstack.shinkai.pagination import pagination_hash
from tests.shinkai.messages import MESSAGES, builder, label


@pytest.mark.req("SHK-27")
@pytest.mark.parametrize("vector", MESSAGES, ids=label)
def test_hashes_of_the_real_crate(vector: dict[str, Any]) -> None:
    assert pagination_hash(json_form.decode(vector["wire_json"].encode())) == vector["pagination_hash_blake3"]


@pytest.mark.req("SHK-27")
def test_what_a_node_notes_does_not_change_the_hash() -> None:
    message = builder().text("hello").build()
    noted = message.with_node_api_data(NodeApiData(parent_hash="p", node_message_hash="n", node_timestamp="t"))
    assert pagination_hash(noted) == pagination_hash(message)
    assert pagination_hash(builder().text("hullo").build()) != pagination_hash(message)
