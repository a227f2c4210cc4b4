"""Addresses of peers behind a relay: ``/…/p2p/RELAY/p2p-circuit/p2p/TARGET`` (RELAY-10, specs/relay.md)."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

from p2pstack.errors import DecodeError
from p2pstack.identity.multiaddrs import CIRCUIT, Multiaddr, components, parse, peer_id_of, with_peer, without_peer
from p2pstack.identity.peer_id import PeerId

__all__ = ["Circuit", "circuit_address", "is_circuit", "split_circuit"]

_PART = b"\xa2\x02"
"""The code of ``/p2p-circuit``, which has no value."""


class Circuit(NamedTuple):
    """A way through a relay: the relay, where it is (without ``/p2p``; None: not said), and whom it leads to."""

    relay: PeerId
    relay_address: Multiaddr | None
    target: PeerId | None


@lru_cache(maxsize=1024)
def is_circuit(address: Multiaddr) -> bool:
    """Tell whether an address leads through a relay."""
    return any(code == CIRCUIT for code, _ in components(address))


@lru_cache(maxsize=1024)
def split_circuit(address: Multiaddr) -> Circuit:
    """Take the address of a peer behind a relay apart.

    Raises:
        DecodeError: it is another kind of address, names no relay, or leads through two (RELAY-10).
    """
    codes = [code for code, _ in components(address)]
    if codes.count(CIRCUIT) != 1:
        raise DecodeError(f"{address} does not lead through one relay", requirement="RELAY-10")
    target = peer_id_of(address) if codes[-1] != CIRCUIT else None
    plain = without_peer(address) if target is not None else address
    if [code for code, _ in components(plain)][-1] != CIRCUIT:
        raise DecodeError(f"{address} has parts behind /p2p-circuit that are no peer", requirement="RELAY-10")
    relayed = parse(plain.to_bytes().removesuffix(_PART))
    relay = peer_id_of(relayed)
    if relay is None:
        raise DecodeError(f"{address} does not name its relay", requirement="RELAY-10")
    where = without_peer(relayed)
    return Circuit(relay, where if where.to_bytes() else None, target)


def circuit_address(relay_address: Multiaddr | None, relay: PeerId) -> Multiaddr:
    """Return the address of whoever is behind ``relay``: without the peer that it leads to.

    Raises:
        ConfigError: the address is of another peer.
    """
    way = with_peer(relay_address, relay) if relay_address is not None else parse(f"/p2p/{relay}")
    return Multiaddr(way.to_bytes() + _PART)
