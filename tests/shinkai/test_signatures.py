"""Signatures, their hashes and the text that is hashed, against the real crate."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import LocalError
from p2pstack.identity.keys import KeyType, PrivateKey
from p2pstack.shinkai import encryption, json_form, signatures
from p2pstack.shinkai.errors import BadSignature, StillEncrypted
from p2pstack.shinkai.keys import public_from_hex
from p2pstack.shinkai.message import NodeApiData, ShinkaiBody, ShinkaiMessage
from tests.shinkai.messages import ALICE, BOB, MESSAGES, bodies, builder, label, messages
from tests.vectors import load

SECP256K1 = PrivateKey.generate(KeyType.SECP256K1)
PUBLIC = ALICE.signature.public_key


def read(vector: dict[str, Any]) -> ShinkaiMessage:
    return json_form.decode(vector["wire_json"].encode())


def with_readable_body(vector: dict[str, Any]) -> ShinkaiMessage:
    return encryption.decrypt_outer(read(vector), BOB.encryption, ALICE.encryption.public)


def with_outer(message: ShinkaiMessage, signature: str) -> ShinkaiMessage:
    return replace(message, external_metadata=replace(message.external_metadata, signature=signature))


@pytest.mark.req("SHK-18")
@pytest.mark.parametrize("vector", MESSAGES, ids=label)
def test_outer_signatures_of_the_real_crate(vector: dict[str, Any]) -> None:
    message = read(vector)
    assert signatures.outer_text(message) == vector["outer_hashed_string"]
    assert signatures.outer_hash(message).hex() == vector["outer_hash_blake3"]
    assert message.external_metadata.signature == vector["outer_signature"]
    assert vector["outer_signature_valid_per_real_crate"]
    signatures.verify_outer(message, public_from_hex(vector["signer_public_key"]))
    assert signatures.sign_outer(with_outer(message, ""), ALICE.signature) == message


@pytest.mark.req("SHK-17")
@pytest.mark.parametrize("vector", MESSAGES, ids=label)
def test_inner_signatures_of_the_real_crate(vector: dict[str, Any]) -> None:
    message = with_readable_body(vector)
    body = message.readable_body
    assert signatures.inner_text(body) == vector["inner_hashed_string"]
    assert signatures.inner_hash(body).hex() == vector["inner_hash_blake3"]
    assert body.internal_metadata.signature == vector["inner_signature"]
    assert vector["inner_signature_valid_per_real_crate"]
    signatures.verify_inner(message, public_from_hex(vector["signer_public_key"]))
    unsigned = replace(body, internal_metadata=replace(body.internal_metadata, signature=""))
    assert signatures.sign_inner(unsigned, ALICE.signature) == body


@pytest.mark.req("SHK-18")
def test_the_hash_of_the_repository_s_own_test() -> None:
    vector = load("shinkai")["repo_hash_vector"]
    message = json_form.decode(vector["wire_json"].encode())
    assert signatures.outer_hash(message).hex() == vector["outer_hash_blake3"]


@pytest.mark.req("SHK-17", "SHK-18")
def test_what_a_node_notes_is_not_signed() -> None:
    message = builder().text("hello").build()
    noted = message.with_node_api_data(NodeApiData(parent_hash="p", node_message_hash="n", node_timestamp="t"))
    signatures.verify_outer(noted, PUBLIC)
    signatures.verify_inner(noted, PUBLIC)


@pytest.mark.req("SHK-17", "SHK-18")
def test_changes_and_other_keys_are_seen() -> None:
    message = builder().profiles("main", "main").text("hello").build()
    changed = json_form.decode(json_form.encode(message).replace(b"hello", b"hullo"))
    moved = replace(message, external_metadata=replace(message.external_metadata, recipient="@@carol.shinkai"))
    for wrong, key in ((changed, PUBLIC), (moved, PUBLIC), (message, BOB.signature.public_key)):
        with pytest.raises(BadSignature, match="outer") as caught:
            signatures.verify_outer(wrong, key)
        assert (caught.value.reason, caught.value.requirement) == ("bad-signature", "SHK-18")
    for wrong, key in ((changed, PUBLIC), (message, BOB.signature.public_key)):
        with pytest.raises(BadSignature, match="inner") as caught:
            signatures.verify_inner(wrong, key)
        assert caught.value.requirement == "SHK-17"
    signatures.verify_inner(moved, PUBLIC)


@pytest.mark.req("SHK-18")
@pytest.mark.parametrize(
    ("signature", "why"),
    [
        ("", "0 bytes"),
        ("00" * 63, "63 bytes"),
        ("0" * 127, "hex"),
        (" " * 128, "hex"),
        ("é", "hex"),
        ("00" * 64, "not that"),
    ],
)
def test_what_is_no_signature(signature: str, why: str) -> None:
    with pytest.raises(BadSignature, match=why):
        signatures.verify_outer(with_outer(builder().ack().build(), signature), PUBLIC)


@pytest.mark.req("SHK-18")
def test_a_signature_in_upper_case_is_one() -> None:
    message = builder().ack().build()
    signatures.verify_outer(with_outer(message, message.external_metadata.signature.upper()), PUBLIC)


@pytest.mark.req("SHK-17")
def test_an_encrypted_body_has_no_inner_signature_to_check() -> None:
    message = builder().text("hello").encrypt_body_for(BOB.encryption.public).build()
    with pytest.raises(StillEncrypted):
        signatures.verify_inner(message, PUBLIC)


@pytest.mark.req("SHK-17")
def test_the_inner_signature_covers_the_content_as_it_was_sent() -> None:
    message = builder().text("hello").encrypt_content_for(BOB.encryption.public).build()
    signatures.verify_inner(message, PUBLIC)
    decrypted = encryption.decrypt_inner(message, BOB.encryption, ALICE.encryption.public)
    with pytest.raises(BadSignature):
        signatures.verify_inner(decrypted, PUBLIC)


def test_other_kinds_of_keys_and_half_characters_are_refused() -> None:
    message = builder().ack().build()
    calls = (
        lambda: signatures.sign_outer(message, SECP256K1),
        lambda: signatures.sign_inner(message.readable_body, SECP256K1),
        lambda: signatures.verify_outer(message, SECP256K1.public_key),
        lambda: signatures.verify_inner(message, SECP256K1.public_key),
    )
    for call in calls:
        with pytest.raises(LocalError, match="Ed25519"):
            call()
    half = replace(message, external_metadata=replace(message.external_metadata, other="\ud800"))
    with pytest.raises(LocalError, match="Unicode"):
        signatures.sign_outer(half, ALICE.signature)
    with pytest.raises(BadSignature, match="surrogate"):
        signatures.verify_outer(half, PUBLIC)


@given(messages)
def test_any_message_can_be_signed_and_verified(message: ShinkaiMessage) -> None:
    signed = signatures.sign_outer(message, ALICE.signature)
    signatures.verify_outer(signed, PUBLIC)
    signatures.verify_outer(json_form.decode(json_form.encode(signed)), PUBLIC)
    with pytest.raises(BadSignature):
        signatures.verify_outer(signed, BOB.signature.public_key)


@given(bodies, st.text(max_size=130))
def test_any_body_can_be_signed_and_no_text_is_a_signature(body: ShinkaiBody, text: str) -> None:
    metadata = builder().build().external_metadata
    signed = ShinkaiMessage(body=signatures.sign_inner(body, ALICE.signature), external_metadata=metadata)
    signatures.verify_inner(signed, PUBLIC)
    with pytest.raises(BadSignature):
        signatures.verify_outer(with_outer(signed, text), PUBLIC)
