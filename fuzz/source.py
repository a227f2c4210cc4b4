"""How the input of a target is read: the first bytes say where the rest is cut."""

from __future__ import annotations

from collections.abc import Iterator

__all__ = ["Source", "segments"]


def segments(data: bytes) -> list[bytes]:
    """Return the pieces that ``data`` describes.

    The low four bits of the first byte are a count, and so many sizes follow. What comes then is cut into pieces of
    these sizes; what is left over is the last piece, or with the bit 0x80 goes on to be cut by the same sizes again.
    """
    if not data:
        return []
    count = data[0] & 0x0F
    sizes = [size or 256 for size in data[1 : 1 + count]]
    rest = data[1 + count :]
    pieces = []
    while rest and sizes:
        for size in sizes:
            pieces.append(rest[:size])
            rest = rest[size:]
        if not data[0] & 0x80:
            break
    return [piece for piece in (*pieces, rest) if piece]


class Source:
    """Small decisions and pieces, read one after the other; zeros once the input is used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._offset = 0

    def __bool__(self) -> bool:
        return self._offset < len(self._data)

    def byte(self) -> int:
        """Return the next byte."""
        value = self._data[self._offset] if self else 0
        self._offset += 1
        return value

    def piece(self) -> bytes:
        """Return as many bytes as the next byte says."""
        size = self.byte()
        start = self._offset
        self._offset += size
        return self._data[start : start + size]

    def rest(self) -> bytes:
        """Return all that is left."""
        start = self._offset
        self._offset = max(start, len(self._data))
        return self._data[start:]

    def steps(self, limit: int) -> Iterator[int]:
        """Yield bytes until the input ends, at most ``limit``."""
        while self and limit:
            limit -= 1
            yield self.byte()
