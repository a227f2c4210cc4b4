"""The messages of multistream-select 1.0, and how they are cut out of a byte stream (MSS-01, MSS-05, MSS-07).

A message is a uvarint length, a payload and a newline; the length counts the newline. The payload is the header
``/multistream/1.0.0``, a protocol id, ``na`` (not available) or ``ls`` (list what you speak). An answer to ``ls`` is
one message too; its payload is made of a whole message for each name.

Behind the last message of a negotiation come bytes of another protocol. So messages are cut one at a time here, and
not by :class:`p2pstack.wire.framing.FrameReader`, which takes all that looks like a frame.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from p2pstack.errors import LocalError, NegotiationError, Truncated
from p2pstack.wire import uvarint

__all__ = [
    "HEADER",
    "LS",
    "MAX_MESSAGE",
    "MULTISTREAM",
    "NA",
    "SIMULTANEOUS_CONNECT",
    "cut_message",
    "decode_listing",
    "encode",
    "encode_listing",
]

MULTISTREAM = "/multistream/1.0.0"
"""The payload of the first message of either side (MSS-02)."""

SIMULTANEOUS_CONNECT = "/libp2p/simultaneous-connect"
"""The abandoned simultaneous-open extension; nobody offers it, and the answer is always ``na`` (SIMOPEN-01)."""

HEADER = b"\x13/multistream/1.0.0\n"
NA = b"\x03na\n"
LS = b"\x03ls\n"

MAX_MESSAGE = 1024
"""The largest message that is ever sent, in bytes with the newline (MSS-05)."""

LENGTH_BYTES = 2
"""The longest length prefix. Two bytes say up to 16,383: more is refused before a third is waited for (GEN-06)."""


@lru_cache(maxsize=1024)  # of ids that this side offers: a peer can't fill it
def encode(protocol: str) -> bytes:
    """Return the message that proposes ``protocol``, or accepts it.

    Raises:
        LocalError: not every peer would take it: an id starts with ``/``, holds no newline and is at most 1,023 bytes
            of UTF-8 (MSS-05, MSS-11).
    """
    if not protocol.startswith("/") or "\n" in protocol:
        raise LocalError(f"a protocol id starts with / and holds no newline: {protocol!r}")
    try:
        line = protocol.encode() + b"\n"
    except UnicodeEncodeError as error:
        raise LocalError(f"a protocol id must be valid Unicode: {protocol!r}") from error
    if len(line) > MAX_MESSAGE:
        raise LocalError(f"a protocol id is at most {MAX_MESSAGE - 1} bytes, this is {len(line) - 1}")
    return uvarint.encode(len(line)) + line


def cut_message(buffer: bytes, offset: int, limit: int) -> tuple[bytes, int] | None:
    """Cut the message that starts at ``offset``: return its payload without the newline, and where the next one starts.

    Return None while the message is incomplete.

    Raises:
        NegotiationError: the length breaks ``limit`` (bytes, newline included), which is told without waiting for the
            body (MSS-05); or it is 0, or no newline ends the message (MSS-01).
        DecodeError: the length is not a minimal uvarint of at most two bytes (GEN-06).
    """
    if offset == len(buffer):
        return None
    length = buffer[offset]
    start = offset + 1
    if length >= 0x80:
        try:
            length, start = uvarint.decode(buffer, offset, LENGTH_BYTES)
        except Truncated:
            return None
    if length > limit:
        raise NegotiationError(f"a message of {length} bytes, over the limit of {limit}", requirement="MSS-05")
    if length == 0:
        raise NegotiationError("a message of length 0", requirement="MSS-01")
    end = start + length
    if end > len(buffer):
        return None
    if buffer[end - 1] != 0x0A:
        raise NegotiationError("a message without a newline at its end", requirement="MSS-01")
    return buffer[start : end - 1], end


def encode_listing(protocols: Iterable[str], *, max_names: int) -> bytes | None:
    """Return the answer to ``ls`` that names ``protocols``, or None when it would not fit.

    Not fitting means more than ``max_names`` names or more than 1,024 bytes. A list that was cut short would say that
    the rest is not spoken, so there is none then (MSS-07 allows ``na`` instead).

    Raises:
        LocalError: a name is no protocol id.
    """
    parts: list[bytes] = []
    size = 1
    for protocol in protocols:
        part = encode(protocol)
        size += len(part)
        if size > MAX_MESSAGE or len(parts) == max_names:
            return None
        parts.append(part)
    return uvarint.encode(size) + b"".join(parts) + b"\n"


def decode_listing(payload: bytes, *, max_names: int) -> tuple[str, ...]:
    """Return the names in the payload of an answer to ``ls``, in the peer's order.

    Raises:
        NegotiationError: there are more than ``max_names`` names (MSS-08), or one is cut, not terminated or not UTF-8.
        DecodeError: a length is not a minimal uvarint.
    """
    names: list[str] = []
    offset = 0
    while offset < len(payload):
        if len(names) == max_names:
            raise NegotiationError(f"lists more than {max_names} protocols", requirement="MSS-08")
        cut = cut_message(payload, offset, len(payload))
        if cut is None:
            raise NegotiationError("the listing ends inside a name", requirement="MSS-07")
        name, offset = cut
        try:
            names.append(name.decode())
        except UnicodeDecodeError as error:
            raise NegotiationError("lists a name that is not UTF-8", requirement="MSS-11") from error
    return tuple(names)
