"""How receive windows grow, and what keeps them from growing too far (YMX-11, YMX-12).

A window of 256 KiB carries one window a round trip. When the reader empties a window within four round trips the
window, not the reader, is the brake, and it doubles. What all windows of a session have grown beyond their first
256 KiB is drawn from a budget, and a host may put a common budget behind those of its sessions: a peer can make us
hold what the budgets allow and no more.

Invariant: ``granted`` of a window budget is the sum over its streams of (window - 256 KiB), never above ``limit``.
"""

from __future__ import annotations

__all__ = ["GROWTH_ROUND_TRIPS", "Budget"]

GROWTH_ROUND_TRIPS = 4
"""A window that is used up within this many round trips doubles, as in go."""


class Budget:
    """A bound on what many may take together: bytes of windows, or streams. Budgets can be nested."""

    __slots__ = ("granted", "limit", "parent")

    def __init__(self, limit: int, parent: Budget | None = None) -> None:
        self.limit = limit
        self.parent = parent
        self.granted = 0

    def take(self, amount: int) -> bool:
        """Reserve ``amount`` here and in every parent; False, and nothing reserved, where one has no room."""
        if self.granted + amount > self.limit:
            return False
        if self.parent is not None and not self.parent.take(amount):
            return False
        self.granted += amount
        return True

    def give_back(self, amount: int) -> None:
        """Return ``amount`` that :meth:`take` has reserved."""
        self.granted -= amount
        if self.parent is not None:
            self.parent.give_back(amount)
