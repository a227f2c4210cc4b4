"""What takes part in a simulated gossipsub network, honest or not: an address, a key and a say in what it speaks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from p2pstack.gossipsub.protocols import PROTOCOLS
from p2pstack.gossipsub.values import Rpc
from p2pstack.identity.keys import PrivateKey

if TYPE_CHECKING:
    from p2pstack.testing.simulation.network import Network

__all__ = ["Member", "agreed_protocol"]


def agreed_protocol(one: str, other: str) -> str:
    """Return what two peers agree on that each know one protocol and all older ones."""
    return PROTOCOLS[max(PROTOCOLS.index(one), PROTOCOLS.index(other))]


class Member:
    """One taker-part; ``address`` names it in the simulation, ``ip`` is where others see it."""

    protocol = PROTOCOLS[0]
    """The newest that it knows."""

    def __init__(self, network: Network, address: int, *, ip: str | None = None) -> None:
        self.network = network
        self.address = address
        self.key = PrivateKey.from_seed(b"simulated".ljust(24, b"\0") + address.to_bytes(8, "big"))
        self.peer_id = self.key.peer_id
        self.ip = ip or f"10.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"
        self.running = False

    def start(self) -> None:
        """It begins to take part."""
        self.running = True

    def stop(self) -> None:
        """It takes part no more; whatever it still has planned comes to nothing."""
        self.running = False

    def connected(self, other: int, *, outbound: bool) -> None:
        """A connection is up; ``outbound`` tells whether it was dialled from here."""

    def disconnected(self, other: int) -> None:
        """A connection is gone."""

    def received(self, sender: int, payload: Rpc | bytes) -> None:
        """An RPC has arrived, as it is or as a frame."""
