"""Which addresses are of use to whom: between neighbours all, over the internet public ones alone (IDN-08)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum

from p2pstack.identity.multiaddrs import Multiaddr, is_loopback, is_public

__all__ = ["Scope", "scope_of", "suitable"]


class Scope(Enum):
    """From where the other end of a connection comes."""

    LOOPBACK = "loopback"
    PRIVATE = "private"
    PUBLIC = "public"


def scope_of(remote: Multiaddr) -> Scope:
    """Return the scope of a connection, given the address of its other end.

    What is neither public nor loopback counts as private.
    """
    if is_loopback(remote):
        return Scope.LOOPBACK
    return Scope.PUBLIC if is_public(remote) else Scope.PRIVATE


def suitable(addresses: Iterable[Multiaddr], scope: Scope) -> list[Multiaddr]:
    """Return those addresses that both ends of a connection of ``scope`` can use.

    That holds either way: for what a peer tells, and for what it is told. Loopback peers get all, public ones only
    public addresses, private ones all but loopback.
    """
    if scope is Scope.LOOPBACK:
        return list(addresses)
    if scope is Scope.PUBLIC:
        return [address for address in addresses if is_public(address)]
    return [address for address in addresses if not is_loopback(address)]
