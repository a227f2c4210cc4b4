"""BLAKE3, the hash of Shinkai's messages and keys; the only importer of the ``blake3`` package."""

from __future__ import annotations

from blake3 import blake3

__all__ = ["HASH_SIZE", "digest"]

HASH_SIZE = 32


def digest(data: bytes) -> bytes:
    """Return the BLAKE3 hash of ``data``, 32 bytes."""
    return blake3(data).digest()
