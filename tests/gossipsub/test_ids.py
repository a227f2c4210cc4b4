"""The ids of go and rust, and that no message makes an id function raise."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import ConfigError
from p2pstack.gossipsub.ids import MessageId, data_prefix_id, default_id, rust_id, sha256_id
from p2pstack.gossipsub.values import Message
from p2pstack.identity.keys import PrivateKey
from tests.vectors import load

SOURCE = PrivateKey.from_seed(b"\x05" * 32).peer_id.to_bytes()
ALL = [default_id, rust_id, sha256_id, data_prefix_id(8)]


@pytest.mark.req("GS10-06")
@pytest.mark.parametrize("case", load("pubsub")["signed_messages"], ids=lambda case: case["note"][:9])
def test_ids_of_go_and_rust(case: dict[str, Any]) -> None:
    message = Message(b"", "a", bytes.fromhex(case["from"]), bytes.fromhex(case["seqno"]))
    assert default_id(message).hex() == case["message_id_go"]
    assert rust_id(message).decode() == case["message_id_rust_text"]


@pytest.mark.req("GS10-06")
def test_ids_of_messages_without_author_or_number() -> None:
    assert default_id(Message(b"data", "a")) == b""
    assert default_id(Message(b"data", "a", SOURCE)) == SOURCE
    assert default_id(Message(b"data", "a", seqno=bytes(8))) == bytes(8)
    # The base58 of the bytes 00 01 00, which rust puts in, and then the number 0 or what it is.
    assert rust_id(Message(b"data", "a")) == b"15R0"
    assert rust_id(Message(b"data", "a", b"no id", b"\xff" * 8)) == b"15R18446744073709551615"
    assert rust_id(Message(b"data", "a", seqno=b"\xff" * 7)) == b"15R0"


@pytest.mark.req("GS10-06")
def test_ids_of_data() -> None:
    assert sha256_id(Message(b"abc", "a")).hex().startswith("ba7816bf8f01cfea")
    assert sha256_id(Message(b"abc", "a", SOURCE)) == sha256_id(Message(b"abc", "b"))
    prefix = data_prefix_id(4)
    assert prefix(Message(b"abcdef", "a")) == b"abcd"
    assert prefix(Message(b"abc", "a")) == b"abc"
    assert prefix(Message(b"", "a")) == b""


@pytest.mark.parametrize("size", [0, -1])
def test_an_id_of_no_bytes_is_refused(size: int) -> None:
    with pytest.raises(ConfigError, match="at least one byte"):
        data_prefix_id(size)


@pytest.mark.req("GS10-06")
@given(st.sampled_from(ALL), st.binary(), st.none() | st.binary(), st.none() | st.binary())
def test_no_message_makes_an_id_raise(make: MessageId, data: bytes, source: bytes | None, seqno: bytes | None) -> None:
    message = Message(data, "a", source, seqno)
    assert make(message) == make(message)
    assert isinstance(make(message), bytes)


@pytest.mark.req("GS10-06")
def test_an_id_costs_little_whatever_is_claimed() -> None:
    """Base58 and decimal take time by the square, and Python refuses to write numbers of 5,000 digits."""
    message = Message(b"", "a", bytes(1_000_000), b"\xff" * 100_000)
    assert rust_id(message) == b"15R0"
