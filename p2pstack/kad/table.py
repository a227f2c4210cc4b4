"""The routing table: whom we know, near peers well and far ones by samples (KAD-02, KAD-03, KAD-11; specs/kad.md).

Bucket ``n`` holds peers that share exactly ``n`` leading bits with us, at most ``k``. Old peers that answer are kept,
as they are likely to go on answering and can't be driven out by new ones; a new one waits until a place is free.

Times are in seconds on any clock, the same in all calls. Only peers that have answered a request belong in here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from enum import Enum

from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.bucket import Bucket, Entry
from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import Contact
from p2pstack.kad.filters import admit
from p2pstack.kad.keyspace import BITS, common_prefix, position

__all__ = ["Admission", "RoutingTable"]


class Admission(Enum):
    """What became of a peer that was offered to the table."""

    ADDED = "added"
    KNOWN = "known"
    """It was there; its addresses and the time are updated."""

    WAITING = "waiting"
    """Its bucket is full; it waits for a place."""

    OWN = "own"
    """It is ourselves."""

    FILTERED = "filtered"
    """It has no address of this network (KAD-13)."""

    CROWDED = "crowded"
    """Its IP group has its share of the bucket, or of the table (KAD-21)."""


class RoutingTable:
    """The peers that ``own`` knows."""

    def __init__(self, own: PeerId, config: KadConfig) -> None:
        self.own = own
        self.position = position(own.to_bytes())
        self._config = config
        self._buckets: dict[int, Bucket] = {}
        self._groups: Counter[bytes] = Counter()
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def __contains__(self, peer: object) -> bool:
        return isinstance(peer, PeerId) and self._find(peer) is not None

    def __iter__(self) -> Iterator[Contact]:
        """Iterate over all peers, the bucket of the farthest first."""
        for prefix in sorted(self._buckets):
            for entry in self._buckets[prefix].entries.values():
                yield entry.contact

    def get(self, peer: PeerId) -> Contact | None:
        """Return what is known of a peer that is in the table, or None."""
        found = self._find(peer)
        return None if found is None else found.contact

    def sizes(self) -> dict[int, int]:
        """Return the number of peers in each bucket that has any, by its prefix."""
        return {prefix: len(bucket.entries) for prefix, bucket in sorted(self._buckets.items()) if bucket.entries}

    @property
    def deepest(self) -> int:
        """The longest prefix that a peer shares with us; 0 of an empty table."""
        return max(self.sizes(), default=0)

    # -- who comes and goes

    def add(self, contact: Contact, now: float) -> Admission:
        """Offer a peer that has just answered. HOT PATH of simulations.

        Its addresses should hold the one at which it was reached: the limits on IP groups rest on it.
        """
        if contact.peer == self.own:
            return Admission.OWN
        admitted = admit(self._config.network, contact)
        if admitted is None:
            return Admission.FILTERED
        contact = admitted
        prefix = common_prefix(self.position, contact.position)
        bucket = self._buckets.get(prefix)
        if bucket is None:
            bucket = self._buckets[prefix] = Bucket()
        entry = bucket.entries.get(contact.peer)
        if entry is not None:
            self._update(bucket, entry, contact, now)
            return Admission.KNOWN
        if contact.groups and self._is_crowded(bucket, contact):
            return Admission.CROWDED
        if len(bucket.entries) >= self._config.k:
            bucket.wait(contact, self._config.max_replacements)
            return Admission.WAITING
        self._enter(bucket, contact, now)
        return Admission.ADDED

    def _update(self, bucket: Bucket, entry: Entry, contact: Contact, now: float) -> None:
        entry.heard_at = now
        entry.failures = 0
        bucket.move_to_end(contact.peer)
        if not contact.addresses or contact.addresses == entry.contact.addresses:
            return
        self._uncount(entry.contact)
        # Where the new ones lie in a full group the old ones stay, or an id could move in there later.
        if not self._is_crowded(bucket, contact):
            entry.contact = contact
        self._groups.update(entry.contact.groups)

    def _uncount(self, contact: Contact) -> None:
        for group in contact.groups:
            self._groups[group] -= 1
            if not self._groups[group]:
                del self._groups[group]

    def _is_crowded(self, bucket: Bucket, contact: Contact) -> bool:
        """Whether one of the contact's groups has its share, without what the peer itself takes of it."""
        for group in contact.groups:
            in_table = self._groups[group]
            if in_table >= self._config.max_group_in_table:
                return True
            if in_table >= self._config.max_group_in_bucket:
                others = (each for each in bucket.entries.values() if each.contact.peer != contact.peer)
                in_bucket = sum(group in each.contact.groups for each in others)
                if in_bucket >= self._config.max_group_in_bucket:
                    return True
        return False

    def _enter(self, bucket: Bucket, contact: Contact, now: float) -> None:
        bucket.replacements.pop(contact.peer, None)
        bucket.entries[contact.peer] = Entry(contact, now)
        self._groups.update(contact.groups)
        self._size += 1

    def heard(self, peer: PeerId, now: float) -> bool:
        """A peer has answered; return whether it is in the table."""
        entry = self._find(peer)
        if entry is None:
            return False
        self._update(self._bucket_of(entry.contact), entry, entry.contact, now)
        return True

    def failed(self, peer: PeerId, now: float) -> bool:
        """A request to a peer has failed; return whether it leaves the table (KAD-11).

        It does after ``max_failures`` in a row, or at once where another waits for its place. So a node whose own
        network fails keeps the peers with which it can begin anew.
        """
        entry = self._find(peer)
        if entry is None:
            return False
        entry.failures += 1
        bucket = self._bucket_of(entry.contact)
        if not bucket.replacements and entry.failures < self._config.max_failures:
            return False
        self._leave(bucket, entry)
        self._promote(bucket, now)
        return True

    def remove(self, peer: PeerId, now: float) -> bool:
        """Take a peer out that does not speak the protocol any more; return whether it was there (KAD-03)."""
        contact = Contact(peer)
        prefix = common_prefix(self.position, contact.position)
        bucket = self._buckets.get(prefix)
        if bucket is None:
            return False
        bucket.replacements.pop(peer, None)
        entry = bucket.entries.get(peer)
        if entry is None:
            return False
        self._leave(bucket, entry)
        self._promote(bucket, now)
        return True

    def _leave(self, bucket: Bucket, entry: Entry) -> None:
        del bucket.entries[entry.contact.peer]
        self._size -= 1
        self._uncount(entry.contact)

    def _promote(self, bucket: Bucket, now: float) -> None:
        """Give a free place to who waits for it, unless its group has filled up meanwhile."""
        while (contact := bucket.next_replacement()) is not None:
            if not self._is_crowded(bucket, contact):
                self._enter(bucket, contact, now)
                return

    def _find(self, peer: PeerId) -> Entry | None:
        if not self._size:
            return None
        bucket = self._buckets.get(common_prefix(self.position, position(peer.to_bytes())))
        return None if bucket is None else bucket.entries.get(peer)

    def _bucket_of(self, contact: Contact) -> Bucket:
        return self._buckets[common_prefix(self.position, contact.position)]

    # -- what it is for

    def closest(
        self, target: int, count: int, *, without: Collection[PeerId] = (), failing: bool = False
    ) -> list[Contact]:
        """Return the ``count`` peers nearest to a position, the nearest first (KAD-04). HOT PATH.

        Peers whose last request failed are among them only if ``failing``: for own lookups, not for those who ask.
        """
        found: list[Contact] = []
        absent = [position(peer.to_bytes()) ^ target for peer in without]
        for entries in self._by_distance(target):
            near = {each.position ^ target: each.contact for each in entries if failing or not each.failures}
            for distance in absent:
                near.pop(distance, None)
            found += [near[distance] for distance in sorted(near)]
            if len(found) >= count:
                break
        return found[:count]

    def _by_distance(self, target: int) -> Iterator[Iterable[Entry]]:
        """Yield groups of entries: all of one are nearer to the target than any of the next.

        With the ``n`` bits that we share with the target, peers of our bucket ``n`` share more than ``n`` with it,
        those of deeper buckets ``n``, those of a bucket before ``n`` as many as its number.
        """
        shared = common_prefix(self.position, target)
        buckets = self._buckets
        if shared in buckets:
            yield buckets[shared].entries.values()
        deeper = [bucket for prefix, bucket in buckets.items() if prefix > shared]
        yield [entry for bucket in deeper for entry in bucket.entries.values()]
        for prefix in range(min(shared, BITS) - 1, -1, -1):
            if prefix in buckets:
                yield buckets[prefix].entries.values()

    def silent(self, now: float) -> list[Contact]:
        """Return the peers that were not heard of for ``silence`` seconds: ask them whether they are there (KAD-11)."""
        limit = now - self._config.silence
        return [
            entry.contact
            for bucket in self._buckets.values()
            for entry in bucket.entries.values()
            if entry.heard_at <= limit
        ]
