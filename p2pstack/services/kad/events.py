"""What a DHT tells. It comes with the events of the host, from ``host.events(...)``; ``protocol`` tells which DHT."""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.host.events import Event
from p2pstack.identity.peer_id import PeerId

__all__ = ["DhtModeChanged", "DhtPeerAdded", "DhtPeerRemoved", "DhtRefreshed"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DhtPeerAdded(Event):
    """A peer has got into the routing table."""

    protocol: str
    peer: PeerId


@dataclass(frozen=True, slots=True, kw_only=True)
class DhtPeerRemoved(Event):
    """A peer has left the routing table: it failed, or does not speak the protocol any more."""

    protocol: str
    peer: PeerId


@dataclass(frozen=True, slots=True, kw_only=True)
class DhtModeChanged(Event):
    """The node answers others from now on, or no longer."""

    protocol: str
    server: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DhtRefreshed(Event):
    """A refresh has ended, with ``size`` peers in the routing table."""

    protocol: str
    size: int
    lookups: int
    seconds: float
