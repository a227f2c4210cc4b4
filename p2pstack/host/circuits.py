"""What a host wants of whoever knows how to pass relays; the relay client is it (RELAY-10, specs/relay.md)."""

from __future__ import annotations

from typing import Protocol

from p2pstack.aio.connection import Connection
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId

__all__ = ["Circuits"]


class Circuits(Protocol):
    """Dials and listens on addresses of the form ``/…/p2p/RELAY/p2p-circuit``."""

    async def dial(self, address: Multiaddr, peer: PeerId, timeout: float) -> Connection:
        """Return a new connection to ``peer`` through the relay in ``address``.

        Raises:
            P2PError: the relay can't be reached, refuses, or leads to somebody else.
        """

    async def listen(self, address: Multiaddr) -> list[Multiaddr]:
        """Have a relay hand connections on; return where peers find the host then, without its own ``/p2p``.

        Raises:
            P2PError: the relay can't be reached, or refuses.
        """
