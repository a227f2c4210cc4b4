"""New inputs from old ones: a few random edits, most of them small, some of whole chunks."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

__all__ = ["MAX_SIZE", "Mutator", "shrink_candidates"]

MAX_SIZE = 4_096
"""Bytes of the longest input."""

_BYTES = (0, 1, 2, 4, 8, 10, 12, 16, 32, 47, 63, 64, 127, 128, 129, 250, 254, 255)
"""Values at which lengths, flags and kinds change their meaning."""

_WORDS = (0, 1, 0xFF, 0x100, 0x3FFF, 0x4000, 0x7FFF, 0xFFFF, 0x1_0000, 0x3_FFFF, 0x4_0000, 0x4_0001, 2**31, 2**32 - 1)
_VARINTS = (b"\x80\x01", b"\xff\x7f", b"\x80\x80\x01", b"\xff" * 8 + b"\x7f", b"\xff" * 9 + b"\x01", b"\x80\x00")


class Mutator:
    """Makes inputs: of ``corpus`` with edits, or out of nothing. The same ``random`` makes the same ones."""

    def __init__(self, corpus: Sequence[bytes], random: Random) -> None:
        self._corpus = list(corpus) or [b""]
        self._random = random
        self._edits = (
            self._flip, self._flip, self._set, self._set, self._insert, self._delete, self._repeat, self._word,
            self._varint, self._splice, self._truncate,
        )  # fmt: skip

    def make(self) -> bytes:
        """Return a new input."""
        random = self._random
        if random.random() < 0.15:
            return random.randbytes(self._length(MAX_SIZE))
        data = bytearray(random.choice(self._corpus))
        for _ in range(1 + min(int(random.expovariate(0.4)), 16)):
            random.choice(self._edits)(data)
        return bytes(data[:MAX_SIZE])

    def _length(self, limit: int) -> int:
        """A length from 0 to ``limit``, mostly a small one."""
        return min(int(self._random.expovariate(1 / 40)), limit)

    def _place(self, data: bytearray) -> int:
        """A place in ``data``; every third time near its begin, where modes and headers are."""
        random = self._random
        last = len(data) if random.random() < 0.67 else min(len(data), 16)
        return random.randint(0, last)

    def _flip(self, data: bytearray) -> None:
        if data:
            data[self._place(data) - 1] ^= 1 << self._random.randrange(8)

    def _set(self, data: bytearray) -> None:
        if data:
            random = self._random
            data[self._place(data) - 1] = random.choice(_BYTES) if random.random() < 0.5 else random.randrange(256)

    def _insert(self, data: bytearray) -> None:
        place = self._place(data)
        data[place:place] = self._random.randbytes(1 + self._length(64))

    def _delete(self, data: bytearray) -> None:
        place = self._place(data)
        del data[place : place + 1 + self._length(64)]

    def _repeat(self, data: bytearray) -> None:
        place = self._place(data)
        chunk = data[place : place + 1 + self._length(128)]
        data[place:place] = chunk * self._random.randint(1, 8)

    def _word(self, data: bytearray) -> None:
        place = self._place(data)
        size = self._random.choice((2, 4))
        word = self._random.choice(_WORDS) & (1 << 8 * size) - 1
        data[place : place + size] = word.to_bytes(size, "big")

    def _varint(self, data: bytearray) -> None:
        place = self._place(data)
        data[place : place + self._random.randint(0, 2)] = self._random.choice(_VARINTS)

    def _splice(self, data: bytearray) -> None:
        other = self._random.choice(self._corpus)
        start = self._random.randint(0, len(other))
        data[self._place(data) :] = other[start:]

    def _truncate(self, data: bytearray) -> None:
        del data[self._place(data) :]


def shrink_candidates(data: bytes) -> list[bytes]:
    """Return simpler inputs than ``data``, the much shorter ones first: without a chunk, or with a zero in a place."""
    candidates = []
    size = len(data) // 2
    while size:
        candidates += [data[:start] + data[start + size :] for start in range(0, len(data), size)]
        size //= 2
    candidates += [data[:at] + b"\0" + data[at + 1 :] for at in range(len(data)) if data[at]]
    return candidates
