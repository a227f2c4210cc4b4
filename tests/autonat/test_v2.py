from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.autonat import v2
from p2pstack.autonat.v2 import DataRequest, DataResponse, DialRequest, DialResponse, DialStatus, Status
from p2pstack.errors import DecodeError
from p2pstack.identity.multiaddrs import parse
from p2pstack.wire import uvarint
from tests.vectors import load

ADDRESS = parse("/ip4/198.51.100.7/tcp/4001")
FRAMES = [
    bytes.fromhex(case["frame"])
    for case in load("services")["messages"]
    if case["protocol"] == "/libp2p/autonat/2/dial-request"
]
MESSAGES = [
    DialRequest((ADDRESS,), 0x0102030405060708),
    DataRequest(0, 30_000),
    DataResponse(100),
    DialResponse(Status.OK, 0, DialStatus.OK),
    DialResponse(Status.OK, 1, DialStatus.E_DIAL_ERROR),
    DialResponse(Status.E_INTERNAL_ERROR),
    DialResponse(Status.E_DIAL_REFUSED),
]


@pytest.mark.req("AUTONAT2-01")
@pytest.mark.parametrize(("frame", "message"), list(zip(FRAMES, MESSAGES, strict=True)))
def test_messages_are_what_go_makes(frame: bytes, message: v2.Message) -> None:
    length, start = uvarint.decode(frame)
    assert length == len(frame) - start
    assert v2.decode(frame[start:]) == message
    assert message.encode() == frame[start:]


@pytest.mark.req("AUTONAT2-01")
def test_the_messages_of_a_dial_back_are_bare() -> None:
    back, response = (
        bytes.fromhex(case["frame"])
        for case in load("services")["messages"]
        if case["protocol"] == "/libp2p/autonat/2/dial-back"
    )
    assert v2.decode_back(back[1:]) == 0x0102030405060708
    assert v2.encode_back(0x0102030405060708) == back[1:]
    assert response == b"\x00"
    assert v2.encode_back_response() == b""
    assert v2.decode_back_response(b"") == v2.BACK_STATUS_OK
    assert v2.decode_back_response(b"\x08\x05") == 5


@pytest.mark.req("AUTONAT2-02")
def test_statuses_have_their_numbers_and_others_are_kept() -> None:
    assert [status.value for status in Status] == [0, 100, 101, 200]
    assert [status.value for status in DialStatus] == [0, 100, 101, 200]
    assert v2.decode(DialResponse(777, 3, 55).encode()) == DialResponse(777, 3, 55)


@pytest.mark.req("AUTONAT2-02")
def test_a_bad_address_keeps_its_place_and_only_fifty_are_looked_at() -> None:
    many = tuple(parse(f"/ip4/5.10.0.7/tcp/{port}") for port in range(1, 1001))
    request = v2.decode(DialRequest(many, 1).encode())
    assert isinstance(request, DialRequest)
    assert request.addresses == many[:50]
    good = ADDRESS.to_bytes()
    inner = b"\x0a\x02\xff\xff\x0a" + bytes((len(good),)) + good
    assert v2.decode(b"\x0a" + bytes((len(inner),)) + inner) == DialRequest((None, ADDRESS), 0)
    assert v2.decode(DialRequest((None, ADDRESS), 0).encode()) == DialRequest((ADDRESS,), 0)


@pytest.mark.req("AUTONAT2-02")
@pytest.mark.parametrize(("size", "parts"), [(0, []), (1, [1]), (4096, [4096]), (30_000, [4096] * 7 + [1328])])
def test_data_comes_in_parts_of_at_most_four_kibibytes(size: int, parts: list[int]) -> None:
    messages = v2.data_messages(size)
    assert [v2.decode(each) for each in messages] == [DataResponse(part) for part in parts]
    assert all(len(each) <= 8192 for each in messages)


@pytest.mark.req("AUTONAT2-01")
@pytest.mark.parametrize("wrong", [b"", b"\x0a", b"\x2a\x00", b"\xff"])
def test_no_message(wrong: bytes) -> None:
    with pytest.raises(DecodeError):
        v2.decode(wrong)


@pytest.mark.req("AUTONAT2-01")
@pytest.mark.parametrize("wrong", [b"\x09", b"\x0f"])
def test_no_dial_back(wrong: bytes) -> None:
    with pytest.raises(DecodeError):
        v2.decode_back(wrong)
    with pytest.raises(DecodeError):
        v2.decode_back_response(wrong)


@given(st.binary(max_size=300))
def test_bytes_are_a_message_or_a_decode_error(data: bytes) -> None:
    try:
        message = v2.decode(data)
    except DecodeError:
        return
    again = v2.decode(message.encode())
    if isinstance(message, DialRequest):
        message = DialRequest(tuple(each for each in message.addresses if each is not None), message.nonce)
    assert again == message
