"""A lookup of a value (KAD-05; specs/kad.md)."""

from __future__ import annotations

from collections.abc import Iterable

from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import Contact
from p2pstack.kad.events import ValueFound
from p2pstack.kad.messages import Message, MessageType
from p2pstack.kad.path import Candidate
from p2pstack.kad.query import Query, Verdict
from p2pstack.kad.records import Record
from p2pstack.kad.selection import Selection
from p2pstack.kad.validators import Validators

__all__ = ["ValueQuery"]


class ValueQuery(Query):
    """Asks the peers nearest to a key for its value, and takes the best of those that are valid.

    With ``quorum`` it ends when as many peers have given a valid one; with 0 it goes on to the end, which finds the
    newest. What the node itself has stored goes into ``own_record``.
    """

    kind = MessageType.GET_VALUE

    def __init__(
        self,
        *,
        own: PeerId,
        key: bytes,
        seeds: Iterable[Contact],
        config: KadConfig,
        now: float,
        validators: Validators,
        quorum: int = 0,
        own_record: Record | None = None,
    ) -> None:
        self._selection = Selection(key, validators)
        self._quorum = quorum
        if own_record is not None:
            self._selection.add(own, own_record)
        super().__init__(own=own, key=key, seeds=() if self._has_enough() else seeds, config=config, now=now)

    @property
    def best(self) -> Record | None:
        """The best value so far."""
        return self._selection.best

    @property
    def values(self) -> int:
        """Peers that have given a valid value, oneself included."""
        return self._selection.count

    @property
    def invalid(self) -> int:
        """Peers that have given an invalid one."""
        return self._selection.invalid

    def outdated(self) -> list[Contact]:
        """Return the nearest peers that did not give the best value, for it to be PUT there (entry correction)."""
        return self._selection.outdated(self.closest())

    def _take(self, candidate: Candidate, answer: Message) -> Verdict:
        record = answer.record
        if record is None:
            return Verdict.GO_ON
        if record.key != self.key:
            return Verdict.FAULTY
        peer = candidate.contact.peer
        if self._selection.add(peer, record):
            self._events.append(ValueFound(peer=peer, record=record))
        return Verdict.ENOUGH if self._has_enough() else Verdict.GO_ON

    def _has_enough(self) -> bool:
        return 0 < self._quorum <= self._selection.count
