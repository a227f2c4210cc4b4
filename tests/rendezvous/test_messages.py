"""The messages of rendezvous, byte for byte, and what does not pass."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import DecodeError
from p2pstack.rendezvous.messages import (
    MAX_REGISTRATIONS,
    Discover,
    DiscoverResponse,
    Message,
    Register,
    RegisterResponse,
    Unregister,
    decode,
    encode,
)
from p2pstack.rendezvous.protocols import MAX_MESSAGE
from p2pstack.rendezvous.status import Status

# Written by hand from the schema of the specification.
CASES = [
    (Register(b"app", b"rec", 7_200), "0800 120d 0a03617070 1203726563 18a038"),
    (Register(b"app", b"rec"), "0800 120a 0a03617070 1203726563"),
    (RegisterResponse(Status.OK, 7_200), "0801 1a05 0800 18a038"),
    (RegisterResponse(Status.E_INVALID_TTL, text="no"), "0801 1a06 0866 12026e6f"),
    (Unregister(b"app"), "0802 2205 0a03617070"),
    (Discover(b"app", 5, b"ck"), "0803 2a0b 0a03617070 1005 1a02636b"),
    (Discover(), "0803 2a00"),
    (
        DiscoverResponse(Status.OK, (Register(b"app", b"rec", 9),), b"ck"),
        "0804 3214 0a0c 0a03617070 1203726563 1809 1202636b 1800",
    ),
    (DiscoverResponse(Status.E_INVALID_COOKIE, text="no"), "0804 3206 1867 22026e6f"),
]


@pytest.mark.req("RDV-01", "RDV-02")
@pytest.mark.parametrize(("message", "encoded"), CASES)
def test_messages_byte_for_byte(message: Message, encoded: str) -> None:
    assert encode(message) == bytes.fromhex(encoded)
    assert decode(bytes.fromhex(encoded)) == message


@pytest.mark.req("RDV-02")
def test_what_is_0_may_be_absent() -> None:
    assert decode(bytes.fromhex("12050a03617070")) == Register(b"app", b"")
    assert decode(bytes.fromhex("08011a0318a038")) == RegisterResponse(Status.OK, 7_200)
    assert decode(bytes.fromhex("080432041202636b")) == DiscoverResponse(Status.OK, (), b"ck")


@pytest.mark.req("RDV-02")
def test_a_status_without_a_name_is_kept_as_its_number() -> None:
    answer = decode(encode(RegisterResponse(299)))
    assert isinstance(answer, RegisterResponse)
    assert answer.status == 299
    assert not isinstance(answer.status, Status)


def test_texts_are_cut_off_and_need_not_be_utf8() -> None:
    answer = decode(bytes.fromhex("0801 1a05 0866 1201ff"))
    assert answer == RegisterResponse(Status.E_INVALID_TTL, text="\ufffd")
    long = decode(encode(DiscoverResponse(Status.E_UNAVAILABLE, text="x" * 5_000)))
    assert isinstance(long, DiscoverResponse)
    assert long.text == "x" * 256


@pytest.mark.req("RDV-01")
def test_fields_of_other_types_are_skipped() -> None:
    assert decode(bytes.fromhex("0802 2205 0a03617070 1200 7a0178")) == Unregister(b"app")


@pytest.mark.misbehave
@pytest.mark.req("RDV-01")
@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "type 0 is unknown, or has nothing"),
        (b"\x08\x00", "nothing in it"),
        (b"\x08\x01", "nothing in it"),
        (b"\x08\x02", "nothing in it"),
        (b"\x08\x03", "nothing in it"),
        (b"\x08\x04", "nothing in it"),
        (b"\x08\x05\x12\x00", "type 5"),
        (b"\x08\x00\x12\x05\x0a", "cut off"),
        (b"\x08\x00\x12\x02\x0a\x09", "RendezvousMessage"),
        (b"\xff" * 20, "varint"),
        (b"\x7a\xfe\xff\x3f" + bytes(MAX_MESSAGE), "over the limit"),
    ],
)
def test_messages_that_do_not_pass(data: bytes, reason: str) -> None:
    with pytest.raises(DecodeError, match=reason) as caught:
        decode(data)
    assert caught.value.requirement


@pytest.mark.misbehave
@pytest.mark.req("RDV-07")
def test_an_answer_without_end_is_refused_before_it_is_expanded() -> None:
    most = b"\x0a\x00" * MAX_REGISTRATIONS
    whole = bytes.fromhex("080432") + b"\xd0\x0f" + most
    answer = decode(whole)
    assert isinstance(answer, DiscoverResponse)
    assert len(answer.registrations) == MAX_REGISTRATIONS
    with pytest.raises(DecodeError, match="1001 registrations"):
        decode(whole + b"\x32\x02\x0a\x00")


NAMES = st.binary(max_size=20)
REGISTERS = st.builds(Register, NAMES, NAMES, st.none() | st.integers(0, 2**64 - 1))
STATUSES = st.integers(1, 2**32 - 1)
MESSAGES = st.one_of(
    REGISTERS,
    st.builds(RegisterResponse, st.just(0), st.integers(0, 2**64 - 1)),
    st.builds(RegisterResponse, STATUSES, text=st.text(st.characters(codec="utf-8"), max_size=9)),
    st.builds(Unregister, NAMES),
    st.builds(Discover, NAMES, st.integers(0, 2**64 - 1), NAMES),
    st.builds(DiscoverResponse, st.just(0), st.lists(REGISTERS, max_size=4).map(tuple), NAMES),
    st.builds(DiscoverResponse, STATUSES, text=st.text(st.characters(codec="utf-8"), max_size=9)),
)


@given(MESSAGES)
def test_a_message_survives_the_wire(message: Message) -> None:
    assert decode(encode(message)) == message


@pytest.mark.misbehave
@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_refused(data: bytes) -> None:
    try:
        message = decode(data)
    except DecodeError:
        return
    decode(encode(message))
