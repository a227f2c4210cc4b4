"""HMAC and HKDF against the RFCs, the standard library and go's Noise handshake."""

from __future__ import annotations

import hmac

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.crypto.hkdf import MAX_LENGTH, hkdf, hkdf2, hmac_sha256
from p2pstack.errors import ConfigError
from tests.vectors import load


def test_rfc_5869_first_case() -> None:
    secret, salt, info = bytes([0x0B] * 22), bytes(range(13)), bytes(range(0xF0, 0xFA))
    assert hkdf(secret, salt, info, 42).hex() == (
        "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865"
    )


def test_rfc_5869_without_salt_and_info() -> None:
    assert hkdf(bytes([0x0B] * 22), b"", b"", 42).hex() == (
        "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8"
    )


def test_rfc_4231_key_above_the_block_size() -> None:
    message = b"Test Using Larger Than Block-Size Key - Hash Key First"
    assert hmac_sha256(bytes([0xAA] * 131), message).hex() == (
        "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
    )


@given(st.binary(max_size=200), st.binary(max_size=200))
def test_hmac_is_the_standard_librarys(key: bytes, message: bytes) -> None:
    assert hmac_sha256(key, message) == hmac.digest(key, message, "sha256")


@given(st.binary(min_size=32, max_size=32), st.binary(max_size=32))
def test_noise_outputs_are_the_first_64_bytes_of_hkdf(chaining_key: bytes, material: bytes) -> None:
    first, second = hkdf2(chaining_key, material)
    assert first + second == hkdf(material, chaining_key, b"", 64)


@pytest.mark.req("NOISE-22")
@pytest.mark.parametrize("name", ["with_stream_muxers", "without_extensions"])
def test_split_of_go(name: str) -> None:
    vectors = load("noise")[name]
    chaining_key = bytes.fromhex(vectors["intermediate"][-1]["ck"])
    first, second = hkdf2(chaining_key, b"")
    assert first.hex() == vectors["key_initiator_to_responder"]
    assert second.hex() == vectors["key_responder_to_initiator"]


@given(st.integers(0, 300))
def test_a_shorter_output_is_the_beginning_of_a_longer(length: int) -> None:
    assert hkdf(b"secret", b"salt", b"info", length) == hkdf(b"secret", b"salt", b"info", 300)[:length]


def test_lengths_have_a_limit() -> None:
    assert len(hkdf(b"", b"", b"", MAX_LENGTH)) == MAX_LENGTH == 8160
    for length in (-1, MAX_LENGTH + 1):
        with pytest.raises(ConfigError):
            hkdf(b"", b"", b"", length)
