"""What a rendezvous point answers (RDV-02)."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Status", "describe"]


class Status(IntEnum):
    """The statuses, with their numbers on the wire."""

    OK = 0
    E_INVALID_NAMESPACE = 100
    E_INVALID_SIGNED_PEER_RECORD = 101
    E_INVALID_TTL = 102
    E_INVALID_COOKIE = 103
    E_NOT_AUTHORIZED = 200
    """The record is another peer's."""

    E_INTERNAL_ERROR = 300
    E_UNAVAILABLE = 400
    """There is no room."""


def describe(status: int, text: str = "") -> str:
    """Return a status as people read it: its name, if it has one, its number, and what the point says beside."""
    try:
        said = f"{Status(status).name} ({int(status)})"
    except ValueError:
        said = f"status {status}"
    return f"{said}: {text}" if text else said
