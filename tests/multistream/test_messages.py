from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import DecodeError, LocalError, NegotiationError
from p2pstack.multistream import messages
from p2pstack.multistream.messages import cut_message, decode_listing, encode, encode_listing

ids = st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=40).map("/".__add__)


@pytest.mark.req("MSS-01")
def test_the_fixed_messages_are_those_of_the_specification() -> None:
    assert messages.HEADER.hex() == "132f6d756c746973747265616d2f312e302e300a"
    assert encode(messages.MULTISTREAM) == messages.HEADER
    assert messages.NA.hex() == "036e610a"
    assert messages.LS.hex() == "036c730a"


@pytest.mark.req("MSS-01")
@given(ids)
def test_what_is_encoded_is_cut_again(protocol: str) -> None:
    message = encode(protocol)
    assert cut_message(b"??" + message + b"rest", 2, 1024) == (protocol.encode(), 2 + len(message))
    assert all(cut_message(message[:size], 0, 1024) is None for size in range(len(message)))


@pytest.mark.req("MSS-05")
def test_the_longest_id_has_1023_bytes() -> None:
    longest = "/" + "é" * 511
    assert len(encode(longest)) == 2 + 1024
    assert cut_message(encode(longest), 0, 1024) == (longest.encode(), 1026)
    with pytest.raises(LocalError, match="at most 1023 bytes, this is 1024"):
        encode(longest + "x")


@pytest.mark.req("MSS-11")
@pytest.mark.parametrize("protocol", ["", "noise", "ls", "na", " /x", "/a\nb", "/a\n", "/\ud800"])
def test_no_id_that_a_peer_would_refuse_is_sent(protocol: str) -> None:
    with pytest.raises(LocalError):
        encode(protocol)


@pytest.mark.req("MSS-05", "GEN-02")
def test_a_message_over_the_limit_is_refused_before_its_body_comes() -> None:
    with pytest.raises(NegotiationError) as caught:
        cut_message(b"\x81\x08", 0, 1024)
    assert caught.value.requirement == "MSS-05"
    assert cut_message(b"\x80\x08", 0, 1024) is None


@pytest.mark.req("MSS-01")
@pytest.mark.parametrize("message", [b"\x00", b"\x00\n", b"\x02/a", b"\x03/ab"])
def test_length_zero_and_a_missing_newline_are_refused(message: bytes) -> None:
    with pytest.raises(NegotiationError) as caught:
        cut_message(message, 0, 1024)
    assert caught.value.requirement == "MSS-01"


@pytest.mark.req("GEN-06")
@pytest.mark.parametrize("prefix", [b"\x93\x00", b"\x80\x00", b"\x81\x80", b"\xff\xff", b"\xff\xff\x01"])
def test_a_length_that_is_not_minimal_or_has_a_third_byte_is_refused(prefix: bytes) -> None:
    with pytest.raises(DecodeError):
        cut_message(prefix, 0, 16_383)


def test_half_a_length_is_waited_for() -> None:
    assert cut_message(b"", 0, 1024) is None
    assert cut_message(b"\x80", 0, 1024) is None


@pytest.mark.req("MSS-07")
def test_a_listing_looks_like_the_one_of_rust() -> None:
    assert encode_listing(["/noise"], max_names=1000) == bytes.fromhex("09072f6e6f6973650a0a")
    assert encode_listing([], max_names=0) == b"\x01\n"


@pytest.mark.req("MSS-07")
@given(st.lists(ids, max_size=8))
def test_a_listing_is_read_back(names: list[str]) -> None:
    listing = encode_listing(names, max_names=8)
    assert listing is not None
    cut = cut_message(listing, 0, 1024)
    assert cut is not None
    assert cut[1] == len(listing)
    assert decode_listing(cut[0], max_names=8) == tuple(names)


@pytest.mark.req("MSS-07")
def test_a_listing_that_does_not_fit_is_none() -> None:
    names = ["/x"] * 255
    listing = encode_listing(names, max_names=255)
    assert listing is not None
    assert cut_message(listing, 0, 1024) is not None  # 255 * 4 + 1 bytes
    assert encode_listing([*names, "/y"], max_names=1000) is None  # 1,025 bytes
    assert encode_listing(names, max_names=254) is None


@pytest.mark.req("MSS-08")
def test_a_listing_with_too_many_names_is_refused() -> None:
    assert decode_listing(encode("/x") * 3, max_names=3) == ("/x",) * 3
    with pytest.raises(NegotiationError) as caught:
        decode_listing(encode("/x") * 4, max_names=3)
    assert caught.value.requirement == "MSS-08"


@pytest.mark.req("MSS-07")
@pytest.mark.parametrize(
    "payload", [b"\x03/a", b"\x80", b"\x03/ab", b"\x00", b"\x03\xff\xfe\n", b"\x03/a\n\x05/", b"na"]
)
def test_a_listing_that_does_not_parse_is_refused(payload: bytes) -> None:
    with pytest.raises(NegotiationError):
        decode_listing(payload, max_names=1000)
