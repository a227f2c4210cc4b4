"""The messages of a hole punch: go's bytes, and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.dcutr.messages import DCUTR, MAX_MESSAGE, HolePunch, Kind
from p2pstack.errors import DecodeError
from p2pstack.identity.multiaddrs import parse
from p2pstack.wire import protobuf
from p2pstack.wire.framing import FrameReader, encode_frame
from p2pstack.wire.pb.dcutr_pb2 import HolePunch as Wire
from tests.vectors import load

FRAMES = {
    each["note"]: bytes.fromhex(each["frame"]) for each in load("services")["messages"] if each["protocol"] == DCUTR
}
ADDRESS = parse("/ip4/198.51.100.7/tcp/4001").to_bytes()
MESSAGES = {"CONNECT": HolePunch(Kind.CONNECT, (ADDRESS,)), "SYNC": HolePunch(Kind.SYNC)}


@pytest.mark.req("DCUTR-01")
@pytest.mark.parametrize("note", ["CONNECT", "SYNC"])
def test_messages_are_those_of_go(note: str) -> None:
    assert FRAMES.keys() == MESSAGES.keys()
    assert encode_frame(MESSAGES[note].encode()) == FRAMES[note]
    (payload,) = FrameReader(MAX_MESSAGE).receive_data(FRAMES[note])
    assert HolePunch.decode(payload) == MESSAGES[note]


@pytest.mark.req("DCUTR-01")
def test_addresses_come_as_they_were_sent_and_unknown_fields_are_skipped() -> None:
    encoded = HolePunch(Kind.CONNECT, (b"", b"nonsense", ADDRESS)).encode() + b"\x7a\x01x"
    assert HolePunch.decode(encoded).addresses == (b"", b"nonsense", ADDRESS)


@pytest.mark.req("DCUTR-01")
@pytest.mark.parametrize("kind", [0, 1, 101, 200, 2**32 - 1])
def test_another_type_is_no_message(kind: int) -> None:
    with pytest.raises(DecodeError, match=f"type {kind}") as caught:
        HolePunch.decode(protobuf.serialize(Wire(type=kind)))
    assert caught.value.requirement == "DCUTR-01"


@pytest.mark.req("DCUTR-01")
def test_a_message_has_a_type() -> None:
    with pytest.raises(DecodeError, match="type 0"):
        HolePunch.decode(b"")
    with pytest.raises(DecodeError, match="type 0"):
        HolePunch.decode(protobuf.serialize(Wire(obs_addrs=[ADDRESS])))


@given(st.binary(max_size=200))
def test_bytes_are_a_message_or_an_error_with_a_rule(data: bytes) -> None:
    broken = ""
    message = None
    try:
        message = HolePunch.decode(data)
    except DecodeError as error:
        broken = error.requirement
    if message is None:
        assert broken in {"DCUTR-01", "GEN-07"}
    else:
        assert HolePunch.decode(message.encode()) == message
