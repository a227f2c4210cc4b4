"""One path of a lookup: whom it has heard of, the nearest first, and whom it asks next (KAD-04; specs/kad.md)."""

from __future__ import annotations

from bisect import insort
from collections.abc import Callable, Iterator
from enum import IntEnum
from itertools import islice

from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import Contact

__all__ = ["Candidate", "Path", "State"]


class State(IntEnum):
    """How far a lookup is with a peer. Nobody is asked twice."""

    HEARD = 0
    ASKED = 1
    SLOW = 2
    """Asked, and without an answer for ``patience`` seconds: others are asked in its place."""

    ANSWERED = 3
    FAILED = 4


class Candidate:
    """A peer of a lookup. ``hops`` is how many peers had to answer before it was heard of."""

    __slots__ = ("contact", "deadline", "distance", "hops", "path", "slow_at", "state")

    def __init__(self, contact: Contact, distance: int, hops: int, path: Path) -> None:
        self.contact = contact
        self.distance = distance
        self.hops = hops
        self.path = path
        self.state = State.HEARD
        self.slow_at = 0.0
        self.deadline = 0.0


def _distance(candidate: Candidate) -> int:
    return candidate.distance


class Path:
    """The candidates of one path.

    ``under_way`` counts those that are asked and have not answered yet, without the slow ones.
    """

    __slots__ = ("_answered", "_config", "_heard", "_order", "_slow", "settled", "under_way")

    def __init__(self, config: KadConfig) -> None:
        self._config = config
        self._order: list[Candidate] = []
        self._heard = 0
        self._slow = 0
        self._answered = 0
        self.under_way = 0
        self.settled = False
        """Whether the ``beta`` nearest have answered: then nobody new is heard of, and of the ``k`` nearest those are
        asked that were not."""

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self._order)

    def hear(self, candidate: Candidate) -> Candidate | None:
        """Take a new candidate; return the one that is forgotten for it, which may be itself."""
        insort(self._order, candidate, key=_distance)
        self._heard += 1
        if self._heard <= self._config.max_candidates:
            return None
        index = next(i for i in range(len(self._order) - 1, -1, -1) if self._order[i].state is State.HEARD)
        self._heard -= 1
        return self._order.pop(index)

    def ask(self, candidate: Candidate, now: float) -> None:
        """A candidate is being asked."""
        candidate.state = State.ASKED
        candidate.slow_at = now + self._config.patience
        candidate.deadline = now + self._config.peer_timeout
        self._heard -= 1
        self.under_way += 1

    def slow(self, candidate: Candidate) -> None:
        """A candidate that was asked takes long."""
        candidate.state = State.SLOW
        self.under_way -= 1
        self._slow += 1

    def settle(self, candidate: Candidate, *, answered: bool) -> None:
        """A candidate that was asked has answered, or failed."""
        if candidate.state is State.SLOW:
            self._slow -= 1
        else:
            self.under_way -= 1
        candidate.state = State.ANSWERED if answered else State.FAILED
        self._answered += answered

    def review(self) -> None:
        """Look whether the path is settled now; after each answer, with what it named, and each failure."""
        if not self.settled and self._answered >= self._config.beta:
            self.settled = all(each.state is State.ANSWERED for each in self._nearest(self._config.beta))

    def _nearest(self, count: int) -> Iterator[Candidate]:
        """Return an iterator over the ``count`` nearest that have not failed and are not slow."""
        hopeful = (each for each in self._order if each.state is not State.FAILED and each.state is not State.SLOW)
        return islice(hopeful, count)

    def next(self, may_ask: Callable[[Candidate], bool]) -> Candidate | None:
        """Return the next candidate to ask: of the ``k`` nearest, the nearest that was not asked; None: wait, or end.

        Those that ``may_ask`` refuses count as failed, and are taken out: there may be thousands of them.
        """
        while self._heard:
            waiting = (each for each in self._nearest(self._config.k) if each.state is State.HEARD)
            candidate = next(waiting, None)
            if candidate is None or may_ask(candidate):
                return candidate
            candidate.state = State.FAILED
            self._order.remove(candidate)
            self._heard -= 1
        return None

    @property
    def done(self) -> bool:
        """Whether nothing is to be waited for, given that :meth:`next` has nobody.

        For the slow ones it is only while fewer than ``k`` have answered.
        """
        if not self.under_way:
            return not self._slow or self._answered >= self._config.k
        return self.settled and all(each.state is not State.ASKED for each in self._nearest(self._config.k))
