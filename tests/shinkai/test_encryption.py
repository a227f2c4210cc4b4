"""Bodies and contents, encrypted by the real code and by ours; what is broken is refused with its reason."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from p2pstack.crypto import aead
from p2pstack.errors import LocalError
from p2pstack.shinkai import encryption, json_form
from p2pstack.shinkai.errors import (
    BadCiphertext,
    InvalidKey,
    MalformedMessage,
    MessageError,
    Undecryptable,
    UnknownSchema,
)
from p2pstack.shinkai.keys import EncryptionPublicKey, NodeKeys
from p2pstack.shinkai.message import EncryptedBody, EncryptedData, ShinkaiBody, ShinkaiData, ShinkaiMessage
from p2pstack.shinkai.schemas import MessageSchemaType
from tests.shinkai.messages import ALICE, BOB, MESSAGES, PROFILE, bodies, builder, encrypted_alike, entropy, label
from tests.vectors import load

VECTORS: dict[str, Any] = load("shinkai")
ENCRYPTED = [vector for vector in MESSAGES if encrypted_alike(vector)]
CONTENT = ShinkaiData("hello", MessageSchemaType.TEXT_CONTENT)
Json = dict[str, Any]


def read(text: str) -> ShinkaiMessage:
    return json_form.decode(text.encode())


def nonce_of(content: str, offset: int) -> Any:
    """An entropy source that gives the nonce with which ``content`` was encrypted."""
    data = bytes.fromhex(content.partition(":")[2])
    return lambda size: data[offset : offset + size]


@pytest.mark.req("SHK-19", "SHK-20", "SHK-21")
@pytest.mark.parametrize("vector", ENCRYPTED, ids=label)
def test_messages_that_the_real_crate_encrypted(vector: Json) -> None:
    message = read(vector["wire_json"])
    if "body_key" in vector:
        secret, sender = BOB.encryption, ALICE.encryption.public
        assert secret.exchange(sender).hex() == vector["body_key"]["x25519_shared_secret"]
        assert encryption.cipher_key(secret, sender).hex() == vector["body_key"]["chacha_key_blake3_of_shared"]
        assert isinstance(message.body, EncryptedBody)
        encrypted_body = message.body
        message = encryption.decrypt_outer(message, secret, sender)
        assert message == read(vector["after_outer_decrypt_json"])
        nonce = nonce_of(encrypted_body.content, 0)
        body = message.readable_body
        assert encryption.encrypt_body(body, ALICE.encryption, BOB.encryption.public, nonce) == encrypted_body
    if "data_key" in vector:
        recipient = PROFILE if "body_key" in vector else BOB
        key = encryption.cipher_key(recipient.encryption, ALICE.encryption.public)
        assert key.hex() == vector["data_key"]["chacha_key_blake3_of_shared"]
        encrypted = message.readable_body.message_data
        assert encrypted == EncryptedData(vector["encrypted_data_content"])
        message = encryption.decrypt_inner(message, recipient.encryption, ALICE.encryption.public)
        assert message == read(vector["after_inner_decrypt_json"])
        nonce = nonce_of(vector["encrypted_data_content"], 16)
        again = encryption.encrypt_content(message.data, ALICE.encryption, recipient.encryption.public, nonce)
        assert again == encrypted


@pytest.mark.req("SHK-20", "SHK-21")
@pytest.mark.parametrize("vector", ENCRYPTED, ids=label)
def test_the_sender_reads_its_own_messages(vector: Json) -> None:
    message = read(vector["wire_json"])
    if "body_key" in vector:
        message = encryption.decrypt_outer(message, ALICE.encryption, BOB.encryption.public)
    if "data_key" in vector:
        recipient = PROFILE if "body_key" in vector else BOB
        message = encryption.decrypt_inner(message, ALICE.encryption, recipient.encryption.public)
    last = vector["after_inner_decrypt_json" if "data_key" in vector else "after_outer_decrypt_json"]
    assert message == read(last)


@pytest.mark.req("SHK-20", "SHK-21")
@pytest.mark.parametrize("vector", VECTORS["repo_interop_vectors"], ids=lambda vector: vector["kind"])
def test_ciphertexts_of_the_typescript_library(vector: Json) -> None:
    secret = NodeKeys.unsafe_deterministic(0).encryption
    sender = EncryptionPublicKey.from_hex(vector["sender_public"])
    assert secret.exchange(sender).hex() == vector["keys"]["x25519_shared_secret"]
    expected = vector["plaintext_by_real_crate"]
    if vector["kind"] == "body":
        body = encryption.decrypt_body(EncryptedBody(vector["content"]), secret, sender)
        assert json_form.body_value(body) == expected
    else:
        data = encryption.decrypt_content(EncryptedData(vector["content"]), secret, sender)
        assert data.message_raw_content == expected["message_raw_content"]
        assert data.message_content_schema == expected["message_content_schema"]


@pytest.mark.req("SHK-22")
@pytest.mark.parametrize("case", VECTORS["bad_ciphertexts"]["vectors"], ids=lambda case: case["case"])
def test_ciphertexts_that_the_real_crate_judged(case: Json) -> None:
    encrypted = EncryptedBody(case["content"])
    if case["ok"]:
        body = encryption.decrypt_body(encrypted, BOB.encryption, ALICE.encryption.public)
        assert body.internal_metadata.inbox == "inbox::@@alice.shinkai/main::@@bob.shinkai/main::false"
        return
    expected = Undecryptable if "Decryption failure" in case["error"] else BadCiphertext
    with pytest.raises(expected):
        encryption.decrypt_body(encrypted, BOB.encryption, ALICE.encryption.public)


@pytest.mark.req("SHK-22")
@pytest.mark.parametrize(
    "content",
    ["", "encrypted", "encrypted:", "Encrypted:00", "encrypted:0", "encrypted:0g", "encrypted: 00", "encrypted:é", "00"]
    + [f"encrypted:{'00' * size}" for size in (1, 11, 12, 27, 35, 43)],
)
def test_frames_on_which_the_original_panics_or_fails(content: str) -> None:
    body_expected = Undecryptable if len(content) > len("encrypted:") + 55 else BadCiphertext
    with pytest.raises(body_expected):
        encryption.decrypt_body(EncryptedBody(content), BOB.encryption, ALICE.encryption.public)
    with pytest.raises(BadCiphertext) as caught:
        encryption.decrypt_content(EncryptedData(content), BOB.encryption, ALICE.encryption.public)
    assert caught.value.reason == "bad-ciphertext"


@pytest.mark.req("SHK-22")
def test_what_follows_another_colon_is_skipped() -> None:
    body = builder().text("x").build().readable_body
    encrypted = encryption.encrypt_body(body, ALICE.encryption, BOB.encryption.public, entropy)
    longer = EncryptedBody(encrypted.content + ":zz:")
    assert encryption.decrypt_body(longer, BOB.encryption, ALICE.encryption.public) == body


def with_length(encrypted: EncryptedData, length: int, *, place: int = 0) -> EncryptedData:
    data = bytearray.fromhex(encrypted.content.partition(":")[2])
    data[place : place + 8] = length.to_bytes(8, "little")
    return EncryptedData(f"encrypted:{data.hex()}")


@pytest.mark.req("SHK-21", "SHK-22")
def test_the_length_of_a_content_is_checked() -> None:
    def decrypt(encrypted: EncryptedData) -> ShinkaiData:
        return encryption.decrypt_content(encrypted, BOB.encryption, ALICE.encryption.public)

    encrypted = encryption.encrypt_content(CONTENT, ALICE.encryption, BOB.encryption.public, entropy)
    assert decrypt(encrypted) == CONTENT
    for length in (17, 2**32, 2**64 - 1):
        with pytest.raises(BadCiphertext, match="in 16"):
            decrypt(with_length(encrypted, length))
    with pytest.raises(UnknownSchema):
        decrypt(with_length(encrypted, 4))
    assert decrypt(with_length(encrypted, 16)) == ShinkaiData("helloTextContent", MessageSchemaType.EMPTY)
    assert decrypt(with_length(encrypted, 2**64 - 1, place=8)) == CONTENT
    accent = replace(CONTENT, message_raw_content="é")
    cut = encryption.encrypt_content(accent, ALICE.encryption, BOB.encryption.public, entropy)
    with pytest.raises(BadCiphertext, match="UTF-8"):
        decrypt(with_length(cut, 1))


@pytest.mark.req("SHK-16", "SHK-21")
def test_every_schema_but_one_can_be_decrypted() -> None:
    for schema in MessageSchemaType:
        data = ShinkaiData("x", schema)
        encrypted = encryption.encrypt_content(data, ALICE.encryption, BOB.encryption.public, entropy)
        if schema is MessageSchemaType.ENCRYPTED_FILE_CONTENT:
            with pytest.raises(UnknownSchema):
                encryption.decrypt_content(encrypted, BOB.encryption, ALICE.encryption.public)
        else:
            assert encryption.decrypt_content(encrypted, BOB.encryption, ALICE.encryption.public) == data


@pytest.mark.req("SHK-22")
def test_another_recipient_or_sender_key_is_told() -> None:
    message = (
        builder().text("x").encrypt_content_for(BOB.encryption.public).encrypt_body_for(BOB.encryption.public).build()
    )
    for secret, public in ((PROFILE.encryption, ALICE.encryption.public), (BOB.encryption, PROFILE.encryption.public)):
        with pytest.raises(Undecryptable) as caught:
            encryption.decrypt_outer(message, secret, public)
        assert caught.value.reason == "wrong-key-or-tampered"
        opened = encryption.decrypt_outer(message, BOB.encryption, ALICE.encryption.public)
        with pytest.raises(Undecryptable):
            encryption.decrypt_inner(opened, secret, public)


@pytest.mark.req("SHK-19")
def test_a_key_of_low_order_encrypts_nothing() -> None:
    zero = EncryptionPublicKey(bytes(32))
    with pytest.raises(InvalidKey):
        encryption.encrypt_content(CONTENT, ALICE.encryption, zero, entropy)
    with pytest.raises(InvalidKey):
        encryption.decrypt_body(EncryptedBody("encrypted:" + "00" * 40), ALICE.encryption, zero)


@pytest.mark.req("SHK-20")
@pytest.mark.parametrize("plaintext", [b"", b"{}", b"\xff", b"[" * 200, b"null"])
def test_a_plaintext_that_is_no_body(plaintext: bytes) -> None:
    key = encryption.cipher_key(ALICE.encryption, BOB.encryption.public)
    sealed = bytes(12) + aead.aead(key).encrypt(bytes(12), plaintext, None)
    with pytest.raises(MessageError) as caught:
        encryption.decrypt_body(EncryptedBody(f"encrypted:{sealed.hex()}"), BOB.encryption, ALICE.encryption.public)
    assert caught.value.reason in {"malformed", "too-deep"}
    assert isinstance(caught.value, MalformedMessage) == (len(plaintext) < 200)


def test_what_is_not_encrypted_stays_as_it_is() -> None:
    message = builder().text("hello").build()
    assert encryption.decrypt_outer(message, BOB.encryption, ALICE.encryption.public) is message
    assert encryption.decrypt_inner(message, BOB.encryption, ALICE.encryption.public) is message


def test_a_source_of_short_nonces_is_refused() -> None:
    with pytest.raises(LocalError, match="11 bytes instead of 12"):
        encryption.encrypt_content(CONTENT, ALICE.encryption, BOB.encryption.public, lambda size: bytes(size - 1))


@given(bodies, st.text(max_size=50), st.sampled_from(MessageSchemaType))
def test_any_body_and_content_survives(body: ShinkaiBody, text: str, schema: MessageSchemaType) -> None:
    assume(schema is not MessageSchemaType.ENCRYPTED_FILE_CONTENT)
    to_bob, from_alice = BOB.encryption.public, ALICE.encryption.public
    sealed = encryption.encrypt_body(body, ALICE.encryption, to_bob, entropy)
    assert encryption.decrypt_body(sealed, BOB.encryption, from_alice) == body
    data = ShinkaiData(text, schema)
    hidden = encryption.encrypt_content(data, ALICE.encryption, to_bob, entropy)
    assert encryption.decrypt_content(hidden, BOB.encryption, from_alice) == data


@given(st.text(max_size=60) | st.builds(lambda data: f"encrypted:{data.hex()}", st.binary(max_size=80)))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(MessageError):
        encryption.decrypt_body(EncryptedBody(text), BOB.encryption, ALICE.encryption.public)
    with pytest.raises(MessageError):
        encryption.decrypt_content(EncryptedData(text), BOB.encryption, ALICE.encryption.public)


@given(st.data())
def test_a_flipped_bit_is_seen(data: st.DataObject) -> None:
    encrypted = encryption.encrypt_content(CONTENT, ALICE.encryption, BOB.encryption.public, entropy)
    raw = bytearray.fromhex(encrypted.content.partition(":")[2])
    raw[data.draw(st.integers(16, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(Undecryptable):
        changed = EncryptedData(f"encrypted:{raw.hex()}")
        encryption.decrypt_content(changed, BOB.encryption, ALICE.encryption.public)
