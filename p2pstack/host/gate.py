"""A hook that decides with whom the host connects at all, for allow-lists, block-lists and the like."""

from __future__ import annotations

from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId

__all__ = ["ConnectionGate"]


class ConnectionGate:
    """Allows everything. Subclass it, override what you decide on, and give it to the host.

    ``open`` tells the host that it need not ask, so that it doesn't work out addresses for nothing.

    Each method is called in the event loop and must answer at once.
    """

    @property
    def open(self) -> bool:
        """Whether every answer is yes: true of this class alone."""
        return type(self) is ConnectionGate

    def allow_dial(self, peer: PeerId | None, address: Multiaddr) -> bool:
        """Whether ``address`` (of ``peer``, where that is known) may be dialled."""
        return True

    def allow_inbound(self, address: Multiaddr) -> bool:
        """Whether a connection from ``address`` may begin its upgrade."""
        return True

    def allow_peer(self, peer: PeerId, address: Multiaddr, direction: str) -> bool:
        """Whether a connection whose peer has proven to be ``peer`` may go on."""
        return True
