"""Varints and length-prefixed frames."""

from __future__ import annotations

from fuzz.checks import require
from fuzz.source import Source, cut
from p2pstack.errors import DecodeError, Truncated
from p2pstack.wire import uvarint
from p2pstack.wire.framing import FrameReader, encode_frame

__all__ = ["run_framing", "run_uvarint"]

_LIMITS = (0, 1, 127, 128, 1_000, 16_384)


def run_uvarint(data: bytes) -> None:
    """What decodes is the one encoding of its value; what is cut off is shorter than it may be."""
    source = Source(data)
    offset, max_bytes = source.below(4), 1 + source.below(9)
    body = source.rest()
    kind = (bytes, bytearray, memoryview)[len(body) % 3]
    try:
        value, end = uvarint.decode(kind(body), offset, max_bytes)
    except Truncated:
        require(len(body) - offset < max_bytes, "all its bytes are there")
        require(all(byte >= 0x80 for byte in body[offset:]), "its last byte is there")
        return
    except DecodeError:
        return
    require(0 <= value <= uvarint.MAX_VALUE and end - offset <= max_bytes, f"{value} is out of range")
    require(uvarint.encode(value) == body[offset:end], f"{value} has another encoding")


def run_framing(data: bytes) -> None:
    """Frames are the same in any cut, encode to what came, and stay below their limit in memory."""
    source = Source(data)
    limit = _LIMITS[source.below(len(_LIMITS))]
    sizes = source.cuts()
    body = source.rest()
    frames, failed, left = _read(limit, cut(body, sizes))
    whole, failed_whole, left_whole = _read(limit, [body])
    require(failed == failed_whole, "a failure depends on the cut")
    if not failed:
        require(frames == whole, "frames depend on the cut")
        require(left == left_whole, "the rest depends on the cut")
    encoded = b"".join(map(encode_frame, frames))
    require(body.startswith(encoded), "the frames are not what was sent")
    require(failed or len(encoded) + left == len(body), "bytes were lost")


def _read(limit: int, pieces: list[bytes]) -> tuple[list[bytes], bool, int]:
    """Return the frames, whether the stream failed, and how many bytes of an incomplete frame are held."""
    reader = FrameReader(limit)
    frames: list[bytes] = []
    failed = False
    for piece in pieces:
        try:
            frames += reader.receive_data(piece)
        except DecodeError:
            failed = True
        require(reader.buffered <= limit + 9, f"{reader.buffered} bytes are held, with a limit of {limit}")
    require(all(len(frame) <= limit for frame in frames), "a frame is over the limit")
    try:
        reader.receive_eof()
    except Truncated:
        require(reader.buffered, "nothing is cut off")
    except DecodeError:
        require(failed, "the end fails, but nothing else did")
    else:
        require(not failed and not reader.buffered, "the end is in order, but the frames are not")
    return frames, failed, reader.buffered
