"""Unsigned varints of multiformats (GEN-06): base 128, low bits first, at most 9 bytes, one encoding a value.

The bit 0x80 of a byte says that another byte follows. A last byte of zero would add nothing to the value, so it is
refused: two encodings of one value would let a peer make two ids or two signatures of the same thing.
"""

from __future__ import annotations

from p2pstack.errors import ConfigError, DecodeError, Truncated
from p2pstack.wire import Buffer

__all__ = ["MAX_BYTES", "MAX_VALUE", "decode", "encode"]

MAX_BYTES = 9
MAX_VALUE = 2**63 - 1

_ONE_BYTE = tuple(bytes((value,)) for value in range(0x80))


def encode(value: int) -> bytes:
    """Return the shortest encoding of ``value``, 1 to 9 bytes (GEN-06).

    Raises:
        ConfigError: ``value`` is negative, or above 2**63 - 1.
    """
    if 0 <= value < 0x80:
        return _ONE_BYTE[value]
    if 0x80 <= value < 0x4000:
        return bytes((value & 0x7F | 0x80, value >> 7))
    if not 0 <= value <= MAX_VALUE:
        raise ConfigError(f"{value} is not in the range of a uvarint, 0 to 2**63 - 1")
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)


def decode(data: Buffer, offset: int = 0, max_bytes: int = MAX_BYTES) -> tuple[int, int]:
    """Read one varint from ``data`` at ``offset``; return its value and the offset behind it (GEN-06).

    ``max_bytes`` (1 to 9) is how many bytes it may have: where a length with a limit is meant, no more are read than
    that limit needs.

    Raises:
        Truncated: the bytes end before the varint does.
        DecodeError: it is longer than ``max_bytes``, or not the shortest encoding of its value.
    """
    value = shift = 0
    for position in range(offset, min(offset + max_bytes, len(data))):
        byte = data[position]
        if byte < 0x80:
            if byte == 0 and shift:
                raise DecodeError("a varint is not minimally encoded", requirement="GEN-06")
            return value | byte << shift, position + 1
        value |= (byte & 0x7F) << shift
        shift += 7
    if shift == 7 * max_bytes:
        raise DecodeError(f"a varint is longer than {max_bytes} bytes", requirement="GEN-06")
    raise Truncated("a varint is cut off", requirement="GEN-06")
