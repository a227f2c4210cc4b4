"""SipHash-1-3 (Aumasson and Bernstein, 2012): one round a word, three at the end.

A hash of 64 bits for hash tables, here for nothing but the node keys of old Shinkai nodes (identity/names.py).
"""

from __future__ import annotations

__all__ = ["siphash13"]

_MASK = 0xFFFF_FFFF_FFFF_FFFF
_INITIAL = (0x736F_6D65_7073_6575, 0x646F_7261_6E64_6F6D, 0x6C79_6765_6E65_7261, 0x7465_6462_7974_6573)
"""The text "somepseudorandomlygeneratedbytes", a part of the algorithm."""

_State = tuple[int, int, int, int]


def siphash13(data: bytes, key0: int = 0, key1: int = 0) -> int:
    """Return the hash of ``data`` as a number of 64 bits, under a key of two such numbers."""
    v0, v1, v2, v3 = _INITIAL
    state = (v0 ^ key0, v1 ^ key1, v2 ^ key0, v3 ^ key1)
    whole = len(data) & ~7
    # The last word holds what is left of the data, and the low byte of its length in the highest byte.
    last = data[whole:].ljust(7, b"\0") + bytes((len(data) & 0xFF,))
    for offset in range(0, whole, 8):
        state = _absorb(state, int.from_bytes(data[offset : offset + 8], "little"))
    v0, v1, v2, v3 = _absorb(state, int.from_bytes(last, "little"))
    state = (v0, v1, v2 ^ 0xFF, v3)
    for _ in range(3):
        state = _round(*state)
    v0, v1, v2, v3 = state
    return v0 ^ v1 ^ v2 ^ v3


def _absorb(state: _State, word: int) -> _State:
    v0, v1, v2, v3 = state
    v0, v1, v2, v3 = _round(v0, v1, v2, v3 ^ word)
    return v0 ^ word, v1, v2, v3


def _round(v0: int, v1: int, v2: int, v3: int) -> _State:
    v0 = (v0 + v1) & _MASK
    v1 = _rotate(v1, 13) ^ v0
    v0 = _rotate(v0, 32)
    v2 = (v2 + v3) & _MASK
    v3 = _rotate(v3, 16) ^ v2
    v0 = (v0 + v3) & _MASK
    v3 = _rotate(v3, 21) ^ v0
    v2 = (v2 + v1) & _MASK
    v1 = _rotate(v1, 17) ^ v2
    v2 = _rotate(v2, 32)
    return v0, v1, v2, v3


def _rotate(word: int, bits: int) -> int:
    return (word << bits | word >> (64 - bits)) & _MASK
