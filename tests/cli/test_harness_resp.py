"""RESP2: every reply, however it is cut; and what is none."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.cli.harness_resp import (
    MAX_BULK,
    MAX_ITEMS,
    MAX_LINE,
    Failure,
    Replies,
    Reply,
    encode_command,
)
from p2pstack.errors import DecodeError

TEXT = st.text(st.characters(codec="ascii", exclude_characters="\r\n"), max_size=40)
LEAVES = st.one_of(
    TEXT,
    st.integers(-(2**63), 2**63 - 1),
    st.binary(max_size=200),
    TEXT.map(Failure),
    st.none(),
)
REPLIES = st.one_of(LEAVES, st.lists(LEAVES, max_size=5))


def encode(reply: Reply) -> bytes:
    """As a server would."""
    match reply:
        case None:
            return b"$-1\r\n"
        case str():
            return f"+{reply}\r\n".encode()
        case int():
            return b":%d\r\n" % reply
        case bytes():
            return b"$%d\r\n%b\r\n" % (len(reply), reply)
        case Failure(message=message):
            return f"-{message}\r\n".encode()
    return b"*%d\r\n" % len(reply) + b"".join(map(encode, reply))


@given(st.lists(REPLIES, max_size=4), st.data())
def test_replies_are_read_however_they_are_cut(sent: list[Reply], data: st.DataObject) -> None:
    stream = b"".join(map(encode, sent))
    replies, read = Replies(), []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        read += replies.receive(stream[:size])
        stream = stream[size:]
    assert read == sent
    assert replies.receive(b"") == []


@given(st.binary(max_size=300))
def test_garbage_is_a_reply_or_an_error_and_bounded(data: bytes) -> None:
    replies = Replies()
    try:
        for number in range(len(data)):
            replies.receive(data[number : number + 1])
    except DecodeError:
        pass


def test_commands() -> None:
    assert encode_command("PING") == b"*1\r\n$4\r\nPING\r\n"
    assert encode_command("BLPOP", b"a\r\n", 12) == b"*3\r\n$5\r\nBLPOP\r\n$3\r\na\r\n\r\n$2\r\n12\r\n"
    assert encode_command("é") == b"*1\r\n$2\r\n\xc3\xa9\r\n"


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"?", "none of RESP2"),
        (b"\x00", "none of RESP2"),
        (b"HTTP/1.1 400 Bad Request\r\n", "none of RESP2"),
        (b"+a\nb\r\n", "line break"),
        (b"+a\rb\r\n", "line break"),
        (b":\r\n", "no number"),
        (b":+1\r\n", "no number"),
        (b":01\r\n", "no number"),
        (b":-0\r\n", "no number"),
        (b": 1\r\n", "no number"),
        (b":1_0\r\n", "no number"),
        (b":" + b"1" * 20 + b"\r\n", "no number"),
        (":²\r\n".encode(), "no number"),
        (b"$-2\r\n", "is not 0 to"),
        (b"$%d\r\n" % (MAX_BULK + 1), "is not 0 to"),
        (b"*-2\r\n", "is not 0 to"),
        (b"*%d\r\n" % (MAX_ITEMS + 1), "is not 0 to"),
        (b"$1\r\nabc", "does not end"),
        (b"*1\r\n*0\r\n", "not expected there"),
        (b"*1\r\n?", "none of RESP2"),
    ],
)
def test_what_is_no_reply(data: bytes, complaint: str) -> None:
    with pytest.raises(DecodeError, match=complaint):
        Replies().receive(data)


@pytest.mark.parametrize("kind", [b"+", b"-", b":", b"$", b"*"])
def test_a_line_without_an_end(kind: bytes) -> None:
    replies = Replies()
    assert replies.receive(kind + b"1" * MAX_LINE) == []
    with pytest.raises(DecodeError, match="more than"):
        replies.receive(b"11")


def test_what_is_as_large_as_allowed() -> None:
    assert Replies().receive(b"+" + b"a" * MAX_LINE + b"\r\n") == ["a" * MAX_LINE]
    assert Replies().receive(encode(bytes(MAX_BULK))) == [bytes(MAX_BULK)]
    assert Replies().receive(encode([0] * MAX_ITEMS)) == [[0] * MAX_ITEMS]
    assert Replies().receive(b"*-1\r\n") == [None]


def test_bytes_that_are_no_text_are_shown() -> None:
    assert Replies().receive(b"-ERR \xff\r\n") == [Failure("ERR \\xff")]
