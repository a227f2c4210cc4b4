"""What the router tells beside the RPCs that it wants sent (specs/gossipsub.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId

__all__ = [
    "DirectPeersMissing",
    "Grafted",
    "PeerSubscribed",
    "PeerUnsubscribed",
    "PeersOffered",
    "Pruned",
    "RouterEvent",
]


@dataclass(slots=True, kw_only=True)
class PeerSubscribed:
    """A peer has told that it wants a topic's messages."""

    peer: PeerId
    topic: str


@dataclass(slots=True, kw_only=True)
class PeerUnsubscribed:
    """A peer does not want a topic's messages any more, or is gone."""

    peer: PeerId
    topic: str


@dataclass(slots=True, kw_only=True)
class Grafted:
    """A peer has come into our mesh of a topic."""

    peer: PeerId
    topic: str


@dataclass(slots=True, kw_only=True)
class Pruned:
    """A peer has left our mesh of a topic, or is gone."""

    peer: PeerId
    topic: str


@dataclass(slots=True, kw_only=True)
class PeersOffered:
    """A peer that pruned us names others; each with the addresses of its own signed record, if any (GS11-07)."""

    topic: str
    sender: PeerId
    peers: list[tuple[PeerId, tuple[Multiaddr, ...]]]


@dataclass(slots=True, kw_only=True)
class DirectPeersMissing:
    """Direct peers are not there; they should be dialled (GS11-01)."""

    peers: list[PeerId]


RouterEvent: TypeAlias = PeerSubscribed | PeerUnsubscribed | Grafted | Pruned | PeersOffered | DirectPeersMissing
