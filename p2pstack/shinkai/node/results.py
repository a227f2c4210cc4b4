"""What a node tells its program: what became of a message that was sent, and messages that came in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from enum import StrEnum

from p2pstack.shinkai.message import ShinkaiMessage
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.schemas import MessageSchemaType

__all__ = ["Attempt", "ReceivedMessage", "SendResult", "SendState"]


class SendState(StrEnum):
    """What became of a message (SHK-80)."""

    ACKNOWLEDGED = "acknowledged"
    """The recipient has it, and has said so."""

    SENT = "sent"
    """It has left, and by this way no acknowledgement comes."""

    QUEUED = "queued"
    """It is on disk and will be tried again; ``next_attempt`` says when."""

    REFUSED = "refused"
    """It was not accepted and will not be tried; ``reason`` says why."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A way that was tried in vain: ``libp2p``, ``tcp`` or ``directory``, and why it failed."""

    way: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SendResult:
    """What ``send`` reports. ``key`` names the message in queue and inbox, also at the recipient's.

    ``via`` is ``libp2p`` or ``tcp``, or None for one that did not leave. ``next_attempt`` is in seconds since 1970.
    ``reason`` is a short name for why it was refused, or why it waits; ``detail`` says it in words. ``found`` is how
    libp2p knew where the recipient is: ``connected``, ``directory``, ``known``, ``relay`` or ``dht`` (SHK-120).
    """

    state: SendState
    key: str = ""
    via: str | None = None
    next_attempt: float | None = None
    attempts: tuple[Attempt, ...] = ()
    reason: str = ""
    detail: str = ""
    found: str = ""

    def __bool__(self) -> bool:
        """Whether the message was accepted: it is delivered, or will be tried again."""
        return self.state is not SendState.REFUSED


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceivedMessage:
    """A message for the program, verified and decrypted.

    It comes again after a restart until it is taken: by asking the inbox for the next one, by the end of its handler,
    or by :meth:`done`. ``key`` is the same each time; ``redelivered`` tells that it may have been given out before.
    """

    key: str
    message: ShinkaiMessage
    sender: ShinkaiName
    """The node whose signature was checked; profiles below it are its own word."""

    inbox: str
    via: str
    """``libp2p`` or ``tcp``."""

    received_at: float
    """In seconds since 1970."""

    redelivered: bool = False
    done: Callable[[], Awaitable[None]] = field(repr=False, compare=False)
    """Take it: once this has returned it never comes again."""

    @property
    def text(self) -> str:
        """What it says.

        Raises:
            StillEncrypted: it is encrypted for a profile whose key the node has not.
        """
        return self.message.content

    @property
    def schema(self) -> MessageSchemaType | None:
        """What the content is; None where it is encrypted for a profile."""
        body = self.message.readable_body.message_data
        return getattr(body, "message_content_schema", None)
