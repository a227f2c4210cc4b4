"""secp256k1: the forms of its keys and its signatures."""

from __future__ import annotations

import pytest
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.crypto import secp256k1
from p2pstack.errors import DecodeError

ONE = (1).to_bytes(32, "big")
GENERATOR = bytes.fromhex("0279be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f81798")


def test_the_key_one_is_the_generator() -> None:
    private = secp256k1.load_private(ONE)
    assert secp256k1.public_data(private) == GENERATOR
    assert secp256k1.private_data(private) == ONE


@pytest.mark.req("PEERID-06")
@given(st.integers(1, secp256k1.ORDER - 1), st.binary(max_size=100))
def test_signatures_have_a_low_s(number: int, message: bytes) -> None:
    private = secp256k1.load_private(number.to_bytes(32, "big"))
    public = secp256k1.load_public(secp256k1.public_data(private))
    signature = secp256k1.sign(private, message)
    assert secp256k1.verify(public, message, signature)
    assert not secp256k1.verify(public, message + b"\0", signature)
    _, s = decode_dss_signature(signature)
    assert s <= secp256k1.ORDER // 2


@pytest.mark.req("PEERID-06")
def test_a_high_s_is_accepted_as_in_go() -> None:
    private = secp256k1.load_private(ONE)
    r, s = decode_dss_signature(secp256k1.sign(private, b"message"))
    high = encode_dss_signature(r, secp256k1.ORDER - s)
    assert secp256k1.verify(secp256k1.load_public(GENERATOR), b"message", high)


@given(st.binary(max_size=80))
def test_verify_takes_any_bytes(signature: bytes) -> None:
    assert secp256k1.verify(secp256k1.load_public(GENERATOR), b"message", signature) is False


def test_a_signature_with_bytes_behind_it_is_refused() -> None:
    signature = secp256k1.sign(secp256k1.load_private(ONE), b"message")
    assert not secp256k1.verify(secp256k1.load_public(GENERATOR), b"message", signature + b"\0")


def test_generated_keys_differ() -> None:
    first, second = secp256k1.generate(), secp256k1.generate()
    assert first != second
    assert secp256k1.private_data(secp256k1.load_private(first)) == first


@pytest.mark.req("PEERID-06")
@pytest.mark.parametrize(
    "data",
    [b"", ONE[1:], b"\0" + ONE, bytes(32), secp256k1.ORDER.to_bytes(32, "big"), b"\xff" * 32],
    ids=["empty", "31 bytes", "33 bytes", "zero", "the order", "above the order"],
)
def test_other_private_keys_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        secp256k1.load_private(data)
    assert caught.value.requirement == "PEERID-06"


@pytest.mark.req("PEERID-06")
@pytest.mark.parametrize(
    "data",
    [b"", GENERATOR[1:], GENERATOR + b"\0", b"\x04" + GENERATOR[1:], b"\x02" + bytes([0xFF] * 32), b"\x02" + bytes(32)],
    ids=["empty", "no prefix", "34 bytes", "prefix of 65 bytes", "above p", "no point"],
)
def test_other_public_keys_are_refused(data: bytes) -> None:
    with pytest.raises(DecodeError) as caught:
        secp256k1.load_public(data)
    assert caught.value.requirement == "PEERID-06"
