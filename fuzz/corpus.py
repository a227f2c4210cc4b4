"""The committed inputs of each target, and the bytes that mutations are made of."""

from __future__ import annotations

from pathlib import Path

__all__ = ["FOLDER", "TOKENS", "load"]

FOLDER = Path(__file__).parent / "corpus"

TOKENS = (
    b"\x13/multistream/1.0.0\n",
    b"\x03na\n",
    b"\x03ls\n",
    b"\x0c/echo/1.0.0\n",
    b"\x07/noise\n",
    b"\x0d/yamux/1.0.0\n",
    b"\x00\x00\x00\x01\x00\x00\x00\x01\x00\x00\x00\x00",
    b"\x00\x01\x00\x04\x00\x00\x00\x01\x00\x00\x00\x00",
    b"\x00\x01\x00\x08\x00\x00\x00\x02\x00\x00\x00\x00",
    b"\x00\x02\x00\x01\x00\x00\x00\x00\x00\x00\x00\x07",
    b"\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
    b"\x00\x04\x00\x00",
    b"\x00\x04\x00\x01",
    b"\xff\xff\xff\xff",
    b"\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00",
    b"\x08\x01\x12\x20",
    b"\x00\x24\x08\x01\x12\x20",
    b"\x12\x20",
    b"\xa5\x03",
)
"""Pieces of the protocols: messages, frame headers, lengths at their limits, prefixes of keys and ids."""


def load(target: str) -> list[bytes]:
    """Return the committed inputs of a target, in the order of their names."""
    return [path.read_bytes() for path in sorted((FOLDER / target).iterdir())]
