"""What a node tells about itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from p2pstack.shinkai.node.store import StoreStats
from p2pstack.shinkai.storage.leases import QueueStats

__all__ = ["NodeStatus"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeStatus:
    """A node at one moment. Counters count since the start; their keys are reasons and stages."""

    name: str
    profile: str
    listening: str
    """Where it takes messages over TCP, and libp2p too where they share a port; empty: nowhere."""

    addresses: tuple[str, ...]
    """Multiaddrs of libp2p, with the peer's id."""

    peer_ids: tuple[str, ...]
    """One for each profile, HEAD first."""

    libp2p: bool
    libp2p_error: str
    """Why libp2p is not running; empty if it is."""

    peers: tuple[str, ...]
    """libp2p peers that are connected."""

    known_peers: int
    """libp2p peers that are remembered, those included."""

    bootstrap_errors: Mapping[str, str]
    """Bootstrap addresses that lead to nobody at the moment, and why."""

    relay_error: str
    """Why the relay is not connected; empty if it is, or there is none."""

    queue: QueueStats
    """Messages that are to be delivered."""

    jobs: QueueStats
    """Messages that came in and were not worked on yet."""

    messages: StoreStats
    """Messages of the inbox, and history."""

    sent: Mapping[str, int]
    received: Mapping[str, int]
    refused: Mapping[str, int]
    """What was refused on the way in, by reason; and connections that were."""
