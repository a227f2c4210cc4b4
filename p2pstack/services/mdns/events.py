"""The events of mDNS. They come with those of the host, from ``host.events(...)``."""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.host.events import Event
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId

__all__ = ["MdnsPeerExpired", "MdnsPeerFound"]


@dataclass(frozen=True, slots=True, kw_only=True)
class MdnsPeerFound(Event):
    """A peer is on the local network, at ``addresses``, without ``/p2p``; again when it has more of them.

    Nothing of it is proven: anybody on the network may say so. It fires after the peerstore has been told, and before
    the peer is dialled.
    """

    peer: PeerId
    addresses: tuple[Multiaddr, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MdnsPeerExpired(Event):
    """A peer has said goodbye, or has not been heard for as long as it said to hold (MDNS-07)."""

    peer: PeerId
