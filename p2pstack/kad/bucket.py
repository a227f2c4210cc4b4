"""One bucket of the routing table: the peers that share a certain number of leading bits with us (KAD-02, KAD-11)."""

from __future__ import annotations

from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.contacts import Contact

__all__ = ["Bucket", "Entry"]


class Entry:
    """A peer in a bucket.

    ``position`` is where it lies, ``heard_at`` when it last answered us; ``failures`` counts its requests since then
    that failed.
    """

    __slots__ = ("contact", "failures", "heard_at", "position")

    def __init__(self, contact: Contact, heard_at: float) -> None:
        self.contact = contact
        self.position = contact.position
        self.heard_at = heard_at
        self.failures = 0


class Bucket:
    """Its entries, the one heard of longest ago first, and replacements in the order in which they came."""

    __slots__ = ("entries", "replacements")

    def __init__(self) -> None:
        self.entries: dict[PeerId, Entry] = {}
        self.replacements: dict[PeerId, Contact] = {}

    def move_to_end(self, peer: PeerId) -> None:
        """Let a peer be the one heard of last."""
        self.entries[peer] = self.entries.pop(peer)

    def wait(self, contact: Contact, limit: int) -> None:
        """Note a peer that waits for a place; beyond ``limit`` the oldest is forgotten."""
        self.replacements.pop(contact.peer, None)
        self.replacements[contact.peer] = contact
        if len(self.replacements) > limit:
            del self.replacements[next(iter(self.replacements))]

    def next_replacement(self) -> Contact | None:
        """Take the peer that began to wait last: it is the one most likely to be there still."""
        if not self.replacements:
            return None
        return self.replacements.popitem()[1]
