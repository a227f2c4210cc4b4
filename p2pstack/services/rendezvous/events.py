"""The events of rendezvous, of its points and of its clients (specs/rendezvous.md)."""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.errors import P2PError
from p2pstack.host.events import Event
from p2pstack.identity.peer_id import PeerId
from p2pstack.rendezvous.view import RegisteredPeer

__all__ = ["NamespaceJoined", "NamespaceLost", "PeerRegistered", "PeerUnregistered", "PeersDiscovered"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerRegistered(Event):
    """A point, which is this host, has registered ``peer`` for ``ttl`` seconds; ``renewed``: it was there before."""

    peer: PeerId
    namespace: str
    ttl: int
    renewed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerUnregistered(Event):
    """A registration at this host has ended: its time was over (``expired``), or its peer has ended it."""

    peer: PeerId
    namespace: str
    expired: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceJoined(Event):
    """``point`` has registered us for ``ttl`` seconds, for the first time or anew."""

    point: PeerId
    namespace: str
    ttl: int


@dataclass(frozen=True, slots=True, kw_only=True)
class NamespaceLost(Event):
    """``point`` was asked to register us, and did not; it is asked again in ``retry_in`` seconds.

    An earlier registration there may still count. ``error`` says why.
    """

    point: PeerId
    namespace: str
    error: P2PError
    retry_in: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PeersDiscovered(Event):
    """``point`` has told of peers that are new to us, or have moved; ``namespace`` is "" where all were asked for."""

    point: PeerId
    namespace: str
    peers: tuple[RegisteredPeer, ...]
