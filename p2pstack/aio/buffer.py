"""One receive buffer for all connections of an event loop.

A connection that waits for data owns no buffer: that is what makes a connection cost a few KiB instead of 64 or more.
The buffer is lent at each read; what remains of an incomplete Noise frame stays where it is as long as the same
connection reads next, and is saved only when another one does. Guarded by the rows ``bulk`` and ``memory``.

Windows' proactor loop holds a connection's buffer while it waits, so there each connection has its own.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

__all__ = ["ReceiveBuffer", "buffer_for"]

_SIZE = 262_144
_OWN_SIZE = 131_072
_ROOM = 65_536 + 1_024
"""What a read must be offered at least, so that a whole Noise frame can be completed by it."""


class Owner(Protocol):
    """Who reads into the buffer; ``rest`` keeps its unfinished frame while others use it."""

    rest: bytes


class ReceiveBuffer:
    """``view[start:end]`` are the bytes of ``owner`` that make no whole frame yet."""

    __slots__ = ("_size", "end", "owner", "start", "view")

    def __init__(self, size: int = _SIZE) -> None:
        self._size = size
        self.view = memoryview(bytearray(size))
        self.owner: Owner | None = None
        self.start = self.end = 0

    def lend(self, owner: Owner) -> memoryview:
        """Return room to read into, behind the owner's unfinished frame."""
        if self.owner is not owner:
            self._change_owner(owner)
        elif self.start == self.end:
            self.start = self.end = 0
        elif self._size - self.end < _ROOM:
            rest = self.end - self.start
            self.view[:rest] = self.view[self.start : self.end]
            self.start = 0
            self.end = rest
        return self.view[self.end :]

    def release(self, owner: Owner) -> None:
        """Forget an owner that has ended."""
        if self.owner is owner:
            self.owner = None
            self.start = self.end = 0

    def _change_owner(self, owner: Owner) -> None:
        if self.owner is not None:
            self.owner.rest = bytes(self.view[self.start : self.end])
        rest = owner.rest
        owner.rest = b""
        self.owner = owner
        self.start = 0
        self.end = len(rest)
        self.view[: self.end] = rest


def buffer_for(loop: asyncio.AbstractEventLoop, shared: ReceiveBuffer) -> ReceiveBuffer:
    """Return the buffer that a new connection on ``loop`` is to use."""
    return ReceiveBuffer(_OWN_SIZE) if hasattr(loop, "_proactor") else shared
