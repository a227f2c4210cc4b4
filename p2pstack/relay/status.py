"""What a relay, or the peer at the end of a circuit, answers (RELAY-02)."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["Status", "describe"]


class Status(IntEnum):
    """The statuses, with their numbers on the wire."""

    UNUSED = 0
    """None was sent."""

    OK = 100
    RESERVATION_REFUSED = 200
    """The relay has no room for the reservation, or doesn't want it."""

    RESOURCE_LIMIT_EXCEEDED = 201
    """Too many circuits, or too many requests in a short time."""

    PERMISSION_DENIED = 202
    CONNECTION_FAILED = 203
    """The target has a reservation, but did not take the circuit."""

    NO_RESERVATION = 204
    MALFORMED_MESSAGE = 400
    UNEXPECTED_MESSAGE = 401


def describe(status: int) -> str:
    """Return a status as people read it: its name and number, or the number alone if it has no name."""
    try:
        return f"{Status(status).name} ({int(status)})"
    except ValueError:
        return f"status {status}"
