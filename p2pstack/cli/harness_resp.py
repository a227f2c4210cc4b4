"""RESP2, the protocol of Redis: as much of it as the clients of libp2p's interop tests need, without I/O.

A command is an array of byte strings; a reply is one of five kinds. What a server sends is bounded, and read strictly:
it comes from a container of the test, but what listens at the address may be anything.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeAlias

from p2pstack.errors import DecodeError

__all__ = ["MAX_BULK", "MAX_ITEMS", "MAX_LINE", "Failure", "Replies", "Reply", "encode_command"]

MAX_LINE = 1_024
"""Bytes of a simple string, an error or a number."""

MAX_BULK = 65_536
"""Bytes of a byte string: what is exchanged are addresses and peer ids."""

MAX_ITEMS = 64
"""Of an array; an answer to BLPOP has two."""

_KINDS = b"+-:$"
_NUMBER = re.compile(rb"-?(?:0|[1-9][0-9]{0,18})")


@dataclass(frozen=True, slots=True)
class Failure:
    """An error that the server answers with."""

    message: str


Item: TypeAlias = str | int | bytes | Failure | None
"""A simple string, a number, a byte string, an error; None is the null of byte strings."""

Reply: TypeAlias = Item | list[Item]
"""An item or an array of them; the null of arrays is None, too. No command here is answered by arrays in arrays."""


def encode_command(*words: bytes | str | int) -> bytes:
    """Return a command as it goes on the wire."""
    parts = [b"*%d\r\n" % len(words)]
    for word in words:
        data = word if isinstance(word, bytes) else str(word).encode()
        parts.append(b"$%d\r\n%b\r\n" % (len(data), data))
    return b"".join(parts)


class _Incomplete(Exception):
    """The bytes end before the reply does."""


class Replies:
    """Reads replies out of a stream of bytes, however it is cut."""

    __slots__ = ("_buffer",)

    def __init__(self) -> None:
        self._buffer = bytearray()

    def receive(self, data: bytes) -> list[Reply]:
        """Take bytes of the server and return the replies that are whole now.

        Raises:
            DecodeError: they are no RESP2, or something is larger than allowed. Nothing can be read any more.
        """
        self._buffer += data
        found: list[Reply] = []
        while self._buffer:
            try:
                reply, end = _read(self._buffer)
            except _Incomplete:
                break
            del self._buffer[:end]
            found.append(reply)
        return found


def _read(data: bytearray) -> tuple[Reply, int]:
    """Return the first reply, and where it ends."""
    if data[:1] != b"*":
        return _item(data, 0)
    line, end = _line(data, 1)
    length = _length(line, MAX_ITEMS)
    if length is None:
        return None, end
    items = []
    for _ in range(length):
        item, end = _item(data, end)
        items.append(item)
    return items, end


def _item(data: bytearray, start: int) -> tuple[Item, int]:
    """Return what begins at ``start``, and where it ends."""
    kind = bytes(data[start : start + 1])
    if kind not in _KINDS:
        raise DecodeError(f"a reply begins with {kind!r}, which is none of RESP2, or not expected there")
    line, end = _line(data, start + 1)
    match kind:
        case b"+":
            return _text(line), end
        case b"-":
            return Failure(_text(line)), end
        case b":":
            return _number(line), end
    return _bulk(data, _length(line, MAX_BULK), end)


def _line(data: bytearray, start: int) -> tuple[bytes, int]:
    """Return the line that begins at ``start``, and where the next one does."""
    end = data.find(b"\r\n", start, start + MAX_LINE + 2)
    if end < 0:
        if len(data) - start >= MAX_LINE + 2:
            raise DecodeError(f"a line of a reply has more than {MAX_LINE} bytes")
        raise _Incomplete
    line = bytes(data[start:end])
    if b"\r" in line or b"\n" in line:
        raise DecodeError("a line of a reply has a line break in it")
    return line, end + 2


def _text(line: bytes) -> str:
    return line.decode(errors="backslashreplace")


def _number(line: bytes) -> int:
    if _NUMBER.fullmatch(line) is None or line == b"-0":
        raise DecodeError(f"{line[:32]!r} is no number")
    return int(line)


def _length(line: bytes, limit: int) -> int | None:
    """Return a length; None for that of the null."""
    length = _number(line)
    if length == -1:
        return None
    if not 0 <= length <= limit:
        raise DecodeError(f"a length of {length} is not 0 to {limit}")
    return length


def _bulk(data: bytearray, length: int | None, start: int) -> tuple[bytes | None, int]:
    if length is None:
        return None, start
    end = start + length
    if len(data) < end + 2:
        raise _Incomplete
    if data[end : end + 2] != b"\r\n":
        raise DecodeError("a byte string does not end where its length says")
    return bytes(data[start:end]), end + 2
