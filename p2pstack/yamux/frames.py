"""The twelve-byte yamux header and the numbers in it (YMX-01, YMX-02).

Plain ints, since an IntFlag test costs thirty times an int test on the frame path.
"""

from __future__ import annotations

from struct import Struct

__all__ = [
    "ACK",
    "DATA",
    "FIN",
    "GOAWAY_INTERNAL",
    "GOAWAY_NORMAL",
    "GOAWAY_PROTOCOL",
    "GO_AWAY",
    "HEADER_SIZE",
    "PING",
    "RESET_GATED",
    "RESET_NEGOTIATION",
    "RESET_RESOURCE_LIMIT",
    "RESET_SHUTDOWN",
    "RST",
    "SYN",
    "TYPE_NAMES",
    "WINDOW_UPDATE",
    "flag_names",
    "pack_header",
    "unpack_header",
]

_HEADER = Struct(">BBHII")
HEADER_SIZE = _HEADER.size

pack_header = _HEADER.pack
"""``pack_header(version, type, flags, stream_id, length) -> bytes``."""

unpack_header = _HEADER.unpack_from
"""``unpack_header(buffer, offset) -> (version, type, flags, stream_id, length)``."""

DATA, WINDOW_UPDATE, PING, GO_AWAY = 0, 1, 2, 3
SYN, ACK, FIN, RST = 1, 2, 4, 8

GOAWAY_NORMAL, GOAWAY_PROTOCOL, GOAWAY_INTERNAL = 0, 1, 2

# The codes that go-yamux 5 puts into the length of a reset (YMX-14).
RESET_NEGOTIATION = 0x1001
RESET_RESOURCE_LIMIT = 0x1002
RESET_SHUTDOWN = 0x1007
RESET_GATED = 0x1008

TYPE_NAMES = ("data", "window-update", "ping", "go-away")


def flag_names(flags: int) -> str:
    """Return the flags in a readable form, such as ``SYN|ACK``; unknown bits are left out."""
    names = ((SYN, "SYN"), (ACK, "ACK"), (FIN, "FIN"), (RST, "RST"))
    return "|".join(name for bit, name in names if flags & bit)
