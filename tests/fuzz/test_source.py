from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fuzz.source import Source, segments


def test_the_first_bytes_say_where_the_rest_is_cut() -> None:
    assert segments(b"") == []
    assert segments(b"\x00") == []
    assert segments(b"\x00whole") == [b"whole"]
    assert segments(b"\x02\x01\x02abcdef") == [b"a", b"bc", b"def"]
    assert segments(b"\x02\x01\x02ab") == [b"a", b"b"]
    assert segments(b"\x01\x00" + bytes(300)) == [bytes(256), bytes(44)]
    assert segments(b"\x81\x01abc") == [b"a", b"b", b"c"]
    assert segments(b"\x82\x01\x03abcdef") == [b"a", b"bcd", b"e", b"f"]


@given(st.binary(max_size=600))
def test_nothing_is_lost_and_no_piece_is_empty(data: bytes) -> None:
    pieces = segments(data)
    assert all(pieces)
    head = 1 + (data[0] & 0x0F) if data else 0
    assert b"".join(pieces) == data[head:]


def test_decisions_are_read_until_the_input_ends() -> None:
    source = Source(b"\x05\x02abrest")
    assert source.byte() == 5
    assert source.piece() == b"ab"
    assert source.rest() == b"rest"
    assert not source
    assert (source.byte(), source.piece(), source.rest()) == (0, b"", b"")


def test_steps_are_bounded() -> None:
    assert list(Source(b"abc").steps(2)) == [97, 98]
    assert list(Source(b"abc").steps(9)) == [97, 98, 99]
    assert Source(b"\x09ab").piece() == b"ab"
