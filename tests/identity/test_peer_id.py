"""Peer ids: go's and the specification's vectors, and where we are stricter than go."""

from __future__ import annotations

import hashlib
import pickle

import base58
import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import DecodeError
from p2pstack.identity.keys import KeyType, PrivateKey, PublicKey
from p2pstack.identity.peer_id import MAX_INLINE, MAX_TEXT, PeerId
from tests.vectors import load

VECTORS = load("keys")
BYTE_CASES = [case for case in VECTORS["decode_cases"] if case["kind"] == "peer_id"]

STRICTER_THAN_GO = {"peer id, sha2-256 with 31 bytes", "peer id, sha2-512 code", "peer id, identity with 43 bytes"}
"""PEERID-10: go takes any well-formed multihash, but no key has such an id."""

IDS = st.one_of(
    st.binary(max_size=MAX_INLINE).map(lambda digest: PeerId(bytes((0, len(digest))) + digest)),
    st.binary(min_size=32, max_size=32).map(lambda digest: PeerId(b"\x12\x20" + digest)),
)


@pytest.mark.req("PEERID-10")
@pytest.mark.parametrize("case", BYTE_CASES, ids=lambda case: case["note"])
def test_bytes_that_go_accepts_and_refuses(case: dict[str, str]) -> None:
    data = bytes.fromhex(case["hex"])
    if "go_error" in case or case["note"] in STRICTER_THAN_GO:
        with pytest.raises(DecodeError) as caught:
            PeerId.from_bytes(data)
        assert caught.value.requirement == "PEERID-10"
    else:
        assert PeerId.from_bytes(data).to_bytes() == data


@pytest.mark.req("PEERID-09")
@pytest.mark.parametrize("case", VECTORS["text_cases"], ids=lambda case: case["text"][:20] or "empty")
def test_texts_that_go_accepts_and_refuses(case: dict[str, str]) -> None:
    if "go_error" in case:
        with pytest.raises(DecodeError):
            PeerId.from_string(case["text"])
    else:
        peer_id = PeerId.from_string(case["text"])
        assert peer_id.to_bytes().hex() == case["bytes"]
        assert str(peer_id) == case["canonical_text"]


@pytest.mark.req("PEERID-08", "PEERID-09", "PEERID-12")
@pytest.mark.parametrize("case", VECTORS["seeds"] + VECTORS["spec_pairs"], ids=lambda case: case["peer_id_text"])
def test_ids_of_keys(case: dict[str, str]) -> None:
    key = PublicKey.from_protobuf(bytes.fromhex(case["public_protobuf"]))
    peer_id = PeerId.from_public_key(key)
    assert peer_id.to_bytes().hex() == case["peer_id_bytes"]
    assert str(peer_id) == case["peer_id_text"]
    assert peer_id.to_cid() == case["peer_id_cid"]
    for text in (case["peer_id_text"], case["peer_id_cid"]):
        assert PeerId.from_string(text) == peer_id
    start = {KeyType.ED25519: "12D3KooW", KeyType.SECP256K1: "16Uiu2HA"}.get(key.type, "Qm")
    assert str(peer_id).startswith(start)
    assert peer_id.public_key == (key if key.type in {KeyType.ED25519, KeyType.SECP256K1} else None)


@pytest.mark.req("PEERID-09")
def test_ids_of_the_specification() -> None:
    hashed = PeerId.from_string("QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N")
    assert PeerId.from_string("bafzbeie5745rpv2m6tjyuugywy4d5ewrqgqqhfnf445he3omzpjbx5xqxe") == hashed
    inlined = PeerId.from_string("12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA")
    assert inlined.public_key is not None
    assert inlined.public_key.peer_id == inlined


@given(IDS)
def test_every_form_is_read_back(peer_id: PeerId) -> None:
    assert PeerId.from_bytes(memoryview(peer_id.to_bytes())) == peer_id
    assert PeerId.from_string(str(peer_id)) == peer_id
    assert PeerId.from_string(peer_id.to_cid()) == peer_id
    assert bytes(peer_id) == peer_id.to_bytes() == base58.b58decode(str(peer_id))
    assert pickle.loads(pickle.dumps(peer_id)) == peer_id
    assert repr(peer_id) == f"<PeerId {peer_id}>"


@given(IDS, IDS)
def test_ids_compare_and_hash_by_their_bytes(a: PeerId, b: PeerId) -> None:
    x, y = a.to_bytes(), b.to_bytes()
    assert (a == b, a != b, a < b, a <= b, a > b, a >= b) == (x == y, x != y, x < y, x <= y, x > y, x >= y)
    assert hash(a) == hash(PeerId(x))
    assert len({a, b, PeerId(x)}) == len({x, y})


def test_ids_do_not_compare_with_other_things() -> None:
    peer_id = PeerId(b"\x00\x00")
    assert peer_id != peer_id.to_bytes()
    for compare in (PeerId.__lt__, PeerId.__le__, PeerId.__gt__, PeerId.__ge__):
        assert compare(peer_id, b"\x00\x00") is NotImplemented  # type: ignore[arg-type]


def test_the_text_is_made_once() -> None:
    peer_id = PrivateKey.from_seed(bytes(32)).peer_id
    first = str(peer_id)
    assert str(peer_id) is first


@given(st.binary(max_size=50))
def test_bytes_are_an_id_or_refused(data: bytes) -> None:
    valid = len(data) > 1 and data[1] == len(data) - 2 and (data[0] == 0 or data[:2] == b"\x12\x20")
    if valid and data[1] <= MAX_INLINE:
        assert PeerId.from_bytes(data).to_bytes() == data
    else:
        with pytest.raises(DecodeError):
            PeerId.from_bytes(data)


@given(st.text(max_size=MAX_TEXT + 10))
def test_any_text_is_an_id_or_refused(text: str) -> None:
    try:
        peer_id = PeerId.from_string(text)
    except DecodeError:
        return
    assert PeerId.from_string(str(peer_id)) == peer_id


@pytest.mark.req("PEERID-09")
@pytest.mark.parametrize(
    "text",
    [
        "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA ",
        " 12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA",
        "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5SA\n",
        "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU50A",
        "12D3KooWD3eckifWpRn9wQpMG9R9hX3sD158z7EqHWmweQAJU5Sé",
        "zQmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N",
    ],
    ids=["space behind", "space before", "newline", "a zero", "not ASCII", "bare multihash in multibase"],
)
def test_nearly_right_texts_are_refused(text: str) -> None:
    with pytest.raises(DecodeError):
        PeerId.from_string(text)


@pytest.mark.req("GEN-02")
def test_long_texts_are_not_decoded() -> None:
    with pytest.raises(DecodeError, match="too long"):
        PeerId.from_string("1" * 1_000_000)


@pytest.mark.req("PEERID-08")
def test_42_bytes_are_inlined_and_43_hashed() -> None:
    class Key:
        def __init__(self, size: int) -> None:
            self.size = size

        def to_protobuf(self) -> bytes:
            return bytes(self.size)

    assert PeerId.from_public_key(Key(42)).to_bytes() == b"\x00\x2a" + bytes(42)  # type: ignore[arg-type]
    assert PeerId.from_public_key(Key(43)).to_bytes() == b"\x12\x20" + hashlib.sha256(bytes(43)).digest()  # type: ignore[arg-type]


def test_an_id_that_holds_no_key_has_none() -> None:
    for content in (b"", b"\x08\x01", b"\x08\x01\x12\x1f" + bytes(31), b"no key"):
        assert PeerId(bytes((0, len(content))) + content).public_key is None


@pytest.mark.req("PEERID-03")
def test_a_key_in_another_encoding_is_not_the_key_of_that_id() -> None:
    key = PrivateKey.from_seed(bytes(32)).public_key
    other_order = b"\x12\x20" + key.data + b"\x08\x01"
    assert PublicKey.from_protobuf(other_order) == key
    assert PeerId(b"\x00\x24" + other_order).public_key is None
