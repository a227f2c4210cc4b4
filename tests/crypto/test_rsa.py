"""RSA: sizes are bounded before a signature is checked."""

from __future__ import annotations

from unittest import mock

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicNumbers, generate_private_key
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pstack.crypto import der, rsa
from p2pstack.errors import ConfigError, DecodeError
from tests.vectors import load

PAIR = next(pair for pair in load("keys")["spec_pairs"] if pair["type"] == "rsa")
PUBLIC = rsa.load_public(bytes.fromhex(PAIR["public_data"]))
KEY_1024 = generate_private_key(public_exponent=65_537, key_size=1024)


def public_of(bits: int, exponent: int = 65_537) -> bytes:
    """A public key with a modulus of ``bits`` bits: no product of primes, which nobody can tell by looking."""
    return der.public_data(RSAPublicNumbers(exponent, (1 << bits - 1) | 1).public_key())


@settings(max_examples=20)
@given(st.binary(max_size=600))
def test_verify_takes_any_bytes(signature: bytes) -> None:
    assert rsa.verify(PUBLIC, b"message", signature) is False


def test_generated_keys_sign() -> None:
    data = rsa.generate()
    private = rsa.load_private(data)
    assert rsa.private_data(private) == data
    assert private.key_size == rsa.MIN_BITS
    public = rsa.load_public(rsa.public_data(private))
    signature = rsa.sign(private, b"message")
    assert len(signature) == 256
    assert rsa.verify(public, b"message", signature)
    assert not rsa.verify(public, b"another", signature)


@pytest.mark.parametrize("bits", [0, 1024, 2047, 8193])
def test_sizes_to_generate_are_bounded(bits: int) -> None:
    with pytest.raises(ConfigError):
        rsa.generate(bits)


@pytest.mark.req("PEERID-05")
@pytest.mark.parametrize("bits", [2048, 3072, 4096, 8192])
def test_allowed_sizes(bits: int) -> None:
    assert rsa.load_public(public_of(bits)).key_size == bits


@pytest.mark.req("PEERID-05")
@pytest.mark.parametrize("bits", [1024, 2047, 8193, 8200])
def test_refused_sizes(bits: int) -> None:
    with pytest.raises(DecodeError, match=f"{bits} bits is not within") as caught:
        rsa.load_public(public_of(bits))
    assert caught.value.requirement == "PEERID-05"


@pytest.mark.req("PEERID-05", "GEN-02")
def test_a_huge_key_is_not_even_parsed() -> None:
    data = public_of(16_384)
    with mock.patch.object(der, "load_der_public_key", side_effect=AssertionError), pytest.raises(DecodeError):
        rsa.load_public(data)


@pytest.mark.req("PEERID-05")
def test_a_huge_exponent_is_refused() -> None:
    assert rsa.load_public(public_of(2048, 2**31 - 1)).public_numbers().e == 2**31 - 1
    for exponent in (2**31 + 1, 2**1000 + 1):
        with pytest.raises(DecodeError, match="exponent"):
            rsa.load_public(public_of(2048, exponent))


@pytest.mark.req("PEERID-05")
def test_a_small_private_key_is_refused() -> None:
    with pytest.raises(DecodeError, match="1024 bits is not within"):
        rsa.load_private(der.private_data(KEY_1024))


@pytest.mark.req("PEERID-05")
def test_other_kinds_are_refused() -> None:
    other = ec.derive_private_key(5, ec.SECP256R1())
    with pytest.raises(DecodeError, match="not an RSA key"):
        rsa.load_public(der.public_data(other.public_key()))
    with pytest.raises(DecodeError, match="not an RSA key"):
        rsa.load_private(der.private_data(other))
