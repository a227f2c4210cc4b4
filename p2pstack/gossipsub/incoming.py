"""A message on its way from a peer to its verdict (specs/gossipsub.md)."""

from __future__ import annotations

from p2pstack.gossipsub.values import Message
from p2pstack.identity.peer_id import PeerId

__all__ = ["Incoming"]


class Incoming:
    """One message as one peer sent it; what validators and subscribers are given. Compares by identity.

    ``peer`` is who sent it to us, the author or not; ``id`` its message id; ``copies`` who has sent the same since,
    and how often: they need not get it from us.
    """

    __slots__ = ("copies", "id", "message", "peer", "received_at")

    def __init__(self, message: Message, message_id: bytes, peer: PeerId, received_at: float) -> None:
        self.message = message
        self.id = message_id
        self.peer = peer
        self.received_at = received_at
        self.copies: dict[PeerId, int] = {}

    def __repr__(self) -> str:
        return f"<Incoming {self.id.hex()[:16]} in {self.topic!r}, {len(self.data)} bytes, from {self.peer}>"

    @property
    def data(self) -> bytes:
        """What was published."""
        return self.message.data

    @property
    def topic(self) -> str:
        """Where it was published."""
        return self.message.topic

    @property
    def author(self) -> PeerId | None:
        """Who has published it, as the message says: proven only where signatures are required."""
        return self.message.author

    @property
    def seqno(self) -> bytes | None:
        """The author's sequence number, 8 bytes big-endian."""
        return self.message.seqno
