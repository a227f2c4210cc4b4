"""The protocols of AutoNAT, and how long their messages may be (AUTONAT1-01, AUTONAT2-01)."""

from __future__ import annotations

__all__ = [
    "DIAL_BACK",
    "DIAL_REQUEST",
    "MAX_BACK_MESSAGE",
    "MAX_DATA",
    "MAX_PART",
    "MAX_V1_ADDRESSES",
    "MAX_V1_MESSAGE",
    "MAX_V2_ADDRESSES",
    "MAX_V2_MESSAGE",
    "MIN_DATA",
    "MIN_PART",
    "V1",
]

V1 = "/libp2p/autonat/1.0.0"
DIAL_REQUEST = "/libp2p/autonat/2/dial-request"
DIAL_BACK = "/libp2p/autonat/2/dial-back"

MAX_V1_MESSAGE = 4_096
"""Bytes of a message of version 1, as in go."""

MAX_V1_ADDRESSES = 16
"""Addresses that a server of version 1 dials (AUTONAT1-03)."""

MAX_V2_MESSAGE = 8_192
"""Bytes of a message on the stream of a request, as in go (AUTONAT2-04)."""

MAX_BACK_MESSAGE = 1_024
"""Bytes of a message on the stream of a dial-back, as in go."""

MAX_V2_ADDRESSES = 50
"""Addresses of a request that are looked at (AUTONAT2-02)."""

MIN_DATA, MAX_DATA = 30_000, 100_000
"""Bytes that a server may have the client send before it dials another IP than the client's (AUTONAT2-02)."""

MIN_PART, MAX_PART = 100, 4_096
"""Bytes of data in one message: go refuses shorter ones but the last, and the specification longer ones."""
