"""What goes wrong between a peer and the relay that it asks."""

from __future__ import annotations

from p2pstack.errors import RemoteError
from p2pstack.identity.peer_id import PeerId
from p2pstack.relay.status import describe

__all__ = ["RelayRefused"]


class RelayRefused(RemoteError):
    """A relay, or the peer behind it, said no; ``status`` is the number that it gave (RELAY-02).

    ``relay`` is who was asked, ``code`` the same number as ``status``. In a dial it stands among the attempts of the
    DialError.
    """

    protocol = "relay"

    def __init__(self, relay: PeerId, wish: str, status: int) -> None:
        super().__init__(f"{relay} refuses {wish}: {describe(status)}", requirement="RELAY-02", code=int(status))
        self.relay = relay
        self.status = status
