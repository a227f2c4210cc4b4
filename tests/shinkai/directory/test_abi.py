"""The call to the registry and its answer, against eth-abi's."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import DecodeError
from p2pstack.shinkai.directory.abi import SELECTOR, ChainIdentity, decode_identity, encode_call
from tests.vectors import load

FILE = load("shinkai_registry")
VECTORS: list[dict[str, Any]] = FILE["vectors"]
NODE1 = bytes.fromhex(VECTORS[0]["returned"])


def word(number: int) -> bytes:
    return number.to_bytes(32, "big")


def changed(index: int, number: int) -> bytes:
    """The first answer with another word at ``index``."""
    return NODE1[: index * 32] + word(number) + NODE1[index * 32 + 32 :]


@pytest.mark.req("SHK-64")
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"] or "empty")
def test_calls_and_answers(vector: dict[str, Any]) -> None:
    assert FILE["keccak256"].startswith(SELECTOR.hex())
    assert encode_call(vector["name"]).hex() == vector["call"]
    nft, staked, encryption, signature, routing, addresses, delegated, updated = vector["values"]
    found = decode_identity(bytes.fromhex(vector["returned"]))
    assert found == ChainIdentity(
        bound_nft=nft,
        staked_tokens=staked,
        encryption_key=encryption,
        signature_key=signature,
        routing=routing,
        address_or_proxy_nodes=tuple(addresses),
        delegated_tokens=delegated,
        last_updated=updated,
    )
    assert found.is_empty is (vector["name"] == "")


@pytest.mark.req("SHK-64")
@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "ends too early"),
        (NODE1[:-32], "longer than"),
        (changed(0, 2**255), "points behind"),
        (changed(3, 2**255), "points behind"),
        (changed(5, 2), "neither 0 nor 1"),
        (changed(9, 2**64), "longer than"),
        (changed(15, 65), "65 texts"),
        (changed(15, 64), "points behind|longer than|ends too early"),
        (changed(10, 2**256 - 1), "not UTF-8"),
    ],
    ids=str,
)
def test_answers_that_are_none(data: bytes, why: str) -> None:
    with pytest.raises(DecodeError, match=why) as caught:
        decode_identity(data)
    assert caught.value.requirement == "SHK-64"


@pytest.mark.req("SHK-64")
@given(
    st.integers(0, len(NODE1) // 32 - 1), st.integers(0, 2**256 - 1) | st.integers(0, 700), st.integers(0, len(NODE1))
)
def test_any_other_word_and_any_cut_is_read_or_refused(index: int, number: int, size: int) -> None:
    for data in (changed(index, number), changed(index, number)[:size]):
        try:
            found = decode_identity(data)
        except DecodeError:
            continue
        assert len(found.address_or_proxy_nodes) <= 64
