"""Where peers and keys lie, and how far they are from each other (KAD-02; specs/kad.md).

A position is the SHA-256 of what something is called, read as a number of 256 bits: of a peer its binary id, of a value
its whole key with the namespace, of a provided content its multihash. The distance of two positions is their XOR.
"""

from __future__ import annotations

from hashlib import sha256

from p2pstack.errors import ConfigError

__all__ = ["BITS", "MAX_MADE_UP", "common_prefix", "made_up_id", "position"]

BITS = 256

MAX_MADE_UP = 15
"""The longest common prefix for which an id is made up: it takes 2 ** 16 hashes in the mean, some 40 ms (KAD-12)."""

_MULTIHASH = b"\x12\x20"
_ID_BYTES = 32


def position(preimage: bytes) -> int:
    """Return where something lies, 0 to 2**256 - 1. HOT PATH."""
    return int.from_bytes(sha256(preimage).digest(), "big")


def common_prefix(one: int, other: int) -> int:
    """Return how many leading bits two positions share, 0 to 256."""
    return BITS - (one ^ other).bit_length()


def made_up_id(own: int, prefix: int, start: bytes) -> bytes:
    """Return a peer id of nobody that shares exactly ``prefix`` leading bits with the position ``own``.

    A lookup of it refreshes the bucket of that prefix. ``start`` are 32 random bytes, so that it is another one each
    time.

    Raises:
        ConfigError: ``prefix`` is not from 0 to :data:`MAX_MADE_UP`.
    """
    if not 0 <= prefix <= MAX_MADE_UP:
        raise ConfigError(f"ids are made up for prefixes of 0 to {MAX_MADE_UP} bits, not {prefix}")
    number = int.from_bytes(start, "big")
    made_up = _MULTIHASH + start
    while common_prefix(own, position(made_up)) != prefix:
        number = (number + 1) % 2**BITS
        made_up = _MULTIHASH + number.to_bytes(_ID_BYTES, "big")
    return made_up
