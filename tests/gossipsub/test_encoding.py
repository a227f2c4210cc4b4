"""Fields and messages are the bytes that the protobuf runtime writes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import ConfigError
from p2pstack.gossipsub.encoding import encode_field, encode_message, topic_to_bytes
from p2pstack.wire import protobuf
from p2pstack.wire.pb.pubsub_pb2 import PubsubMessage

OPTIONAL = st.none() | st.binary(max_size=200)
TOPICS = st.binary(max_size=200).map(lambda raw: raw.decode("utf-8", "surrogateescape"))


@pytest.mark.req("GS10-02", "GS10-08", "GS10-29")
@given(OPTIONAL, st.binary(max_size=20_000), OPTIONAL, TOPICS, OPTIONAL, OPTIONAL)
def test_a_message_is_what_the_runtime_writes(
    source: bytes | None, data: bytes, seqno: bytes | None, topic: str, signature: bytes | None, key: bytes | None
) -> None:
    raw = PubsubMessage(
        source=source, data=data, seqno=seqno, topic=topic_to_bytes(topic), signature=signature, key=key
    )
    assert encode_message(source, data, seqno, topic, signature, key) == protobuf.serialize(raw)


@pytest.mark.req("GS10-29")
def test_empty_data_is_written_and_absent_fields_are_not() -> None:
    assert encode_message(None, b"", None, "a") == bytes.fromhex("1200220161")
    assert encode_message(b"", b"", b"", "", b"", b"") == bytes.fromhex("0a0012001a0022002a003200")


def test_any_bytes_are_a_topic_and_come_back() -> None:
    for raw in (b"", b"news", b"\xff\xfe", b"\xc3\xa9", b"\xc3", bytes(range(256))):
        assert topic_to_bytes(raw.decode("utf-8", "surrogateescape")) == raw


def test_a_text_that_no_bytes_give_is_refused() -> None:
    with pytest.raises(ConfigError, match="can't be a topic"):
        topic_to_bytes("\ud800")
    with pytest.raises(ConfigError):
        encode_message(None, b"", None, "\ud800")


def test_a_field_has_tag_and_length() -> None:
    assert encode_field(b"\x0a", b"") == b"\x0a\x00"
    assert encode_field(b"\x22", bytes(300)) == b"\x22\xac\x02" + bytes(300)
