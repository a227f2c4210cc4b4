"""Bytes to values and back: varints, length-prefixed frames, protobuf messages (specs/proto/). Pure."""

from __future__ import annotations

__all__ = ["Buffer"]

Buffer = bytes | bytearray | memoryview
"""What a decoder takes. A view must be one-dimensional and of bytes."""
