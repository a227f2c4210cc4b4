"""What happens at a rendezvous point, in the order in which it does."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from p2pstack.identity.peer_id import PeerId

__all__ = ["Expired", "PointEvent", "Registered", "Unregistered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registered:
    """A peer was registered for ``ttl`` seconds; ``renewed``: it had been before."""

    peer: PeerId
    namespace: str
    ttl: int
    renewed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Unregistered:
    """A peer has ended its registration."""

    peer: PeerId
    namespace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expired:
    """The time of a registration was over."""

    peer: PeerId
    namespace: str


PointEvent: TypeAlias = Registered | Unregistered | Expired
