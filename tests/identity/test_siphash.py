"""SipHash-1-3 against Rust's, and the properties of a hash."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.identity.siphash import siphash13
from tests.vectors import load


@pytest.mark.parametrize("case", load("shinkai_names")["vectors"], ids=lambda case: case["name"] or "empty")
def test_rust_hashes_the_same(case: dict[str, str]) -> None:
    assert siphash13(case["name"].encode() + b"\xff") == int(case["siphash13_u64"])


def test_the_reference_key() -> None:
    # First word of the SipHash-1-3 table in Rust's and Ruby's tests: key 00…0f, no data.
    key0, key1 = 0x0706050403020100, 0x0F0E0D0C0B0A0908
    assert siphash13(b"", key0, key1).to_bytes(8, "little").hex() == "dcc40f055801acab"


@given(st.binary(max_size=40), st.integers(0, 2**64 - 1), st.integers(0, 2**64 - 1))
def test_the_result_has_64_bits_and_depends_on_the_length(data: bytes, key0: int, key1: int) -> None:
    result = siphash13(data, key0, key1)
    assert 0 <= result < 2**64
    assert result == siphash13(data, key0, key1)
    assert result != siphash13(data + b"\0", key0, key1)
    assert result != siphash13(data, key0 ^ 1, key1)
