"""The proof of a name to a TCP relay, against both sides of the original."""

from __future__ import annotations

from typing import Any

import pytest

from p2pstack.errors import LocalError
from p2pstack.shinkai.errors import MalformedMessage, MessageError, OversizedMessage
from p2pstack.shinkai.keys import NodeKeys
from p2pstack.shinkai.relay_proof import (
    MAX_TEXT,
    SUCCESS,
    answer,
    decode_answer,
    decode_text,
    encode_text,
    verify_answer,
)
from tests.vectors import load

VECTOR: dict[str, Any] = load("shinkai")["tcp_relay_handshake"]
KEY = NodeKeys.unsafe_deterministic(VECTOR["signing_keys_n"]).signature
ANSWER = bytes.fromhex(VECTOR["answer_frame_hex"])


@pytest.mark.req("SHK-35")
def test_the_handshake_of_the_original() -> None:
    challenge = bytes.fromhex(VECTOR["challenge_frame_hex"])
    assert encode_text(VECTOR["challenge"]) == challenge
    assert decode_text(challenge + b"more") == (VECTOR["challenge"], len(challenge))
    assert answer(VECTOR["challenge"], KEY) == ANSWER
    found = decode_answer(ANSWER + b"more")
    assert found is not None
    key, signature, size = found
    assert (key, signature.hex(), size) == (KEY.public_key, VECTOR["signature"], len(ANSWER))
    assert verify_answer(VECTOR["challenge"], signature, key)
    assert not verify_answer(VECTOR["challenge"] + "x", signature, key)
    assert encode_text(SUCCESS).hex() == VECTOR["verdict_frame_hex"]
    assert VECTOR["verdict"] == SUCCESS


@pytest.mark.req("SHK-35")
def test_white_space_around_a_challenge_is_not_signed() -> None:
    assert answer(f" {VECTOR['challenge']}\r\n", KEY) == ANSWER


@pytest.mark.req("SHK-35")
def test_pieces_wait_for_more() -> None:
    text = encode_text("abc")
    assert all(decode_text(text[:size]) is None for size in range(len(text)))
    assert all(decode_answer(ANSWER[:size]) is None for size in range(len(ANSWER)))


@pytest.mark.req("SHK-35")
@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"\xff\xff\xff\xff", OversizedMessage),
        ((MAX_TEXT + 1).to_bytes(4, "big"), OversizedMessage),
        (b"\0\0\0\1\xff", MalformedMessage),
    ],
)
def test_texts_that_are_refused(data: bytes, error: type[MessageError]) -> None:
    with pytest.raises(error):
        decode_text(data)


@pytest.mark.parametrize("text", ["x" * (MAX_TEXT + 1), "\ud800"], ids=["too long", "half a surrogate pair"])
def test_texts_that_are_not_written(text: str) -> None:
    with pytest.raises(LocalError):
        encode_text(text)


@pytest.mark.req("SHK-35")
@pytest.mark.parametrize(
    "data",
    [
        b"\xff\xff\xff\xff",
        b"\0\0\0\xc9" + ANSWER[4:],
        ANSWER[:4] + b"\0\0\0\x41" + ANSWER[8:],
        ANSWER[:72] + b"\0\0\0\x81" + ANSWER[76:],
        ANSWER[:8] + b"zz" + ANSWER[10:],
        ANSWER[:8] + b"\xff" + ANSWER[9:],
        ANSWER[:76] + b"zz" + ANSWER[78:],
    ],
    ids=["4 GiB", "total", "key's length", "signature's length", "no hex", "no text", "no hex behind"],
)
def test_answers_that_are_refused(data: bytes) -> None:
    with pytest.raises(MessageError):
        decode_answer(data)
