"""Varints: go's vectors, the `varint` package as oracle, and every way to be wrong."""

from __future__ import annotations

import pytest
import varint
from hypothesis import example, given
from hypothesis import strategies as st

from p2pstack.errors import DecodeError, LocalError, Truncated
from p2pstack.wire import uvarint
from tests.vectors import load

VECTORS = load("uvarint")
VALUES = st.integers(0, uvarint.MAX_VALUE)


@pytest.mark.req("GEN-06")
@pytest.mark.parametrize("case", VECTORS["encode"], ids=lambda case: case["value"])
def test_go_writes_and_reads_the_same(case: dict[str, str]) -> None:
    value, encoded = int(case["value"]), bytes.fromhex(case["hex"])
    assert uvarint.encode(value) == encoded
    assert uvarint.decode(encoded) == (value, len(encoded))


@pytest.mark.req("GEN-06")
@pytest.mark.parametrize("case", VECTORS["decode"], ids=lambda case: case["hex"])
def test_go_accepts_and_refuses_the_same(case: dict[str, str | int]) -> None:
    encoded = bytes.fromhex(str(case["hex"]))
    if case["error"]:
        with pytest.raises(DecodeError) as caught:
            uvarint.decode(encoded)
        assert isinstance(caught.value, Truncated) == ("could not reach the end" in str(case["error"]))
        assert caught.value.requirement == "GEN-06"
    else:
        assert uvarint.decode(encoded) == (int(case["value"]), case["consumed"])


@given(VALUES, st.binary(max_size=4), st.binary(max_size=4))
@example(0, b"", b"")
@example(0x7F, b"", b"")
@example(0x80, b"", b"")
@example(uvarint.MAX_VALUE, b"\xff", b"\xff")
def test_round_trip_at_any_offset(value: int, before: bytes, after: bytes) -> None:
    encoded = uvarint.encode(value)
    assert encoded == varint.encode(value)
    data = before + encoded + after
    for buffer in (data, bytearray(data), memoryview(data)):
        assert uvarint.decode(buffer, len(before)) == (value, len(before) + len(encoded))


@given(st.binary(max_size=12), st.integers(0, 3), st.integers(1, 9))
def test_what_decodes_is_the_one_encoding_of_its_value(data: bytes, offset: int, max_bytes: int) -> None:
    try:
        value, end = uvarint.decode(data, offset, max_bytes)
    except Truncated:
        rest = data[offset:]
        assert len(rest) < max_bytes
        assert all(byte & 0x80 for byte in rest)
    except DecodeError:
        rest = data[offset : offset + max_bytes]
        minimal = next((i == 0 or byte != 0 for i, byte in enumerate(rest) if byte < 0x80), False)
        assert not minimal
    else:
        assert end - offset <= max_bytes
        assert uvarint.encode(value) == data[offset:end]
        assert varint.decode_bytes(data[offset:]) == value


@given(VALUES)
def test_each_cut_is_truncated(value: int) -> None:
    encoded = uvarint.encode(value)
    for size in range(len(encoded)):
        with pytest.raises(Truncated):
            uvarint.decode(encoded[:size])


@pytest.mark.req("GEN-06", "GEN-02")
def test_no_more_bytes_are_read_than_the_limit_needs() -> None:
    assert uvarint.decode(b"\xff\x7f", max_bytes=2) == (0x3FFF, 2)
    with pytest.raises(Truncated):
        uvarint.decode(b"\xff", max_bytes=2)
    with pytest.raises(DecodeError, match="longer than 2 bytes") as caught:
        uvarint.decode(b"\xff\xff", max_bytes=2)
    assert not isinstance(caught.value, Truncated)


@pytest.mark.parametrize("value", [-1, -(2**70), 2**63, 2**64])
def test_values_out_of_range_are_the_callers_mistake(value: int) -> None:
    with pytest.raises(LocalError) as caught:
        uvarint.encode(value)
    assert isinstance(caught.value, ValueError)
