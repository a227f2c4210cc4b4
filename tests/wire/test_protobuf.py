"""The protobuf runtime does what GEN-07 and GEN-13 ask, and our schemas are what other implementations write."""

from __future__ import annotations

import pytest
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import DecodeError
from p2pstack.wire import protobuf
from p2pstack.wire.framing import FrameReader
from p2pstack.wire.pb import envelope_pb2, identify_pb2, keys_pb2, noise_pb2, peer_record_pb2
from tests.vectors import load

MESSAGES: list[type[Message]] = [
    keys_pb2.PublicKey,
    keys_pb2.PrivateKey,
    noise_pb2.NoiseHandshakePayload,
    envelope_pb2.Envelope,
    peer_record_pb2.PeerRecord,
    identify_pb2.Identify,
]


@pytest.mark.req("GEN-07")
@pytest.mark.parametrize(
    "unknown",
    ["4801", "490102030405060708", "4a026162", "4d01020304", "c8ffffff0f00", "4b08014c"],
    ids=["varint", "64 bits", "length", "32 bits", "tag of 5 bytes", "group"],
)
@pytest.mark.parametrize("first", [True, False])
def test_unknown_fields_are_skipped(unknown: str, first: bool) -> None:
    known, extra = bytes.fromhex("08011202aabb"), bytes.fromhex(unknown)
    key = protobuf.parse(keys_pb2.PublicKey, extra + known if first else known + extra)
    assert (key.type, key.data) == (1, b"\xaa\xbb")


@pytest.mark.req("GEN-07")
@pytest.mark.parametrize(
    "data",
    [
        "1205aabb",  # a length that overruns the buffer
        "12ffffffffffffffff7f",  # one of 2**63 - 1
        "0880",  # a truncated varint
        "80",  # a truncated tag
        "0880808080808080808080808001",  # a varint of more than 10 bytes
        "0000",  # field number 0
        "4c",  # the end of a group that did not begin
        "4b0801",  # a group that does not end
        "4e",  # wire type 6
        "4f",  # wire type 7
        "1202",  # nothing behind the length
    ],
)
def test_malformed_bytes_are_refused(data: str) -> None:
    with pytest.raises(DecodeError, match="no PublicKey message") as caught:
        protobuf.parse(keys_pb2.PublicKey, bytes.fromhex(data))
    assert caught.value.requirement == "GEN-07"


@pytest.mark.req("GEN-07")
def test_the_last_value_wins() -> None:
    assert protobuf.parse(keys_pb2.PublicKey, bytes.fromhex("08011201aa08021201bb")).data == b"\xbb"
    assert protobuf.parse(keys_pb2.PublicKey, bytes.fromhex("08010802")).type == 2


@pytest.mark.req("GEN-07")
def test_a_message_that_occurs_twice_is_merged() -> None:
    envelope = protobuf.parse(envelope_pb2.Envelope, bytes.fromhex("0a0208010a031201aa"))
    assert (envelope.public_key.type, envelope.public_key.data) == (1, b"\xaa")
    payload = protobuf.parse(noise_pb2.NoiseHandshakePayload, b"\x22\x03\x12\x01a\x22\x03\x12\x01b")
    assert list(payload.extensions.stream_muxers) == [b"a", b"b"]


@pytest.mark.req("GEN-07", "GEN-13")
def test_missing_is_not_empty_in_proto2() -> None:
    key = protobuf.parse(keys_pb2.PublicKey, b"\x12\x00")
    assert key.HasField("data")
    assert not key.HasField("type")
    assert protobuf.serialize(keys_pb2.PublicKey(type=keys_pb2.RSA, data=b"")) == bytes.fromhex("08001200")


@pytest.mark.req("GEN-13")
def test_zero_is_absent_in_proto3() -> None:
    record = peer_record_pb2.PeerRecord(peer_id=b"", seq=0)
    assert protobuf.serialize(record) == b""
    assert protobuf.parse(peer_record_pb2.PeerRecord, b"").seq == 0
    assert protobuf.serialize(peer_record_pb2.PeerRecord(seq=2**64 - 1)) == b"\x10" + b"\xff" * 9 + b"\x01"


@pytest.mark.req("GEN-07")
def test_an_unknown_enum_value_is_as_good_as_missing() -> None:
    assert not protobuf.parse(keys_pb2.PublicKey, bytes.fromhex("08091200")).HasField("type")


def test_texts_of_a_peer_are_bytes_whatever_they_hold() -> None:
    message = protobuf.parse(identify_pb2.Identify, bytes.fromhex("1a02fffe3201ff2a0161"))
    assert list(message.protocols) == [b"\xff\xfe"]
    assert (message.agent_version, message.protocol_version) == (b"\xff", b"a")


def test_any_buffer_is_read() -> None:
    for buffer in (bytes, bytearray, memoryview):
        assert protobuf.parse(keys_pb2.PublicKey, buffer(b"\x08\x02")).type == keys_pb2.SECP256K1


@given(st.sampled_from(MESSAGES), st.binary(max_size=200))
def test_garbage_parses_or_raises_decode_error(message_class: type[Message], data: bytes) -> None:
    try:
        message = protobuf.parse(message_class, data)
    except DecodeError:
        return
    again = protobuf.parse(message_class, protobuf.serialize(message))
    assert again == message


@pytest.mark.req("GEN-07")
def test_nesting_is_bounded() -> None:
    with pytest.raises(DecodeError):
        protobuf.parse(keys_pb2.PublicKey, b"\x4b" * 100_000)


def test_identify_of_go() -> None:
    frames = [bytes.fromhex(case["frame"]) for case in load("services")["messages"] if "/id/" in case["protocol"]]
    for frame in frames:
        for body in FrameReader(4096).receive_data(frame):
            message = protobuf.parse(identify_pb2.Identify, body)
            assert message.ListFields()
            assert protobuf.serialize(message) == body
    first = protobuf.parse(identify_pb2.Identify, frames[0][1:])
    assert list(first.protocols) == [b"/ipfs/id/1.0.0", b"/ipfs/ping/1.0.0"]
    assert (first.protocol_version, first.agent_version) == (b"ipfs/0.1.0", b"p2pstack/0.1")
    assert first.observed_addr.hex() == "04c633640706c350"


@pytest.mark.parametrize("name", ["with_stream_muxers", "without_extensions"])
def test_noise_payloads_of_go(name: str) -> None:
    vectors = load("noise")[name]
    for field in ("payload_2", "payload_3"):
        data = bytes.fromhex(vectors[field])
        payload = protobuf.parse(noise_pb2.NoiseHandshakePayload, data)
        assert protobuf.serialize(payload) == data
        assert payload.HasField("extensions") == (name == "with_stream_muxers")
        assert b"/yamux/1.0.0" in list(payload.extensions.stream_muxers) or name == "without_extensions"


@pytest.mark.parametrize("name", ["peer_record", "voucher", "wrong_signer", "legacy_peer_record_rust"])
def test_envelopes_of_go_and_rust(name: str) -> None:
    data = bytes.fromhex(load("envelope")[name]["envelope"])
    message = protobuf.parse(envelope_pb2.Envelope, data)
    assert protobuf.serialize(message) == data
    assert message.payload.hex() == load("envelope")[name]["payload"]


def test_schemas_are_registered_under_our_own_name() -> None:
    for message_class in MESSAGES:
        descriptor = message_class.DESCRIPTOR
        assert descriptor.full_name == f"p2pstack.wire.pb.{descriptor.name}"
        assert descriptor.file.name.startswith("p2pstack/wire/pb/")
