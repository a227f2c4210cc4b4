"""The fields of a protobuf message, one by one, without making objects of what is not wanted (GEN-07, GEN-02).

Two bytes on the wire can become a hundred in memory once the runtime's parser has taken them for an empty message. Who
reads messages with lists walks over the fields first, and parses no more than its limits allow.
"""

from __future__ import annotations

from collections.abc import Iterator

from p2pstack.errors import DecodeError, Truncated

__all__ = ["BYTES", "VARINT", "walk"]

VARINT, BYTES = 0, 2
"""Wire types of the fields that :func:`walk` yields."""

_FIXED = {1: 8, 5: 4}
_MAX_VARINT = 10
_MASK = 2**64 - 1


def walk(data: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Yield number, wire type, start and end of each field that is a varint or bytes, in order. HOT PATH.

    Of a varint start is its value, and end is where it ends. Fixed-size fields are passed over. Groups, which nobody
    has sent for twenty years, are refused, as rust does.

    Raises:
        DecodeError: a field does not parse.
    """
    offset, size = 0, len(data)
    while offset < size:
        tag = data[offset]
        if tag & 0x87 == BYTES and tag > BYTES and offset + 1 < size and data[offset + 1] < 0x80:
            # Tag and length of one byte each, as most fields have them.
            start = offset + 2
            offset = start + data[offset + 1]
            if offset > size:
                raise Truncated("a field is cut off", requirement="GEN-07")
            yield tag >> 3, BYTES, start, offset
            continue
        tag, offset = _varint(data, offset)
        number, kind = tag >> 3, tag & 7
        if not 0 < number < 2**29:
            raise DecodeError(f"there is no field {number}", requirement="GEN-07")
        if kind == BYTES:
            length, offset = _varint(data, offset)
            end = offset + length
            if end > size:
                raise Truncated("a field is cut off", requirement="GEN-07")
            yield number, kind, offset, end
            offset = end
        elif kind == VARINT:
            value, offset = _varint(data, offset)
            yield number, kind, value, offset
        else:
            offset += _fixed(kind)
            if offset > size:
                raise Truncated("a field is cut off", requirement="GEN-07")


def _fixed(kind: int) -> int:
    if kind not in _FIXED:
        raise DecodeError(f"wire type {kind} is not read", requirement="GEN-07")
    return _FIXED[kind]


def _varint(data: bytes, offset: int) -> tuple[int, int]:
    """Read a varint of protobuf, which need not be the shortest one, unlike those of multiformats."""
    if offset < len(data) and data[offset] < 0x80:
        return data[offset], offset + 1
    value = shift = 0
    for position in range(offset, min(offset + _MAX_VARINT, len(data))):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _MASK, position + 1
        shift += 7
    if shift == 7 * _MAX_VARINT:
        raise DecodeError(f"a varint is longer than {_MAX_VARINT} bytes", requirement="GEN-07")
    raise Truncated("a varint is cut off", requirement="GEN-07")
