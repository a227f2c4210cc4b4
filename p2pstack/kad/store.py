"""Where values and providers are kept: an interface, and the store that forgets all when the process ends.

A store keeps what it is told to: who may write what, how much there can be and how long it lives is decided in
:mod:`.values` and :mod:`.providers`. All times are Unix seconds, since a store may outlive the process.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.contacts import Contact
from p2pstack.kad.records import Record

__all__ = ["MemoryStore", "Store", "StoredProvider", "StoredValue"]


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredValue:
    """A value that is held for others; the key is the record's."""

    record: Record
    received: float
    expires: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredProvider:
    """A provider of a key, as it announced itself."""

    contact: Contact
    received: float


class Store(Protocol):
    """What a store has to do. Each call is done when it returns."""

    def value(self, key: bytes) -> StoredValue | None:
        """Return the value of a key, or None."""

    def put_value(self, value: StoredValue) -> None:
        """Keep a value, in place of the one that its key has."""

    def drop_value(self, key: bytes) -> None:
        """Forget a value, if it is there."""

    def values(self) -> Iterator[StoredValue]:
        """Iterate over all values, in any order."""

    def providers(self, key: bytes) -> list[StoredProvider]:
        """Return the providers of a key, in any order."""

    def put_provider(self, key: bytes, provider: StoredProvider) -> None:
        """Keep a provider, in place of what the same peer has announced for this key before."""

    def drop_provider(self, key: bytes, peer: PeerId) -> None:
        """Forget a provider of a key, if it is there."""

    def provided_keys(self) -> Iterator[bytes]:
        """Iterate over all keys that have providers, in any order."""


class MemoryStore:
    """A :class:`Store` in memory."""

    def __init__(self) -> None:
        self._values: dict[bytes, StoredValue] = {}
        self._providers: dict[bytes, dict[PeerId, StoredProvider]] = {}

    def value(self, key: bytes) -> StoredValue | None:
        """Return the value of a key, or None."""
        return self._values.get(key)

    def put_value(self, value: StoredValue) -> None:
        """Keep a value, in place of the one that its key has."""
        self._values[value.record.key] = value

    def drop_value(self, key: bytes) -> None:
        """Forget a value, if it is there."""
        self._values.pop(key, None)

    def values(self) -> Iterator[StoredValue]:
        """Iterate over all values, the oldest first."""
        return iter(self._values.values())

    def providers(self, key: bytes) -> list[StoredProvider]:
        """Return the providers of a key, the one that announced itself first first."""
        return list(self._providers.get(key, {}).values())

    def put_provider(self, key: bytes, provider: StoredProvider) -> None:
        """Keep a provider, in place of what the same peer has announced for this key before."""
        self._providers.setdefault(key, {})[provider.contact.peer] = provider

    def drop_provider(self, key: bytes, peer: PeerId) -> None:
        """Forget a provider of a key, if it is there."""
        of_key = self._providers.get(key, {})
        of_key.pop(peer, None)
        if not of_key:
            self._providers.pop(key, None)

    def provided_keys(self) -> Iterator[bytes]:
        """Iterate over all keys that have providers, the oldest first."""
        return iter(self._providers)
