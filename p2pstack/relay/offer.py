"""Which of its addresses a relay names in a reservation (RELAY-13)."""

from __future__ import annotations

from collections.abc import Iterable

from p2pstack.identity.circuits import is_circuit
from p2pstack.identity.multiaddrs import Multiaddr, peer_id_of, with_peer
from p2pstack.identity.peer_id import PeerId

__all__ = ["ADDRESS_ROOM", "offered_addresses"]

ADDRESS_ROOM = 2_048
"""Bytes that the addresses of a reservation may take: with a voucher they have to fit a message of 4,096."""


def offered_addresses(addresses: Iterable[Multiaddr], relay: PeerId) -> tuple[Multiaddr, ...]:
    """Return the addresses at which ``relay`` itself can be dialled, with ``/p2p/RELAY``, as many as there is room for.

    Those that lead through another relay are left out: nothing is relayed twice.
    """
    chosen: dict[Multiaddr, None] = {}
    room = ADDRESS_ROOM
    for address in addresses:
        if is_circuit(address) or peer_id_of(address) not in (None, relay):
            continue
        full = with_peer(address, relay)
        size = len(full.to_bytes()) + 3
        if full not in chosen and size <= room:
            chosen[full] = None
            room -= size
    return tuple(chosen)
