"""Why a relay does not hand a message on: one name a reason (SHK-103 to SHK-108; specs/shinkai.md).

In the original several of these end its process, others pass what nobody wants.
"""

from __future__ import annotations

from enum import StrEnum

from p2pstack.errors import RemoteError

__all__ = ["Reason", "Refused"]


class Reason(StrEnum):
    """The reasons, by the names under which they are counted. Unreadable messages have those of ``MessageError``."""

    UNREGISTERED = "unregistered"
    """Who sends is not registered here."""

    NOT_THE_SENDER = "not-the-sender"
    """The message names another sender than the peer that brings it."""

    NOT_REGISTERED = "not-registered"
    """Nobody is registered by the recipient's name."""

    TO_ITSELF = "to-itself"
    """The recipient is who sends."""

    BAD_INTRA_SENDER = "bad-intra-sender"
    """It answers a node without a name of its own, and names none that is registered."""

    LOCAL_TO_LOCAL = "local-to-local"
    """One node without a name answers another: neither can know the other's key."""

    NOT_THE_RESPONDER = "not-the-responder"
    """An answer names another sender than the node that was asked."""

    UNREACHABLE = "unreachable"
    """The recipient is registered, and could not be asked, or did not answer in time."""

    NO_ANSWER = "no-answer"
    """The recipient answered with nothing."""


class Refused(RemoteError):
    """A message is not handed on; ``reason`` says why: a :class:`Reason`, or the name of a limit."""

    protocol = "shinkai-relay"

    def __init__(self, reason: str, message: str, *, requirement: str) -> None:
        super().__init__(message, requirement=requirement)
        self.reason = reason
