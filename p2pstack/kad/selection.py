"""Which of the values that peers give is taken, and who has to be told of it (KAD-05; specs/kad.md)."""

from __future__ import annotations

from collections.abc import Iterable

from p2pstack.errors import DecodeError
from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.contacts import Contact
from p2pstack.kad.records import Record
from p2pstack.kad.validators import Validators

__all__ = ["Selection"]


class Selection:
    """The values of one key, as they come in. Invalid ones are as if nothing had come."""

    def __init__(self, key: bytes, validators: Validators) -> None:
        self.best: Record | None = None
        """The best one so far."""
        self.count = 0
        """Peers that gave a valid value."""
        self.invalid = 0
        """Peers that gave an invalid one."""
        self._key = key
        self._validators = validators
        self._holders: set[PeerId] = set()

    def add(self, peer: PeerId, record: Record) -> bool:
        """Take what a peer gave; return whether it is the best so far."""
        if self.best is not None and record.value == self.best.value:
            self.count += 1
            self._holders.add(peer)
            return False
        try:
            self._validators.validate(self._key, record.value)
            better = self.best is None or self._validators.select(self._key, [self.best.value, record.value]) == 1
        except DecodeError:
            self.invalid += 1
            return False
        self.count += 1
        if better:
            self.best = record
            self._holders = {peer}
        return better

    def outdated(self, closest: Iterable[Contact]) -> list[Contact]:
        """Return those of the nearest peers that did not give the best value: it is to be PUT there."""
        if self.best is None:
            return []
        return [each for each in closest if each.peer not in self._holders]
