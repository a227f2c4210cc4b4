"""Keys in hex, test keys and peer ids, against the real crate."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import ConfigError, LocalError
from p2pstack.identity.keys import KeyType, PrivateKey
from p2pstack.identity.names import key_from_node_name
from p2pstack.shinkai import keys
from p2pstack.shinkai.errors import InvalidKey
from p2pstack.shinkai.keys import EncryptionPublicKey, EncryptionSecretKey, NodeKeys
from p2pstack.shinkai.names import ShinkaiName
from tests.vectors import load

VECTORS: dict[str, Any] = load("shinkai")
Json = dict[str, Any]


@pytest.mark.req("SHK-06")
@pytest.mark.parametrize("case", VECTORS["deterministic_test_keys"]["vectors"], ids=lambda case: str(case["n"]))
def test_test_keys_of_the_real_crate(case: Json) -> None:
    pair = NodeKeys.unsafe_deterministic(case["n"])
    assert keys.secret_to_hex(pair.signature) == case["signature_secret"]
    assert keys.public_to_hex(pair.signature.public_key) == case["signature_public"]
    assert keys.key_hash(pair.signature.public_key) == case["hash_signature_public_key_blake3"]
    assert pair.encryption.to_hex() == case["encryption_secret"]
    assert pair.encryption.public.to_hex() == case["encryption_public"]


@pytest.mark.req("SHK-06")
@pytest.mark.parametrize("case", VECTORS["encryption_public_from_secret"], ids=lambda case: case["encryption_public"])
def test_encryption_keys_of_the_real_crate(case: Json) -> None:
    secret = EncryptionSecretKey.from_hex(case["encryption_secret"])
    assert secret.public == EncryptionPublicKey.from_hex(case["encryption_public"])
    assert secret.to_hex() == case["encryption_secret"]


@pytest.mark.req("SHK-07")
@pytest.mark.parametrize("case", VECTORS["peer_id_from_identity_key_head"]["vectors"], ids=lambda case: case["label"])
def test_peer_ids_of_today(case: Json) -> None:
    secret = keys.secret_from_hex(case["identity_secret_key"])
    public = keys.public_from_hex(case["identity_public_key"])
    assert secret.public_key == public
    assert str(secret.peer_id) == str(public.peer_id) == case["peer_id"]
    assert keys.secret_to_hex(secret) == case["identity_secret_key"]
    assert keys.public_to_hex(public) == case["identity_public_key"]


@pytest.mark.req("SHK-08")
@pytest.mark.parametrize(
    "case", VECTORS["key_derivation_from_name_seed_era"]["vectors"], ids=lambda case: case["name"] or "empty"
)
def test_peer_ids_of_the_seed_era(case: Json) -> None:
    key = key_from_node_name(case["name"])
    assert str(key.peer_id) == case["peer_id"]
    assert keys.secret_to_hex(key) == case["seed_hex"]
    assert keys.public_to_hex(key.public_key) == case["ed25519_public_hex"]


@pytest.mark.req("SHK-08")
def test_the_key_of_a_name_is_that_of_its_lower_case() -> None:
    key = keys.key_of_name(ShinkaiName.parse("Alice"))
    assert str(key.peer_id) == "12D3KooWKLfUnvVyFhXVzTX6aAo3aQeM7qPor1cZYWtK9Rmnm5Pc"
    assert "NOT SECRET" in (keys.key_of_name.__doc__ or "")


READERS = [keys.secret_from_hex, keys.public_from_hex, EncryptionSecretKey.from_hex, EncryptionPublicKey.from_hex]


@pytest.mark.req("SHK-06")
@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("text", ["", "ab", "0" * 63, "0" * 66, " " + "0" * 64, "0x" + "0" * 62, "g" * 64, "é" * 64])
def test_what_is_no_key(read: Any, text: str) -> None:
    with pytest.raises(InvalidKey) as caught:
        read(text)
    assert caught.value.reason == "invalid-key"
    assert text not in str(caught.value) or not text


@pytest.mark.req("SHK-06")
@pytest.mark.parametrize("read", READERS)
@given(data=st.binary(min_size=32, max_size=32))
def test_digits_of_either_case_are_read(read: Any, data: bytes) -> None:
    one, two = read(data.hex()), read(data.hex().upper())
    assert repr(one) == repr(two)


@given(st.text(max_size=70))
def test_any_text_is_a_key_or_refused(text: str) -> None:
    for read in READERS:
        with pytest.raises(InvalidKey):
            read(text)


@pytest.mark.req("SHK-06")
@pytest.mark.parametrize("size", [0, 31, 33])
def test_keys_have_32_bytes(size: int) -> None:
    for kind in (EncryptionSecretKey, EncryptionPublicKey):
        with pytest.raises(InvalidKey, match=f"32 bytes, not {size}"):
            kind(bytes(size))


def test_secrets_are_not_shown() -> None:
    pair = NodeKeys.unsafe_deterministic(1)
    assert pair.encryption.to_hex() not in repr(pair)
    assert pair.encryption.public.to_hex() in repr(pair)
    assert keys.secret_to_hex(pair.signature) not in repr(pair)


def test_new_keys_take_their_entropy_from_the_argument() -> None:
    numbers = iter((1, 2))
    pair = NodeKeys.generate(lambda size: bytes([next(numbers)]) * size)
    assert keys.secret_to_hex(pair.signature) == "01" * 32
    assert pair.encryption.to_hex() == "02" * 32


@pytest.mark.req("SHK-19")
def test_both_sides_share_a_secret_and_a_point_of_low_order_shares_none() -> None:
    alice, bob = NodeKeys.unsafe_deterministic(0).encryption, NodeKeys.unsafe_deterministic(1).encryption
    assert alice.exchange(bob.public) == bob.exchange(alice.public)
    with pytest.raises(InvalidKey, match="low order"):
        alice.exchange(EncryptionPublicKey(bytes(32)))


def test_other_kinds_of_signature_keys_are_refused() -> None:
    key = PrivateKey.generate(KeyType.SECP256K1)
    calls = (
        lambda: keys.secret_to_hex(key),
        lambda: keys.public_to_hex(key.public_key),
        lambda: NodeKeys(key, EncryptionSecretKey(bytes(32))),
    )
    for call in calls:
        with pytest.raises(LocalError, match="SECP256K1"):
            call()


@pytest.mark.parametrize("number", [-1, 2**32])
def test_test_keys_have_numbers_of_32_bits(number: int) -> None:
    with pytest.raises(ConfigError, match="test key"):
        NodeKeys.unsafe_deterministic(number)
