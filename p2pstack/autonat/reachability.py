"""Whether others can dial us: what the answers of many servers say together (AUTONAT1-04, AUTONAT2-03).

One server proves little: it may lie, or have its own troubles. Answers are counted by group of servers, as
:func:`p2pstack.services.observed.observer_group` makes them: a network that runs a hundred servers has one voice.
"""

from __future__ import annotations

from enum import Enum
from math import inf
from typing import NamedTuple

from p2pstack.autonat.config import ConfidenceConfig

__all__ = ["Confidence", "Reachability"]


class Reachability(Enum):
    """Whether an address, or the whole host, can be dialled from outside."""

    UNKNOWN = "unknown"
    PUBLIC = "public"
    PRIVATE = "private"


class _Answer(NamedTuple):
    at: float
    reachable: bool


class Confidence:
    """The answers about one address, and what is believed because of them.

    A belief begins once ``confirmations`` more groups say so than deny it, and lasts until the lead is below half of
    that. ``asking`` counts the questions that are under way.
    """

    __slots__ = ("_answers", "_ask_at", "_config", "asking", "reachability")

    def __init__(self, config: ConfidenceConfig) -> None:
        self._config = config
        self._answers: dict[str, _Answer] = {}
        self._ask_at = -inf
        self.asking = 0
        self.reachability = Reachability.UNKNOWN

    def record(self, group: str, *, reachable: bool, now: float, jitter: float) -> None:
        """Take the answer of a group, which replaces its earlier one; ``jitter`` is a random number from 0 to 1."""
        self._answers.pop(group, None)
        self._answers[group] = _Answer(now, reachable)
        if len(self._answers) > self._config.max_answers:
            del self._answers[next(iter(self._answers))]
        self._weigh()
        self._ask_at = now + self._config.recheck_interval * (1 + self._config.recheck_spread * jitter)

    def expire(self, now: float) -> None:
        """Forget answers that are too old."""
        kept = {group: each for group, each in self._answers.items() if each.at > now - self._config.answer_ttl}
        if len(kept) < len(self._answers):
            self._answers = kept
            self._weigh()

    def heard(self, group: str) -> bool:
        """Whether servers of a group have answered, and that still counts."""
        return group in self._answers

    def missing(self, now: float) -> int:
        """Return how many questions more should be under way now; at least one until the matter is settled.

        A server that never answers must not keep us from asking others.
        """
        lead = abs(self._lead())
        if lead < self._config.confirmations:
            return max(1, self._config.confirmations - lead - self.asking)
        return 1 if now >= self._ask_at and not self.asking else 0

    def next_at(self) -> float:
        """Return when the next question is due if no answer comes before: -inf if one is due already."""
        return self._ask_at if abs(self._lead()) >= self._config.confirmations else -inf

    def _lead(self) -> int:
        """Return by how many groups those that say "reachable" outnumber the others; negative: they are fewer."""
        return sum(1 if answer.reachable else -1 for answer in self._answers.values())

    def _weigh(self) -> None:
        lead = self._lead()
        enough = self._config.confirmations
        sides = ((lead, Reachability.PUBLIC), (-lead, Reachability.PRIVATE))
        for ahead, belief in sides:
            if ahead >= enough or (self.reachability is belief and ahead * 2 >= enough):
                self.reachability = belief
                return
        self.reachability = Reachability.UNKNOWN
