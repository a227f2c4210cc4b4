"""Who is registered at a relay, and by what name (SHK-101, SHK-102; specs/shinkai.md).

A name is claimed in the agent that identify tells, ``shinkai-node-@@alice.shinkai``. The claim holds if the directory's
signature key for the name is the peer's own, so two peers can hold the same name only one after the other: when the
directory has changed its mind. Nodes without a name of their own, ``@@localhost.…``, claim nothing that could be
checked: they are registered by their peer ids. Pure: who is connected is the caller's to know.
"""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.errors import LimitExceeded
from p2pstack.identity.keys import KeyType, PublicKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.names import ShinkaiName, is_valid

__all__ = ["Registration", "Registrations", "claim_of", "key_of"]

_WORDS = ("shinkai", "node")
"""An agent that makes a claim holds one of these, as in the original."""


def claim_of(agent: str) -> ShinkaiName | None:
    """Return the node whose name a peer's agent claims, or None.

    Up to the first ``/``: a relay's own agent, ``shinkai-relayer/@@relay.shinkai/1.0``, makes a claim as well.
    """
    start = agent.find("@@")
    name = agent[start:].partition("/")[0]
    if start < 0 or not is_valid(name) or not any(word in agent for word in _WORDS):
        return None
    return ShinkaiName.parse(name)


def key_of(peer: PeerId) -> PublicKey | None:
    """Return the key that a peer has proved to have, if it is one that a node signs with, an Ed25519 key."""
    key = peer.public_key
    return key if key is not None and key.type is KeyType.ED25519 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """One registered peer. ``record`` is the directory's, None for a node without a name; ``since`` in seconds.

    ``key`` is what it signs with, and has proved to have by its connection.
    """

    peer: PeerId
    name: ShinkaiName
    key: PublicKey
    since: float
    record: IdentityRecord | None = None

    @property
    def local(self) -> bool:
        """Whether it is a node without a name of its own."""
        return self.record is None


class Registrations:
    """The table. ``max_named`` and ``max_local`` bound it: names are the directory's, peer ids cost nothing."""

    def __init__(self, *, max_named: int, max_local: int) -> None:
        self.max_named = max_named
        self.max_local = max_local
        self._peers: dict[PeerId, Registration] = {}
        self._holders: dict[ShinkaiName, PeerId] = {}

    def __len__(self) -> int:
        return len(self._peers)

    @property
    def all(self) -> list[Registration]:
        """Every registration."""
        return list(self._peers.values())

    @property
    def named(self) -> int:
        """How many have a name."""
        return len(self._holders)

    @property
    def local(self) -> int:
        """How many have none."""
        return len(self._peers) - len(self._holders)

    def of(self, peer: PeerId) -> Registration | None:
        """Return the registration of ``peer``."""
        return self._peers.get(peer)

    def holder(self, name: ShinkaiName) -> Registration | None:
        """Return the registration of the node ``name``; never one of a node without a name of its own."""
        peer = self._holders.get(name)
        return None if peer is None else self._peers[peer]

    def register(
        self, peer: PeerId, name: ShinkaiName, key: PublicKey, record: IdentityRecord | None, now: float
    ) -> tuple[Registration, Registration | None]:
        """Register ``peer``, which has ``key``, and whose claim to ``name`` was checked; the last one wins (SHK-102).

        Returns:
            The registration, and that of the peer which held the name until now: it is to be disconnected.

        Raises:
            LimitExceeded: there are too many (``max_named``, ``max_local``); nothing has changed.
        """
        former = self._peers.get(peer)
        held = None if record is None else self.holder(name)
        replaced = held if held is not former else None
        self._check_room(former, replaced, named=record is not None)
        if replaced is not None:
            self.unregister(replaced.peer)
        self.unregister(peer)
        since = former.since if former is not None and former.name == name else now
        registration = Registration(peer=peer, name=name, key=key, since=since, record=record)
        self._peers[peer] = registration
        if record is not None:
            self._holders[name] = peer
        return registration, replaced

    def _check_room(self, former: Registration | None, replaced: Registration | None, *, named: bool) -> None:
        """Raise where one more is too many, those that make room counted off."""
        leaving = sum(1 for each in (former, replaced) if each is not None and each.local is not named)
        if named and self.named - leaving >= self.max_named:
            raise LimitExceeded("max_named", self.max_named)
        if not named and self.local - leaving >= self.max_local:
            raise LimitExceeded("max_local", self.max_local)

    def unregister(self, peer: PeerId) -> Registration | None:
        """Forget a peer; return what it was registered as."""
        gone = self._peers.pop(peer, None)
        if gone is not None and not gone.local:
            del self._holders[gone.name]
        return gone
