"""Who finds out where a peer is, when the host itself does not know: a DHT, a directory (specs/kad.md)."""

from __future__ import annotations

from typing import Protocol

from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId

__all__ = ["PeerRouter"]


class PeerRouter(Protocol):
    """Finds addresses of peers by their id; as text it is what errors call it."""

    async def find_addresses(self, peer: PeerId, timeout: float) -> list[Multiaddr]:
        """Return where ``peer`` can be dialled, or nothing, within ``timeout`` seconds.

        Raises:
            P2PError: why nothing was found.
        """
