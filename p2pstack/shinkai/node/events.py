"""What a node tells, beside what its calls return (specs/shinkai.md)."""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.host.events import Event
from p2pstack.shinkai.node.results import SendResult

__all__ = ["LibP2PUnavailable", "MessageAccepted", "MessageDelivered", "MessageFailed", "NodeEvent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeEvent(Event):
    """What a node tells; ``ShinkaiNode.events()`` gives them in the order in which they happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LibP2PUnavailable(NodeEvent):
    """libp2p did not start, or has ended; the node goes on over TCP. ``reason`` says why."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageAccepted(NodeEvent):
    """A message is in the inbox: verified, decrypted, and on disk. Fires before it is acknowledged."""

    key: str
    sender: str
    inbox: str
    via: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDelivered(NodeEvent):
    """A message has left the queue: it was acknowledged, or sent by a way without acknowledgements.

    ``found`` is how its recipient was found, as in :class:`SendResult`.
    """

    key: str
    recipient: str
    via: str | None
    found: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageFailed(NodeEvent):
    """An attempt failed; ``result`` says when the next one is, or that there is none."""

    recipient: str
    result: SendResult
