"""IP groups: who holds one address can easily hold the others of its group, and as many ids as it likes (KAD-21)."""

from __future__ import annotations

from collections.abc import Iterable

from p2pstack.identity.multiaddrs import IP4, IP6, Multiaddr, components, is_public

__all__ = ["groups_of"]

_PREFIXES = {IP4: 2, IP6: 4}
"""Bytes of an address that name its group: an IPv4 /16, as in go, and an IPv6 /32, which is what a provider gets."""


def groups_of(addresses: Iterable[Multiaddr]) -> tuple[bytes, ...]:
    """Return the groups in which the public IP addresses lie; of a relayed address it is the relay's.

    Private addresses and the machine's own have none: a home's or a test's nodes all share one. Names have none.
    """
    groups = set()
    for address in addresses:
        code, value = components(address)[0]
        size = _PREFIXES.get(code)
        if size is not None and is_public(address):
            groups.add(value[:size])
    return tuple(sorted(groups))
