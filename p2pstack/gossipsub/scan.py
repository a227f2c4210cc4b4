"""Looking at the fields of an RPC or a message without making objects of them (GS10-30, GEN-02; specs/gossipsub.md).

Two bytes on the wire can become a hundred in memory. So an RPC that is long enough to hold too many messages, or too
much beside them, is walked over field by field first; a short one can't, and goes straight to the parser.
"""

from __future__ import annotations

from p2pstack.errors import DecodeError, Truncated
from p2pstack.gossipsub.config import GossipsubConfig

__all__ = ["MAX_UNKNOWN", "all_can_read", "check_counts"]

MAX_UNKNOWN = 64
"""Unknown fields of a message, and of a long RPC. Hardly any are sent; to look at thousands would take longer than to
check a signature."""

_PUBLISH = 0x12
_KNOWN = frozenset((0x0A, _PUBLISH, 0x1A))
_GROUP = 3
_LAST_FIELD = 6
"""The highest number of a known field of a message."""

_MAX_VARINT = 10
_FIXED_SIZES = {1: 8, 5: 4}


def check_counts(data: bytes, config: GossipsubConfig) -> None:
    """Refuse an RPC with too many messages, with too many bytes outside of messages, or made of unknown fields.

    The fields of an unknown group count like those around it. What else may be wrong is left to the parser.

    Raises:
        DecodeError: ``max_rpc_messages``, ``max_control`` or :data:`MAX_UNKNOWN` is passed (GS10-30), or a field does
            not parse (GEN-07).
    """
    size = len(data)
    if size <= min(config.max_control, 2 * config.max_rpc_messages):
        return
    offset = messages = outside = unknown = 0
    while offset < size:
        start = offset
        tag = data[offset]
        if tag & 0x87 == 2 and offset + 1 < size and data[offset + 1] < 0x80:  # tag and length of one byte each
            offset += 2 + data[offset + 1]
        else:
            tag, offset = _next(data, offset)
            if tag not in _KNOWN:
                unknown += 1
                if unknown > MAX_UNKNOWN:
                    raise DecodeError(f"an RPC has more than {MAX_UNKNOWN} unknown fields", requirement="GS10-30")
        if tag == _PUBLISH:
            messages += 1
            if messages > config.max_rpc_messages:
                raise DecodeError(f"an RPC has more than {config.max_rpc_messages} messages", requirement="GS10-30")
        else:
            outside += offset - start
            if outside > config.max_control:
                raise DecodeError(
                    f"an RPC has more than {config.max_control} bytes outside of messages", requirement="GS10-30"
                )


def all_can_read(message: bytes, offset: int) -> bool:
    """Tell whether no implementation chokes on the unknown fields that a parsed message has from ``offset`` on.

    Rust refuses groups, and go a known field of a wrong wire type, which others take for an unknown one. More fields
    than :data:`MAX_UNKNOWN` are not looked at.
    """
    for _ in range(MAX_UNKNOWN + 1):
        if offset == len(message):
            return True
        tag, offset = _next(message, offset)
        if tag & 7 == _GROUP or tag >> 3 <= _LAST_FIELD:
            return False
    return False


def _next(data: bytes, offset: int) -> tuple[int, int]:
    """Return the tag of the field at ``offset``, and where its value ends."""
    tag, offset = _varint(data, offset)
    return tag, _end(data, tag & 7, offset)


def _end(data: bytes, kind: int, offset: int) -> int:
    """Return where the value of wire type ``kind`` at ``offset`` ends; it may be behind the data's end."""
    if kind == 2:
        length, offset = _varint(data, offset)
        return offset + length
    if kind == 0:
        return _varint(data, offset)[1]
    if kind in {3, 4}:
        return offset  # where a group begins or ends, there is no value
    if kind not in _FIXED_SIZES:
        raise DecodeError(f"there is no wire type {kind}", requirement="GEN-07")
    return offset + _FIXED_SIZES[kind]


def _varint(data: bytes, offset: int) -> tuple[int, int]:
    """Read a varint of protobuf, which need not be the shortest one, unlike those of multiformats."""
    value = shift = 0
    for position in range(offset, min(offset + _MAX_VARINT, len(data))):
        byte = data[position]
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position + 1
        shift += 7
    if shift == 7 * _MAX_VARINT:
        raise DecodeError(f"a varint is longer than {_MAX_VARINT} bytes", requirement="GEN-07")
    raise Truncated("a varint is cut off", requirement="GEN-07")
