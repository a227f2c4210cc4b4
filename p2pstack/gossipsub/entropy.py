"""What the router needs of a source of chance; a ``random.Random`` is one (specs/gossipsub.md)."""

from __future__ import annotations

from collections.abc import MutableSequence, Sequence
from typing import Any, Protocol, TypeVar

__all__ = ["Random"]

Item = TypeVar("Item")


class Random(Protocol):
    """Chance, passed in: with a seeded one a router does the same again; with ``SystemRandom`` nobody foresees it."""

    def random(self) -> float:
        """Return a number of at least 0 and less than 1."""

    def sample(self, population: Sequence[Item], k: int) -> list[Item]:
        """Return ``k`` different items."""

    def shuffle(self, x: MutableSequence[Any]) -> None:
        """Put a list into another order, in place."""

    def randrange(self, start: int) -> int:
        """Return a whole number of at least 0 and less than ``start``."""
