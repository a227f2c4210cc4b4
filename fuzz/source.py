"""An input taken apart: small numbers, chunks and cuts, so that one string of bytes decides everything that happens.

A source never runs dry with an error: behind its end it gives zeros and empty chunks. So any bytes are a valid input,
and a shorter one is a simpler one.
"""

from __future__ import annotations

__all__ = ["SIZES", "Source", "cut"]

SIZES = (0, 1, 2, 11, 12, 13, 63, 64, 127, 128, 255, 1023, 1024, 4096, 16_384, 65_507, 131_072, 262_143, 262_144)
"""Sizes in bytes around which something changes in one of the layers."""

_EACH_BYTE = 255
_LONGEST_BY_BYTES = 2_048
"""Bytes up to which an input may be cut into single ones: the machines need not be fed longer ones so slowly."""


class Source:
    """The bytes of ``data``, in order."""

    __slots__ = ("_data", "_offset")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offset = 0

    def __bool__(self) -> bool:
        return self._offset < len(self._data)

    def byte(self) -> int:
        """Return the next byte, 0 behind the end."""
        offset = self._offset
        if offset >= len(self._data):
            return 0
        self._offset = offset + 1
        return self._data[offset]

    def below(self, limit: int) -> int:
        """Return a number from 0 to ``limit`` - 1, of at most 256."""
        return self.byte() % limit

    def size(self) -> int:
        """Return a size: from 0 to 127, or one of SIZES."""
        value = self.byte()
        return value if value < 128 else SIZES[value % len(SIZES)]

    def take(self, size: int) -> bytes:
        """Return the next ``size`` bytes, or what is left."""
        start = self._offset
        self._offset = min(start + size, len(self._data))
        return self._data[start : self._offset]

    def rest(self) -> bytes:
        """Return all that is left."""
        return self.take(len(self._data))

    def cuts(self) -> list[int]:
        """Return sizes of segments for :func:`cut`, drawn from the data; [] means no cut."""
        count = self.byte()
        if count == _EACH_BYTE:
            return [_EACH_BYTE]
        return [self.byte() for _ in range(count % 8)]


def cut(data: bytes, sizes: list[int]) -> list[bytes]:
    """Cut ``data`` into segments of ``sizes``; what is left over is the last one. [255] cuts into single bytes."""
    if sizes == [_EACH_BYTE] and len(data) <= _LONGEST_BY_BYTES:
        return [data[at : at + 1] for at in range(len(data))]
    pieces = []
    start = 0
    for size in sizes:
        pieces.append(data[start : start + size])
        start += size
    pieces.append(data[start:])
    return [piece for piece in pieces if piece]
