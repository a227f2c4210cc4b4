from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.autonat.v1 import Dial, DialResponse, Status
from p2pstack.errors import DecodeError
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import parse, with_peer
from p2pstack.wire import uvarint
from tests.vectors import load

PEER = PrivateKey.from_seed(b"\x01" * 32).peer_id
ADDRESS = parse("/ip4/198.51.100.7/tcp/4001")
FRAMES = {
    case["note"]: bytes.fromhex(case["frame"])
    for case in load("services")["messages"]
    if case["protocol"] == "/libp2p/autonat/1.0.0"
}


def body(note: str) -> bytes:
    frame = FRAMES[note]
    length, start = uvarint.decode(frame)
    assert length == len(frame) - start
    return frame[start:]


@pytest.mark.req("AUTONAT1-01")
def test_requests_are_what_go_makes() -> None:
    request = Dial.decode(body("DIAL"))
    assert request.addresses == (ADDRESS,)
    assert request.valid
    assert request.peer is not None
    assert request.encode() == body("DIAL")


@pytest.mark.req("AUTONAT1-01")
@pytest.mark.parametrize(
    ("note", "response"),
    [
        ("DIAL_RESPONSE OK", DialResponse(Status.OK, address=ADDRESS)),
        ("DIAL_RESPONSE E_DIAL_ERROR", DialResponse(Status.E_DIAL_ERROR, "dial failed")),
    ],
)
def test_answers_are_what_go_makes(note: str, response: DialResponse) -> None:
    assert DialResponse.decode(body(note)) == response
    assert response.encode() == body(note)


@pytest.mark.req("AUTONAT1-01")
def test_statuses_have_their_numbers_and_others_are_kept() -> None:
    assert [status.value for status in Status] == [0, 100, 101, 200, 300]
    assert DialResponse.decode(DialResponse(777, "?").encode()) == DialResponse(777, "?")


@pytest.mark.req("AUTONAT1-02")
def test_a_request_may_leave_out_the_id_but_not_the_peer() -> None:
    without_id = Dial(None, (ADDRESS,))
    assert Dial.decode(without_id.encode()) == without_id
    for bare in (bytes.fromhex("0800"), bytes.fromhex("08001200")):  # no dial; a dial without peer
        assert not Dial.decode(bare).valid
    assert Dial.decode(bytes.fromhex("080012020a00")) == Dial(None)


@pytest.mark.req("AUTONAT1-03")
def test_a_request_names_at_most_sixteen_addresses() -> None:
    many = tuple(parse(f"/ip4/5.10.0.7/tcp/{port}") for port in range(1, 101))
    request = Dial.of(PEER, many)
    assert request.addresses == many[:16]
    assert len(request.encode()) <= 4096


def test_bad_addresses_are_left_out_and_ids_taken_off() -> None:
    good = with_peer(ADDRESS, PEER).to_bytes()
    encoded = Dial(b"x").encode()
    assert encoded == bytes.fromhex("080012050a030a0178")
    hostile = bytes.fromhex("0800") + b"\x12" + bytes((len(good) + 11,))
    hostile += b"\x0a" + bytes((len(good) + 9,)) + b"\x0a\x01x\x12\x02\xff\xff\x12" + bytes((len(good),)) + good
    assert Dial.decode(hostile) == Dial(b"x", (ADDRESS,))


def test_of_a_thousand_addresses_few_are_looked_at() -> None:
    many = tuple(parse(f"/ip4/5.10.0.7/tcp/{port}") for port in range(1, 1001))
    assert len(Dial.decode(Dial(None, many).encode()).addresses) == 100


@pytest.mark.req("AUTONAT1-01")
@pytest.mark.parametrize("wrong", [b"", body("DIAL_RESPONSE OK"), b"\x08", bytes.fromhex("0863")])
def test_no_request(wrong: bytes) -> None:
    with pytest.raises(DecodeError):
        Dial.decode(wrong)


@pytest.mark.req("AUTONAT1-01")
@pytest.mark.parametrize(
    "wrong", [b"", body("DIAL"), b"\x08", bytes.fromhex("08011a00"), bytes.fromhex("08011a0508001a01ff")]
)
def test_no_answer(wrong: bytes) -> None:
    with pytest.raises(DecodeError):
        DialResponse.decode(wrong)


def test_what_a_peer_writes_is_fit_to_be_shown() -> None:
    shown = DialResponse.decode(DialResponse(100, "\x1b[2J" + "x" * 300).encode()).text
    assert shown.isprintable()
    assert len(shown) == 256


@given(st.binary(max_size=300))
def test_bytes_are_a_message_or_a_decode_error(data: bytes) -> None:
    for kind in (Dial, DialResponse):
        try:
            message = kind.decode(data)
        except DecodeError:
            continue
        assert kind.decode(message.encode()) == message or not getattr(message, "valid", True)
