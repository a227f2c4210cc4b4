"""Varints and length-prefixed frames."""

from __future__ import annotations

from fuzz.source import Source, segments
from p2pstack.errors import DecodeError, Truncated
from p2pstack.wire import uvarint
from p2pstack.wire.framing import FrameReader, encode_frame


def uvarints(data: bytes) -> None:
    """What decodes is the one encoding of its value; what is cut off could go on."""
    source = Source(data)
    limit = source.byte() % 9 + 1
    offset = source.byte() % 4
    encoded = source.rest()
    outcomes: set[object] = set()
    for form in (encoded, bytearray(encoded), memoryview(encoded)):
        try:
            value, end = uvarint.decode(form, offset, limit)
        except Truncated:
            assert len(encoded) - offset < limit
            assert all(byte & 0x80 for byte in encoded[offset:])
            outcomes.add("truncated")
        except DecodeError as error:
            outcomes.add(str(error))
        else:
            assert uvarint.encode(value) == encoded[offset:end]
            assert 1 <= end - offset <= limit
            outcomes.add((value, end))
    assert len(outcomes) == 1


def frames(data: bytes) -> None:
    """Cuts change nothing, no more than a frame is held, and frames and rest are what was fed."""
    limit = (0, 1, 100, 127, 128, 300, 20_000)[Source(data).byte() % 7]
    pieces = segments(data[1:])
    whole = b"".join(pieces)
    found, failure = _read(FrameReader(limit), pieces, limit)
    at_once, at_once_failure = _read(FrameReader(limit), [whole], limit)
    assert failure == at_once_failure
    if failure is None:
        assert found == at_once
        encoded = b"".join(map(encode_frame, found))
        assert whole.startswith(encoded)


def _read(reader: FrameReader, pieces: list[bytes], limit: int) -> tuple[list[bytes], str | None]:
    found: list[bytes] = []
    for piece in pieces:
        try:
            found += reader.receive_data(piece)
        except DecodeError as error:
            assert reader.buffered == 0
            return found, str(error)
        assert reader.buffered < limit + 9
    assert all(len(frame) <= limit for frame in found)
    try:
        reader.receive_eof()
        assert reader.buffered == 0
    except Truncated:
        assert reader.buffered
    return found, None
