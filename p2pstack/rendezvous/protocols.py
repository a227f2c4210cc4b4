"""The protocol of rendezvous points, and the figures that both sides know (RDV-01, RDV-03, RDV-05)."""

from __future__ import annotations

from p2pstack.errors import DecodeError

__all__ = [
    "DEFAULT_TTL",
    "MAX_MESSAGE",
    "MAX_NAMESPACE",
    "MAX_TTL",
    "MIN_TTL",
    "PROTOCOL",
    "check_namespace",
    "read_namespace",
]

PROTOCOL = "/rendezvous/1.0.0"

MAX_MESSAGE = 1_048_576
"""Bytes of a message, without the length in front of it, as in rust."""

MAX_NAMESPACE = 255
"""Bytes of a namespace's name in UTF-8."""

MIN_TTL = 7_200
"""Seconds that a point takes at least for the life of a registration."""

DEFAULT_TTL = 7_200
"""Seconds for which a registration lives that says nothing of it."""

MAX_TTL = 259_200
"""Seconds that a point takes at most."""


def check_namespace(name: str) -> bytes:
    """Return the bytes of a namespace's name.

    Raises:
        DecodeError: it is empty, too long, or no text that bytes can hold (RDV-03).
    """
    try:
        encoded = name.encode()
    except UnicodeEncodeError as error:
        raise DecodeError(f"{name!r} can't be a namespace: {error.reason}", requirement="RDV-03") from error
    _check_size(encoded)
    return encoded


def read_namespace(encoded: bytes) -> str:
    """Return the name of a namespace as text.

    Raises:
        DecodeError: it is empty, too long, or no UTF-8 (RDV-03).
    """
    _check_size(encoded)
    try:
        return encoded.decode()
    except UnicodeDecodeError as error:
        raise DecodeError("the name of a namespace is no UTF-8", requirement="RDV-03") from error


def _check_size(encoded: bytes) -> None:
    if not 0 < len(encoded) <= MAX_NAMESPACE:
        raise DecodeError(
            f"the name of a namespace has 1 to {MAX_NAMESPACE} bytes, not {len(encoded)}", requirement="RDV-03"
        )
