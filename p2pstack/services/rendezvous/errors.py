"""What goes wrong between a peer and the rendezvous point that it asks."""

from __future__ import annotations

from p2pstack.errors import RemoteError
from p2pstack.identity.peer_id import PeerId
from p2pstack.rendezvous.status import describe

__all__ = ["RendezvousRefused"]


class RendezvousRefused(RemoteError):
    """A point said no; ``status`` is the number that it gave, and ``code`` the same (RDV-02)."""

    protocol = "rendezvous"

    def __init__(self, point: PeerId, wish: str, status: int, text: str = "") -> None:
        super().__init__(f"{point} refuses {wish}: {describe(status, text)}", requirement="RDV-02", code=int(status))
        self.point = point
        self.status = status
