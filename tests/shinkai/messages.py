"""Messages for tests: the vectors of the real code, test keys, and strategies for any message there can be."""

from __future__ import annotations

import random
from typing import Any

from hypothesis import strategies as st

from p2pstack.shinkai.builder import ShinkaiMessageBuilder
from p2pstack.shinkai.keys import NodeKeys
from p2pstack.shinkai.message import (
    EncryptedBody,
    EncryptedData,
    EncryptionMethod,
    ExternalMetadata,
    InternalMetadata,
    NodeApiData,
    ShinkaiBody,
    ShinkaiData,
    ShinkaiMessage,
    ShinkaiVersion,
)
from p2pstack.shinkai.schemas import MessageSchemaType
from tests.vectors import load

ALICE = NodeKeys.unsafe_deterministic(0)
BOB = NodeKeys.unsafe_deterministic(1)
PROFILE = NodeKeys.unsafe_deterministic(2)
"""The keys of Bob's profile, in the vector that encrypts both layers."""

TIME = "2025-06-02T12:34:56.789Z"
MESSAGES: list[dict[str, Any]] = load("shinkai")["messages"]

entropy = random.Random(1).randbytes


def builder(sender: str = "@@alice.shinkai", recipient: str = "@@bob.shinkai") -> ShinkaiMessageBuilder:
    return ShinkaiMessageBuilder(ALICE, sender, recipient, time=TIME, entropy=entropy)


def label(vector: dict[str, Any]) -> str:
    name: str = vector["label"]
    return name


def encrypted_alike(vector: dict[str, Any]) -> bool:
    return any(key in vector for key in ("body_key", "data_key"))


texts = st.text(max_size=30)
"""Any Unicode; hypothesis leaves out halves of surrogate pairs, which no message can hold."""

api_data = st.builds(NodeApiData, parent_hash=texts, node_message_hash=texts, node_timestamp=texts)
internal = st.builds(
    InternalMetadata,
    sender_subidentity=texts,
    recipient_subidentity=texts,
    inbox=texts,
    signature=texts,
    encryption=st.sampled_from(EncryptionMethod),
    node_api_data=st.none() | api_data,
)
external = st.builds(
    ExternalMetadata,
    sender=texts,
    recipient=texts,
    scheduled_time=texts,
    signature=texts,
    intra_sender=texts,
    other=texts,
)
contents = st.builds(ShinkaiData, texts, st.sampled_from(MessageSchemaType))
bodies = st.builds(ShinkaiBody, contents | st.builds(EncryptedData, texts), internal)
messages = st.builds(
    ShinkaiMessage,
    body=bodies | st.builds(EncryptedBody, texts),
    external_metadata=external,
    encryption=st.sampled_from(EncryptionMethod),
    version=st.sampled_from(ShinkaiVersion),
)
json_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
