"""Frames over TCP, against the verdicts of the real relay's parser."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.crypto import blake3
from p2pstack.errors import LocalError, Truncated
from p2pstack.shinkai import json_form
from p2pstack.shinkai.errors import MalformedMessage, MessageError, OversizedMessage
from p2pstack.shinkai.frames import (
    LIBP2P_FIRST_BYTE,
    Frame,
    FrameConfig,
    FrameReader,
    MessageType,
    UnknownFrameType,
    encode_frame,
)
from tests.vectors import load

VECTORS: list[dict[str, Any]] = load("shinkai")["tcp_frames"]["vectors"]
SMALL = FrameConfig(max_identity=16, max_payload=64)


@pytest.mark.req("SHK-30", "SHK-33")
@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["label"])
def test_frames_of_the_real_code(vector: dict[str, Any]) -> None:
    data = bytes.fromhex(vector["frame_hex"])
    verdict = vector["relayer_parser"]
    reader = FrameReader()
    if not verdict["accepted"]:
        with pytest.raises(UnknownFrameType) as caught:
            reader.receive_data(data)
        assert (caught.value.reason, caught.value.requirement) == ("unknown-frame-type", "SHK-33")
        return
    (frame,) = reader.receive_data(data)
    assert frame.identity == vector["identity"] == verdict["identity"]
    assert frame.type == vector["type_byte"]
    assert blake3.digest(frame.payload).hex() == verdict["payload_blake3"]
    assert len(frame.payload) == verdict["payload_len"]
    assert encode_frame(frame) == data
    reader.receive_eof()
    if frame.type is MessageType.SHINKAI_MESSAGE and "payload_utf8" in vector:
        assert json_form.encode(json_form.decode(frame.payload)) == frame.payload


frames = st.builds(
    Frame,
    st.text(max_size=4).filter(lambda text: len(text.encode(errors="replace")) <= 16),
    st.sampled_from(MessageType),
    st.binary(max_size=64),
)


@pytest.mark.req("SHK-30")
@given(st.lists(frames, max_size=4), st.lists(st.integers(1, 40), max_size=30))
def test_any_cut_of_the_stream_gives_the_same_frames(sent: list[Frame], cuts: list[int]) -> None:
    data = b"".join(encode_frame(frame, SMALL) for frame in sent)
    reader = FrameReader(SMALL)
    got = []
    for size in [*cuts, len(data)]:
        piece, data = data[:size], data[size:]
        got += reader.receive_data(piece)
    assert got == sent
    assert reader.buffered == 0
    reader.receive_eof()


@pytest.mark.req("SHK-32", "SHK-33", "SHK-34")
@given(st.binary(max_size=200), st.integers(1, 30))
def test_garbage_is_refused_by_name_or_waits_for_more(data: bytes, size: int) -> None:
    reader = FrameReader(SMALL)
    for start in range(0, len(data), size):
        try:
            frames = reader.receive_data(data[start : start + size])
        except MessageError as error:
            refused = error
            break
        assert all(len(frame.payload) <= 64 for frame in frames)
        assert reader.buffered < 4 + 5 + 16 + 64
    else:
        return
    assert refused.requirement in {"SHK-32", "SHK-33", "SHK-34"}
    assert reader.buffered == 0


@pytest.mark.req("SHK-32")
@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"\xff\xff\xff\xff", OversizedMessage),
        (bytes((LIBP2P_FIRST_BYTE,)) + b"/multistream", OversizedMessage),
        ((5 + 16 + 64 + 1).to_bytes(4, "big"), OversizedMessage),
        (b"\x00\x00\x00\x04", MalformedMessage),
        (b"\x00\x00\x00\x00", MalformedMessage),
        (b"\x00\x00\x00\x08\xff\xff\xff\xff", MalformedMessage),
        (b"\x00\x00\x00\x08\x00\x00\x00\x04", MalformedMessage),
        (b"\x00\x00\x00\x40\x00\x00\x00\x11", OversizedMessage),
        (b"\x00\x00\x00\x55\x00\x00\x00\x0f", OversizedMessage),
    ],
    ids=["4 GiB", "libp2p", "one too long", "no type", "nothing", "4 GiB name", "name over type", "name", "payload"],
)
def test_lengths_are_refused_as_soon_as_they_are_read(data: bytes, error: type[MessageError]) -> None:
    reader = FrameReader(SMALL)
    with pytest.raises(error) as caught:
        reader.receive_data(data)
    assert caught.value.requirement == "SHK-32"
    assert reader.buffered == 0
    with pytest.raises(error):
        reader.receive_data(b"")
    with pytest.raises(error):
        reader.receive_eof()


@pytest.mark.req("SHK-34")
@pytest.mark.parametrize("name", [b"\xff", b"\xed\xa0\x80", b"\xc0\x80"])
def test_a_name_is_utf8(name: bytes) -> None:
    frame = (5 + len(name)).to_bytes(4, "big") + len(name).to_bytes(4, "big") + name + b"\x01"
    with pytest.raises(MalformedMessage) as caught:
        FrameReader().receive_data(frame)
    assert caught.value.requirement == "SHK-34"


@pytest.mark.req("SHK-33")
@pytest.mark.parametrize("kind", [0, 2, 4, 255])
def test_an_unknown_type_is_refused_before_its_payload_comes(kind: int) -> None:
    with pytest.raises(UnknownFrameType):
        FrameReader().receive_data(b"\x00\x01\x00\x00\x00\x00\x00\x01a" + bytes((kind,)))


@pytest.mark.req("SHK-32")
def test_an_end_inside_a_frame_is_told() -> None:
    data = encode_frame(Frame("@@bob.shinkai", MessageType.SHINKAI_MESSAGE, b"{}"))
    for size in range(1, len(data)):
        reader = FrameReader()
        assert reader.receive_data(data[:size]) == []
        with pytest.raises(Truncated):
            reader.receive_eof()


@pytest.mark.parametrize(
    "frame",
    [
        Frame("x" * 17, MessageType.SHINKAI_MESSAGE),
        Frame("x", MessageType.SHINKAI_MESSAGE, bytes(65)),
        Frame("\ud800", MessageType.PROXY_MESSAGE),
    ],
)
def test_what_no_reader_takes_is_not_written(frame: Frame) -> None:
    with pytest.raises(LocalError):
        encode_frame(frame, SMALL)
