"""What the operations of the DHT return: each tells how far it got."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from p2pstack.errors import P2PError
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.contacts import Contact
from p2pstack.kad.events import Reason

__all__ = ["FoundPeer", "FoundPeers", "FoundValue", "Joined", "Progress", "Sent"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How a lookup went: why it has ended, what it took, and what came back."""

    reason: Reason
    requests: int = 0
    """Requests that were sent."""

    failures: int = 0
    """Of these, those without a usable answer."""

    hops: int = 0
    """Peers that had to answer before the nearest one was heard of."""

    seconds: float = 0.0

    failure: P2PError | None = None
    """What became of the last of those."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPeer:
    """A peer and where it can be dialled, without ``/p2p``. ``connected``: it was, else its addresses are hearsay."""

    peer: PeerId
    addresses: tuple[Multiaddr, ...]
    connected: bool
    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPeers:
    """The peers nearest to a key that have answered, the nearest first."""

    peers: tuple[Contact, ...]
    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundValue:
    """The best value of a key.

    ``holders`` counts who gave a valid one, ``invalid`` who gave another, ``outdated`` the near peers that did not give
    this one, which are being sent it.
    """

    value: bytes
    holders: int
    invalid: int
    outdated: int
    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of a value or an announcement: who took it, and why others did not. Rust says yes to all (KAD-09)."""

    accepted: tuple[PeerId, ...]
    refused: Mapping[PeerId, P2PError] = field(default_factory=dict)
    progress: Progress


@dataclass(frozen=True, slots=True, kw_only=True)
class Joined:
    """How entering the network went.

    Bootstrap peers that could be reached, why others could not, and the peers in the routing table afterwards.
    """

    reached: tuple[PeerId, ...]
    failed: Mapping[str, P2PError]
    size: int
    progress: Progress
