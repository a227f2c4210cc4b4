"""What became of one lookup in a simulated DHT."""

from __future__ import annotations

from collections.abc import Sequence

from p2pstack.kad.contacts import Contact
from p2pstack.kad.query import Query

__all__ = ["LookupTrace"]


class LookupTrace:
    """A lookup, and what it should find: ``expected`` are the nodes nearest to its key when it began."""

    def __init__(self, query: Query, expected: Sequence[Contact], began: float) -> None:
        self.query = query
        self.expected = expected
        self.began = began
        self.seconds = 0.0
        """From its beginning to its end."""
        self.heard: float | None = None
        """Until it heard of addresses of the peer that it looks for; None: it did not, or had them from the table."""

    def heard_of(self, now: float) -> None:
        """It knows where the peer is."""
        if self.heard is None:
            self.heard = now - self.began

    def finished(self, now: float) -> None:
        """It has ended."""
        self.seconds = now - self.began

    @property
    def found(self) -> bool:
        """Whether it has found the very nearest node: the peer itself, where one was looked for."""
        closest = self.query.closest()
        return bool(closest and self.expected) and closest[0].peer == self.expected[0].peer

    @property
    def recall(self) -> float:
        """The share of the nearest nodes that it has found."""
        found = {each.peer for each in self.query.closest()}
        return sum(each.peer in found for each in self.expected) / len(self.expected) if self.expected else 1.0
