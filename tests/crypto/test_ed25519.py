"""Ed25519 against RFC 8032, and the forms of its keys."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.crypto import ed25519
from p2pstack.errors import ConfigError, DecodeError

SEEDS = st.binary(min_size=32, max_size=32)


@pytest.mark.parametrize(
    ("seed", "public", "message", "signature"),
    [
        (
            "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
            "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            "",
            "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
        ),
        (
            "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
            "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            "72",
            "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
        ),
    ],
)
def test_rfc_8032(seed: str, public: str, message: str, signature: str) -> None:
    private = ed25519.from_seed(bytes.fromhex(seed))
    assert ed25519.public_data(private).hex() == public
    assert ed25519.sign(private, bytes.fromhex(message)).hex() == signature
    assert ed25519.verify(bytes.fromhex(public), bytes.fromhex(message), bytes.fromhex(signature))


@given(SEEDS, st.binary(max_size=100), st.integers(0, 511))
def test_a_changed_bit_is_found(seed: bytes, message: bytes, bit: int) -> None:
    private = ed25519.from_seed(seed)
    public = ed25519.load_public(ed25519.public_data(private))
    signature = ed25519.sign(private, message)
    assert ed25519.verify(public, message, signature)
    changed = bytearray(signature)
    changed[bit // 8] ^= 1 << bit % 8
    assert not ed25519.verify(public, message, bytes(changed))
    assert not ed25519.verify(public, message + b"\0", signature)


@given(SEEDS, st.binary(max_size=100), st.binary(max_size=130))
def test_verify_takes_any_bytes(public: bytes, message: bytes, signature: bytes) -> None:
    assert ed25519.verify(public, message, signature) is False


def test_a_public_key_of_low_order_signs_nothing() -> None:
    neutral = b"\x01" + bytes(31)
    assert not ed25519.verify(neutral, b"any message", neutral + bytes(32))


def test_generated_keys_differ() -> None:
    first, second = ed25519.generate(), ed25519.generate()
    assert first != second
    assert ed25519.load_private(ed25519.private_data(first)) == first


@pytest.mark.req("PEERID-04")
@given(SEEDS)
def test_both_forms_of_a_private_key_are_read(seed: bytes) -> None:
    private = ed25519.from_seed(seed)
    public = ed25519.public_data(private)
    assert ed25519.load_private(seed + public) == private
    assert ed25519.load_private(seed + public + public) == private


@pytest.mark.req("PEERID-04")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda key: key[:32], "not 32"),
        (lambda key: key[:63], "not 63"),
        (lambda key: key + b"\0", "not 65"),
        (lambda key: key[:32] + bytes(32), "not the seed's"),
        (lambda key: key + bytes(32), "not the seed's"),
        (lambda key: key[:32] + bytes(32) + bytes(32), "not the seed's"),
    ],
)
def test_other_private_keys_are_refused(change: object, message: str) -> None:
    assert callable(change)
    with pytest.raises(DecodeError, match=message) as caught:
        ed25519.load_private(change(ed25519.from_seed(bytes(32))))
    assert caught.value.requirement == "PEERID-04"


@pytest.mark.req("PEERID-04")
@pytest.mark.parametrize("size", [0, 31, 33, 64])
def test_other_public_keys_are_refused(size: int) -> None:
    with pytest.raises(DecodeError, match=f"not {size}"):
        ed25519.load_public(bytes(size))


@pytest.mark.parametrize("size", [0, 31, 33])
def test_other_seeds_are_the_callers_mistake(size: int) -> None:
    with pytest.raises(ConfigError):
        ed25519.from_seed(bytes(size))
