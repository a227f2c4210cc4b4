"""Cookies, and what is none."""

from __future__ import annotations

import pytest

from p2pstack.errors import DecodeError
from p2pstack.rendezvous.cookie import Cookie
from tests.rendezvous.making import EPOCH


@pytest.mark.req("RDV-08", "RDV-11")
@pytest.mark.parametrize(
    ("cookie", "encoded"),
    [
        (Cookie(EPOCH, 0, ""), "0102030000000000"),
        (Cookie(EPOCH, 258, "app"), "0102030000000102617070"),
        (Cookie(EPOCH, 2**40 - 1, "\u00e9"), "010203ffffffffffc3a9"),
    ],
)
def test_cookies_are_8_bytes_and_the_namespace(cookie: Cookie, encoded: str) -> None:
    assert cookie.to_bytes().hex() == encoded
    assert Cookie.from_bytes(bytes.fromhex(encoded)) == cookie


@pytest.mark.misbehave
@pytest.mark.req("RDV-08")
@pytest.mark.parametrize("data", [b"", bytes(7), bytes(8) + b"\xff", bytes(8) + b"x" * 256])
def test_other_bytes_are_no_cookie(data: bytes) -> None:
    with pytest.raises(DecodeError):
        Cookie.from_bytes(data)
