"""Keys: the four pairs of the specification, go's verdicts on bad ones, and that no secret is shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import ConfigError, DecodeError
from p2pstack.identity.keys import KeyType, PrivateKey, PublicKey
from p2pstack.wire.pb import keys_pb2
from tests.vectors import load

VECTORS = load("keys")
KEY_CASES = [case for case in VECTORS["decode_cases"] if case["kind"] in {"public", "private"}]

STRICTER_THAN_GO = {"Ed25519 private, public half does not belong to the seed"}
"""PEERID-04: go signs with such a key, and each signature gives the key away."""


def by_type(case: dict[str, str]) -> str:
    return case["type"]


@pytest.mark.req("PEERID-01", "PEERID-02", "PEERID-04", "PEERID-05", "PEERID-06", "PEERID-07", "PEERID-08")
@pytest.mark.parametrize("pair", VECTORS["spec_pairs"], ids=by_type)
def test_key_pairs_of_the_specification(pair: dict[str, str]) -> None:
    private = PrivateKey.from_protobuf(bytes.fromhex(pair["private_protobuf"]))
    public = PublicKey.from_protobuf(bytes.fromhex(pair["public_protobuf"]))
    assert private.type is public.type is KeyType[pair["type"].upper()]
    assert private.public_key == public
    assert public.data.hex() == pair["public_data"]
    assert private.to_protobuf().hex() == pair["private_protobuf"]
    assert public.to_protobuf().hex() == pair["public_protobuf"]
    assert str(public.peer_id) == str(private.peer_id) == pair["peer_id_text"]


@pytest.mark.req("PEERID-04", "PEERID-05", "PEERID-06", "PEERID-07")
@pytest.mark.parametrize("pair", VECTORS["spec_pairs"], ids=by_type)
def test_signatures_of_go(pair: dict[str, str]) -> None:
    private = PrivateKey.from_protobuf(bytes.fromhex(pair["private_protobuf"]))
    message, signature = bytes.fromhex(pair["message"]), bytes.fromhex(pair["signature"])
    assert private.public_key.verify(message, signature)
    assert not private.public_key.verify(message + b"!", signature)
    assert not private.public_key.verify(message, signature[:-1])
    assert not private.public_key.verify(message, signature + b"\0")
    ours = private.sign(message)
    assert private.public_key.verify(message, ours)
    if private.type in {KeyType.ED25519, KeyType.RSA}:  # go's secp256k1 is deterministic too, ours is not
        assert ours == signature


@pytest.mark.req("PEERID-12")
@pytest.mark.parametrize("case", VECTORS["seeds"], ids=lambda case: case["note"])
def test_keys_of_seeds(case: dict[str, str]) -> None:
    private = PrivateKey.from_seed(bytes.fromhex(case["seed"]))
    assert private.to_protobuf().hex() == case["private_protobuf"]
    assert private.public_key.to_protobuf().hex() == case["public_protobuf"]
    assert str(private.peer_id) == case["peer_id_text"]


@pytest.mark.req("PEERID-01", "PEERID-03", "PEERID-04")
@pytest.mark.parametrize("case", KEY_CASES, ids=lambda case: case["note"])
def test_keys_that_go_accepts_and_refuses(case: dict[str, str]) -> None:
    key_class = PublicKey if case["kind"] == "public" else PrivateKey
    data = bytes.fromhex(case["hex"])
    if "go_error" in case or case["note"] in STRICTER_THAN_GO:
        with pytest.raises(DecodeError) as caught:
            key_class.from_protobuf(data)
        assert caught.value.requirement.startswith("PEERID-")
    else:
        assert str(key_class.from_protobuf(data).peer_id) == case["go_peer_id"]


@pytest.mark.req("PEERID-03")
def test_what_is_written_is_canonical_whatever_was_read() -> None:
    canonical = PrivateKey.from_seed(bytes(32)).public_key.to_protobuf()
    for data in (canonical[2:] + canonical[:2], canonical + b"\x1a\x01\x00", b"\x08\x00" + canonical):
        key = PublicKey.from_protobuf(data)
        assert key.to_protobuf() == canonical


@pytest.mark.req("PEERID-04")
def test_the_long_form_of_a_private_key_is_written_short() -> None:
    key = PrivateKey.from_seed(bytes(32))
    public = key.public_key.data
    assert (
        PrivateKey.from_protobuf(b"\x08\x01\x12\x60" + bytes(32) + public + public).to_protobuf() == key.to_protobuf()
    )


@pytest.mark.req("PEERID-02")
@pytest.mark.parametrize("key_type", list(KeyType), ids=lambda key_type: key_type.name)
def test_generated_keys(key_type: KeyType) -> None:
    key = PrivateKey.generate(key_type)
    assert key.type is key.public_key.type is key_type
    again = PrivateKey.from_protobuf(memoryview(key.to_protobuf()))
    assert again.public_key == key.public_key
    assert PublicKey.from_protobuf(bytearray(key.public_key.to_protobuf())) == key.public_key
    assert key.public_key.verify(b"message", again.sign(b"message"))
    assert PrivateKey.generate(key_type).peer_id != key.peer_id
    encoded = key.public_key.to_protobuf()
    assert encoded[:3] == bytes((8, key_type, 0x12))


def test_entropy_can_be_handed_in() -> None:
    assert PrivateKey.generate(entropy=bytes).peer_id == PrivateKey.from_seed(bytes(32)).peer_id
    assert PrivateKey.generate().peer_id != PrivateKey.generate().peer_id


@given(st.binary(max_size=80))
def test_garbage_is_refused_or_a_key(data: bytes) -> None:
    for key_class in (PublicKey, PrivateKey):
        with pytest.raises(DecodeError):
            key_class.from_protobuf(data)


@given(st.sampled_from(list(KeyType)), st.binary(max_size=300))
def test_data_of_no_key_is_refused(key_type: KeyType, data: bytes) -> None:
    try:
        key = PublicKey(key_type, data)
    except DecodeError:
        return
    assert key.data == data
    assert not key.verify(b"message", b"signature")


def test_a_key_inside_another_message() -> None:
    key = PrivateKey.from_seed(bytes(32)).public_key
    message = keys_pb2.PublicKey(type=keys_pb2.ED25519, data=key.data)
    assert PublicKey.from_message(message) == key
    with pytest.raises(DecodeError, match="no type"):
        PublicKey.from_message(keys_pb2.PublicKey())


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_public_keys_are_equal_by_kind_and_bytes(a: bytes, b: bytes) -> None:
    x, y = PublicKey(KeyType.ED25519, a), PublicKey(KeyType.ED25519, b)
    assert (x == y) == (a == b)
    assert x == PublicKey(KeyType.ED25519, a)
    assert hash(x) == hash(PublicKey(KeyType.ED25519, a))
    assert x != a


def test_a_peer_id_is_made_once() -> None:
    key = PrivateKey.from_seed(bytes(32)).public_key
    assert key.peer_id is key.peer_id


@pytest.mark.parametrize("key_type", list(KeyType), ids=lambda key_type: key_type.name)
def test_nothing_that_is_printed_shows_the_secret(key_type: KeyType) -> None:
    key = PrivateKey.generate(key_type)
    secret = key.to_protobuf()[4:]
    for text in (repr(key), str(key), f"{key}"):
        assert text == f"<PrivateKey {key_type.name} of {key.peer_id}>"
    for shown in (secret.hex(), repr(secret)[2:-1]):
        assert shown not in repr(key)
    assert repr(key.public_key) == f"<PublicKey {key_type.name} of {key.peer_id}>"


def test_a_bad_private_key_is_not_shown_by_its_error() -> None:
    data = PrivateKey.generate().to_protobuf()
    with pytest.raises(DecodeError) as caught:
        PrivateKey.from_protobuf(data[:-1] + bytes((data[-1] ^ 1,)))
    assert data[4:36].hex() not in str(caught.value)


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_seed_of_another_length_is_the_callers_mistake(size: int) -> None:
    with pytest.raises(ConfigError):
        PrivateKey.from_seed(bytes(size))
