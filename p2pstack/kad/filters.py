"""Which addresses a DHT deals with: those of the public network, of private ones, or all (KAD-13; specs/kad.md)."""

from __future__ import annotations

from enum import Enum

from p2pstack.identity.multiaddrs import Multiaddr, is_loopback, is_private, is_public
from p2pstack.kad.contacts import Contact

__all__ = ["Network", "admit", "allows"]


class Network(Enum):
    """Where the nodes of a DHT live."""

    ANY = "any"
    """All addresses pass, 127.0.0.1 too, as in go and rust where nothing else is said."""

    PUBLIC = "public"
    """Only public ones: the wide area network."""

    PRIVATE = "private"
    """Only those of private networks and of the machine itself."""


def allows(network: Network, address: Multiaddr) -> bool:
    """Tell whether an address is one of ``network``."""
    if network is Network.ANY:
        return True
    if network is Network.PUBLIC:
        return is_public(address)
    return is_private(address) or is_loopback(address)


def admit(network: Network, contact: Contact) -> Contact | None:
    """Return a peer with those of its addresses that ``network`` allows; None where a filter leaves it none."""
    if network is Network.ANY:
        return contact
    kept = tuple(each for each in contact.addresses if allows(network, each))
    if not kept:
        return None
    return contact if len(kept) == len(contact.addresses) else Contact(contact.peer, kept)
