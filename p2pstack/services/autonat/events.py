"""What the client of AutoNAT tells. It comes with the events of the host, from ``host.events(...)``."""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.autonat.reachability import Reachability
from p2pstack.host.events import Event
from p2pstack.identity.multiaddrs import Multiaddr

__all__ = ["ReachabilityChanged"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReachabilityChanged(Event):
    """Another thing is believed than before about whether the host can be dialled from outside.

    ``addresses`` are those that can be, without ``/p2p``; there are some where ``reachability`` is PUBLIC, and only
    there. It fires for each change of either, after the host has begun to advertise them.
    """

    reachability: Reachability
    addresses: tuple[Multiaddr, ...]
