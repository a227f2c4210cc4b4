"""Messages over plain TCP, as nodes of the first era sent them and as the fallback of this one (SHK-30 to SHK-34).

::

    length     4 bytes, big-endian: of all that follows, 4 + n + 1 + payload
    n          4 bytes, big-endian
    identity   n bytes of UTF-8: the recipient's name; in the hello to a relay, the node's own
    type       1 byte: 1 a message, 3 the hello to a relay
    payload    the rest: a message as JSON; nothing in a hello

The original bounds neither length. Here both are refused as soon as they are read, before a byte of what they announce
is kept or waited for. Nothing protects the frame: what is in it is signed, and usually encrypted.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from struct import Struct
from typing import ClassVar

from p2pstack.errors import LocalError, Truncated
from p2pstack.shinkai import json_form
from p2pstack.shinkai.checks import require_positive
from p2pstack.shinkai.errors import MalformedMessage, MessageError, OversizedMessage
from p2pstack.wire import Buffer

__all__ = [
    "LIBP2P_FIRST_BYTE",
    "Frame",
    "FrameConfig",
    "FrameReader",
    "MessageType",
    "UnknownFrameType",
    "encode_frame",
]

LIBP2P_FIRST_BYTE = 0x13
"""What a libp2p connection begins with (the length of ``/multistream/1.0.0``). As a frame's it would announce 318 MB,
so one port can serve both kinds."""

_LENGTHS = Struct(">II")
_LENGTH = Struct(">I")
_OVERHEAD = 5
"""Bytes that the first length counts beside identity and payload: the second length, and the type."""


class MessageType(IntEnum):
    """What a frame holds; the number is its type byte (SHK-30)."""

    SHINKAI_MESSAGE = 1
    PROXY_MESSAGE = 3


_TYPES = {int(kind): kind for kind in MessageType}


class UnknownFrameType(MessageError):
    """A frame is of a type that no node of today sends (SHK-33)."""

    reason: ClassVar[str] = "unknown-frame-type"


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameConfig:
    """How long frames may be. Sizes are bytes."""

    max_identity: int = 1_024
    """Of the name in a frame. Against strangers who announce gigabytes; real names have less than a hundred."""

    max_payload: int = json_form.MAX_SIZE
    """Of the message in a frame: as long as one may be over request-response."""

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        require_positive(self, "max_identity", "max_payload")


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame: a name, of which nothing was checked but its encoding, what it is, and its payload."""

    identity: str
    type: MessageType
    payload: bytes = b""


def encode_frame(frame: Frame, config: FrameConfig | None = None) -> bytes:
    """Return a frame as it goes on the wire.

    Raises:
        LocalError: its name or its payload is longer than the limits, or the name is no valid Unicode.
    """
    config = config or FrameConfig()
    try:
        identity = frame.identity.encode()
    except UnicodeEncodeError as error:
        raise LocalError("a frame's name must be valid Unicode") from error
    if len(identity) > config.max_identity:
        raise LocalError(f"a name of {len(identity)} bytes, {config.max_identity} are allowed")
    if len(frame.payload) > config.max_payload:
        raise LocalError(f"a payload of {len(frame.payload)} bytes, {config.max_payload} are allowed")
    total = _OVERHEAD + len(identity) + len(frame.payload)
    return b"".join((_LENGTHS.pack(total, len(identity)), identity, bytes((frame.type,)), frame.payload))


class FrameReader:
    """Cuts what arrives, in pieces of any size, into frames.

    After an error the stream has no boundaries any more: the reader drops what it holds, and raises the same error at
    every further call.
    """

    __slots__ = ("_buffer", "_config", "_failure")

    def __init__(self, config: FrameConfig | None = None) -> None:
        self._config = config or FrameConfig()
        self._buffer = bytearray()
        self._failure: MessageError | None = None

    @property
    def buffered(self) -> int:
        """Bytes that are held of a frame that is not complete yet."""
        return len(self._buffer)

    def receive_data(self, data: Buffer) -> list[Frame]:
        """Take the next bytes of the stream; return the frames that they complete, in order.

        Raises:
            OversizedMessage: a length is above its limit (SHK-32).
            MalformedMessage: the lengths contradict each other (SHK-32), or the name is not UTF-8 (SHK-34).
            UnknownFrameType: the type is none (SHK-33).
                Frames that the same ``data`` completed before the bad one are lost with it.
        """
        if self._failure is not None:
            raise self._failure
        self._buffer += data
        try:
            return self._take_frames()
        except MessageError as error:
            self._failure = error
            self._buffer.clear()
            raise

    def receive_eof(self) -> None:
        """Tell the reader that the stream has ended.

        Raises:
            Truncated: it ended inside a frame.
            MessageError: the stream had failed before.
        """
        if self._failure is not None:
            raise self._failure
        if self._buffer:
            raise Truncated(
                f"the connection ends inside a frame, after {len(self._buffer)} bytes of it", requirement="SHK-32"
            )

    def _take_frames(self) -> list[Frame]:
        buffer = self._buffer
        frames = []
        start = 0
        while len(buffer) - start >= 4:
            (total,) = _LENGTH.unpack_from(buffer, start)
            self._check_total(total)
            if len(buffer) - start < 8:
                break
            (length,) = _LENGTH.unpack_from(buffer, start + 4)
            self._check_identity(total, length)
            kind_at = start + 8 + length
            if len(buffer) <= kind_at:
                break
            kind = _TYPES.get(buffer[kind_at])
            if kind is None:
                raise UnknownFrameType(f"a frame of type {buffer[kind_at]}", requirement="SHK-33")
            end = start + 4 + total
            if len(buffer) < end:
                break
            frames.append(Frame(_text(buffer[start + 8 : kind_at]), kind, bytes(buffer[kind_at + 1 : end])))
            start = end
        del buffer[:start]
        return frames

    def _check_total(self, total: int) -> None:
        if total < _OVERHEAD:
            raise MalformedMessage(f"a frame of {total} bytes has no room for its type", requirement="SHK-32")
        limit = _OVERHEAD + self._config.max_identity + self._config.max_payload
        if total > limit:
            raise OversizedMessage(f"a frame of {total} bytes, {limit} are allowed", requirement="SHK-32")

    def _check_identity(self, total: int, length: int) -> None:
        payload = total - _OVERHEAD - length
        if payload < 0:
            raise MalformedMessage(f"a name of {length} bytes in a frame of {total}", requirement="SHK-32")
        if length > self._config.max_identity:
            raise OversizedMessage(
                f"a name of {length} bytes, {self._config.max_identity} are allowed", requirement="SHK-32"
            )
        if payload > self._config.max_payload:
            raise OversizedMessage(
                f"a payload of {payload} bytes, {self._config.max_payload} are allowed", requirement="SHK-32"
            )


def _text(data: bytearray) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise MalformedMessage(
            f"the name in a frame is not UTF-8: {error.reason} at byte {error.start}", requirement="SHK-34"
        ) from None
