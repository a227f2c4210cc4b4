"""X25519 against RFC 7748 and go's Noise keys; points of low order are refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.crypto import x25519
from p2pstack.errors import DecodeError
from tests.vectors import load

ALICE = bytes.fromhex("77076d0a7318a57d3c16c17251b26645df4c2f87ebc0992ab177fba51db92c2a")
BOB = bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
LOW_ORDER = [
    "0000000000000000000000000000000000000000000000000000000000000000",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  # p - 1
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  # p
    "eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",  # p + 1
]


def test_rfc_7748_key_agreement() -> None:
    alice, bob = x25519.public_key(ALICE), x25519.public_key(BOB)
    assert alice.hex() == "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"
    assert bob.hex() == "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f"
    secret = x25519.exchange(ALICE, bob)
    assert secret.hex() == "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742"
    assert x25519.exchange(BOB, alice) == secret


def test_rfc_7748_iterated_once() -> None:
    nine = bytes((9,)) + bytes(31)
    result = x25519.exchange(nine, nine)
    assert result.hex() == "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079"


@pytest.mark.parametrize("side", ["initiator", "responder"])
def test_static_keys_of_go(side: str) -> None:
    vectors = load("noise")["with_stream_muxers"]
    private = bytes.fromhex(vectors[f"static_private_{side}"])
    assert x25519.public_key(private).hex() == vectors[f"static_public_{side}"]


@given(st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32))
def test_both_sides_get_the_same_secret(a: bytes, b: bytes) -> None:
    secret = x25519.exchange(a, x25519.public_key(b))
    assert secret == x25519.exchange(b, x25519.public_key(a))
    assert len(secret) == x25519.KEY_SIZE


def test_generate_takes_its_entropy_from_the_argument() -> None:
    asked = []

    def entropy(size: int) -> bytes:
        asked.append(size)
        return bytes(range(size))

    assert x25519.generate(entropy) == (bytes(range(32)), x25519.public_key(bytes(range(32))))
    assert asked == [32]


@pytest.mark.req("NOISE-11")
@pytest.mark.parametrize("point", LOW_ORDER)
@pytest.mark.parametrize("high_bit", [0x00, 0x80])
def test_points_of_low_order_are_refused(point: str, high_bit: int) -> None:
    public = bytearray.fromhex(point)
    public[31] |= high_bit  # ignored by X25519
    with pytest.raises(x25519.LowOrderPoint) as caught:
        x25519.exchange(ALICE, bytes(public))
    assert isinstance(caught.value, DecodeError)
    assert caught.value.requirement == "NOISE-11"


@pytest.mark.parametrize("size", [0, 31, 33])
def test_a_public_key_of_another_length_is_refused(size: int) -> None:
    with pytest.raises(DecodeError, match=f"32 bytes, not {size}"):
        x25519.exchange(ALICE, bytes(size))
