"""Who provides what: announcements, for how long they count, and which go when there are too many (KAD-06).

All times are Unix seconds.
"""

from __future__ import annotations

from p2pstack.kad.config import KadConfig
from p2pstack.kad.contacts import Contact
from p2pstack.kad.keyspace import position
from p2pstack.kad.store import Store, StoredProvider

__all__ = ["Providers"]


class Providers:
    """The providers in a store; ``own`` is the node's position, near which it keeps more keys."""

    def __init__(self, store: Store, config: KadConfig, own: int) -> None:
        self._store = store
        self._config = config
        self._own = own
        self._distances = {key: position(key) ^ own for key in list(store.provided_keys())}

    def __len__(self) -> int:
        """Keys that have providers."""
        return len(self._distances)

    def add(self, key: bytes, contact: Contact, now: float) -> bool:
        """Note that a peer provides ``key``; return False where others are nearer, and all places taken."""
        known = {each.contact.peer: each for each in self._live(key, now)}
        if contact.peer not in known:
            if not known and not self._make_room_for_key(key, now):
                return False
            if len(known) >= self._config.max_providers and not self._make_room(key, contact, list(known.values())):
                return False
        self._store.put_provider(key, StoredProvider(contact=contact, received=now))
        self._distances[key] = position(key) ^ self._own
        return True

    def _make_room(self, key: bytes, contact: Contact, known: list[StoredProvider]) -> bool:
        target = position(key)
        farthest = max(known, key=lambda each: each.contact.position ^ target).contact
        if contact.position ^ target > farthest.position ^ target:
            return False
        self._store.drop_provider(key, farthest.peer)
        return True

    def _make_room_for_key(self, key: bytes, now: float) -> bool:
        if len(self._distances) < self._config.max_provided_keys:
            return True
        self.sweep(now)
        if len(self._distances) < self._config.max_provided_keys:
            return True
        farthest = max(self._distances, key=lambda each: self._distances[each])
        if position(key) ^ self._own >= self._distances[farthest]:
            return False
        for each in self._store.providers(farthest):
            self._store.drop_provider(farthest, each.contact.peer)
        del self._distances[farthest]
        return True

    def _live(self, key: bytes, now: float) -> list[StoredProvider]:
        """Return the providers of a key that are not over, and forget the others."""
        if key not in self._distances:
            return []
        live = []
        for each in self._store.providers(key):
            if each.received + self._config.provider_lifetime > now:
                live.append(each)
            else:
                self._store.drop_provider(key, each.contact.peer)
        if not live:
            del self._distances[key]
        return live

    def get(self, key: bytes, now: float) -> list[Contact]:
        """Return the providers of a key, the nearest to it first; those of long ago without their addresses."""
        bare_before = now - self._config.provider_address_lifetime
        target = position(key)
        contacts = [
            each.contact if each.received > bare_before else Contact(each.contact.peer) for each in self._live(key, now)
        ]
        return sorted(contacts, key=lambda each: each.position ^ target)

    def sweep(self, now: float) -> int:
        """Forget all providers that are over; return how many keys went with them."""
        before = len(self._distances)
        for key in list(self._distances):
            self._live(key, now)
        return before - len(self._distances)
