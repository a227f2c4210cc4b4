"""Frames: any cut of the stream gives the same frames, and a length above the limit is refused at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import DecodeError, Truncated
from p2pstack.wire import uvarint
from p2pstack.wire.framing import FrameReader, encode_frame
from tests.vectors import load


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """``data`` in pieces, cut at ``places`` (taken modulo its length); some may be empty."""
    edges = sorted(place % (len(data) + 1) for place in places)
    return [data[start:end] for start, end in zip([0, *edges], [*edges, len(data)], strict=True)]


@given(st.lists(st.binary(max_size=300), max_size=8), st.lists(st.integers(0, 10_000), max_size=10), st.booleans())
def test_any_cut_gives_the_frames(payloads: list[bytes], places: list[int], views: bool) -> None:
    reader = FrameReader(300)
    stream = b"".join(map(encode_frame, payloads))
    frames = []
    for piece in cut(stream, places):
        frames += reader.receive_data(memoryview(piece) if views else piece)
    assert frames == payloads
    assert reader.buffered == 0
    reader.receive_eof()


def test_one_byte_at_a_time() -> None:
    reader = FrameReader(1 << 20)
    stream = encode_frame(b"x" * 200) + encode_frame(b"") + encode_frame(b"yz")
    frames = [frame for byte in stream for frame in reader.receive_data(bytes((byte,)))]
    assert frames == [b"x" * 200, b"", b"yz"]


@pytest.mark.parametrize("case", load("services")["messages"], ids=lambda case: case["note"])
def test_frames_of_go(case: dict[str, str]) -> None:
    stream = bytes.fromhex(case["frame"])
    frames = FrameReader(40_000).receive_data(stream)
    assert b"".join(map(encode_frame, frames)) == stream
    assert frames


def test_frames_do_not_share_the_buffer() -> None:
    data = bytearray(encode_frame(b"abc"))
    [frame] = FrameReader(10).receive_data(data)
    data[:] = bytes(len(data))
    assert frame == b"abc"
    assert type(frame) is bytes


@pytest.mark.req("GEN-02")
@given(st.integers(0, 1 << 21), st.data())
def test_a_length_above_the_limit_is_refused_before_the_body_comes(limit: int, data: st.DataObject) -> None:
    length = data.draw(st.integers(limit + 1, uvarint.MAX_VALUE))
    reader = FrameReader(limit)
    prefix = uvarint.encode(length)
    with pytest.raises(DecodeError) as caught:
        for byte in prefix:
            reader.receive_data(bytes((byte,)))
    assert not isinstance(caught.value, Truncated)
    assert caught.value.requirement in {"GEN-02", "GEN-06"}
    assert reader.buffered == 0


@pytest.mark.req("GEN-02")
def test_the_limit_itself_is_allowed() -> None:
    assert FrameReader(300).receive_data(encode_frame(bytes(300))) == [bytes(300)]
    with pytest.raises(DecodeError, match="301 bytes is longer than the limit of 300"):
        FrameReader(300).receive_data(encode_frame(bytes(301)))


@pytest.mark.req("GEN-06")
def test_a_length_of_more_bytes_than_the_limit_has_is_not_waited_for() -> None:
    reader = FrameReader(100)
    with pytest.raises(DecodeError, match="longer than 1 bytes"):
        reader.receive_data(b"\x80")


def test_a_failed_reader_stays_failed() -> None:
    reader = FrameReader(10)
    with pytest.raises(DecodeError) as first:
        reader.receive_data(b"\x01a\x81\x00")
    for call in (lambda: reader.receive_data(b"\x01a"), reader.receive_eof):
        with pytest.raises(DecodeError) as again:
            call()
        assert again.value is first.value
    assert reader.buffered == 0


@pytest.mark.parametrize("piece", [b"\x80", b"\x02", b"\x02a", b"\x00\x02a"])
def test_the_end_inside_a_frame_is_told(piece: bytes) -> None:
    reader = FrameReader(1000)
    reader.receive_data(piece)
    assert reader.buffered == len(piece.removeprefix(b"\x00"))
    with pytest.raises(Truncated):
        reader.receive_eof()
