"""Long RPCs are counted before they are parsed; unknown fields of messages are looked at."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import DecodeError, Truncated
from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.scan import MAX_UNKNOWN, all_can_read, check_counts
from p2pstack.wire.framing import encode_frame

SMALL = GossipsubConfig(max_control=20, max_rpc_messages=3)
MESSAGE = b"\x12\x03\x22\x01a"
LONG_MESSAGE = b"\x12" + encode_frame(bytes(200))
SUBSCRIPTION = b"\x0a\x03\x12\x01a"


@pytest.mark.req("GS10-30")
def test_messages_are_counted() -> None:
    check_counts(MESSAGE * 3, SMALL)
    check_counts(LONG_MESSAGE * 3, SMALL)
    for data in (MESSAGE * 4, LONG_MESSAGE * 4, b"\x12\x00" * 4):
        with pytest.raises(DecodeError, match="more than 3 messages") as caught:
            check_counts(data, SMALL)
        assert caught.value.requirement == "GS10-30"


@pytest.mark.req("GS10-30")
def test_bytes_outside_of_messages_are_counted() -> None:
    check_counts(SUBSCRIPTION * 4 + LONG_MESSAGE, SMALL)
    for data in (SUBSCRIPTION * 5, LONG_MESSAGE + SUBSCRIPTION * 5, b"\x1a" + encode_frame(bytes(200))):
        with pytest.raises(DecodeError, match="more than 20 bytes outside of messages") as caught:
            check_counts(data, SMALL)
        assert caught.value.requirement == "GS10-30"


def test_a_short_rpc_is_not_looked_at() -> None:
    check_counts(b"\xff" * 6, SMALL)
    with pytest.raises(DecodeError):
        check_counts(b"\xff" * 7, SMALL)
    check_counts(b"\xff" * 10_000, GossipsubConfig())


@pytest.mark.req("GS10-30")
@pytest.mark.parametrize("field", ["2000", "7a8001" + "00" * 128, "7b", "5100000000000000ff", "5d000000ff"])
def test_unknown_fields_are_counted_in_a_long_rpc(field: str) -> None:
    wide = GossipsubConfig(max_rpc_messages=3)
    unknown = bytes.fromhex(field)
    check_counts(unknown * MAX_UNKNOWN, wide)
    with pytest.raises(DecodeError, match="unknown fields"):
        check_counts(unknown * (MAX_UNKNOWN + 1), wide)


@pytest.mark.req("GEN-07")
@pytest.mark.parametrize(
    ("field", "error"),
    [
        ("0e", DecodeError),  # wire type 6
        ("0f", DecodeError),
        ("08" + "80" * 10, DecodeError),
        ("80" * 10 + "01", DecodeError),
        ("12", Truncated),
        ("1280", Truncated),
        ("1080", Truncated),
        ("80", Truncated),
    ],
)
def test_what_does_not_parse_is_refused(field: str, error: type[DecodeError]) -> None:
    with pytest.raises(error) as caught:
        check_counts(MESSAGE * 3 + bytes.fromhex(field), SMALL)
    assert caught.value.requirement == "GEN-07"
    assert type(caught.value) is error


def test_a_varint_need_not_be_the_shortest() -> None:
    check_counts(MESSAGE * 2 + b"\x92\x00\x83\x00\x22\x01a", SMALL)
    with pytest.raises(DecodeError, match="messages"):
        check_counts(MESSAGE * 3 + b"\x92\x00\x83\x00\x22\x01a", SMALL)


@given(st.binary(max_size=300))
def test_garbage_passes_or_raises_decode_error(data: bytes) -> None:
    try:
        check_counts(data, SMALL)
    except DecodeError as error:
        assert len(data) > 6
        assert error.requirement in ("GEN-07", "GS10-30")  # noqa: PT017 - that it may raise is the point


@pytest.mark.req("GS10-30")
@given(st.lists(st.sampled_from([MESSAGE, LONG_MESSAGE, SUBSCRIPTION, b"\x1a\x00", b"\x20\x01", b"\x92\x00\x00"])))
def test_an_rpc_passes_when_it_keeps_the_limits(fields: list[bytes]) -> None:
    messages = [each for each in fields if each[0] in (0x12, 0x92)]
    outside = sum(map(len, fields)) - sum(map(len, messages))
    data = b"".join(fields)
    if len(data) > 6 and (len(messages) > 3 or outside > 20):
        with pytest.raises(DecodeError):
            check_counts(data, SMALL)
    else:
        check_counts(data, SMALL)


@pytest.mark.req("GS10-08")
@pytest.mark.parametrize(
    ("unknown", "readable"),
    [
        ("", True),
        ("7801", True),  # the four wire types of field 15
        ("790102030405060708", True),
        ("7a0161", True),
        ("7d01020304", True),
        ("c8ffffff0f00", True),  # a tag of 5 bytes
        ("7a01617a0162", True),
        ("7b7c", False),  # a group
        ("7a01617b08017c", False),
        ("0801", False),  # known fields of other types
        ("7a01613001", False),
        ("2d01020304", False),
    ],
)
def test_who_can_read_unknown_fields(unknown: str, readable: bool) -> None:
    known = b"\x12\x00\x22\x01a"
    assert all_can_read(known + bytes.fromhex(unknown), len(known)) is readable


def test_no_more_than_a_few_unknown_fields_are_looked_at() -> None:
    assert all_can_read(b"\x78\x01" * MAX_UNKNOWN, 0)
    assert not all_can_read(b"\x78\x01" * (MAX_UNKNOWN + 1), 0)
    assert not all_can_read(b"\x78\x01" * 500_000, 0)
