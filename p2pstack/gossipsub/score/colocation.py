"""Which peers share an IP address: P6, the price of many identities behind few addresses (GS11-36; specs/gossipsub.md).

An IPv4 address is one group of peers. An IPv6 address is in two: its own, and that of its /64, of which everybody has
plenty. A peer is in a group once, however many connections it has. Loopback and what is no address count nowhere.

A peer holds its groups, and a group its size: so a penalty is worked out without any lookup, and never out of date.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

__all__ = ["Colocation", "IpGroup", "excess_squared"]


class IpGroup:
    """The peers on one address or in one /64."""

    __slots__ = ("name", "size")

    def __init__(self, name: str) -> None:
        self.name = name
        """The address or network, as text."""
        self.size = 0
        """How many peers are in it."""


class Colocation:
    """All groups that have a peer. Bounded by the peers that are connected or remembered."""

    __slots__ = ("_groups", "_whitelist")

    def __init__(self, whitelist: Iterable[str] = ()) -> None:
        self._groups: dict[str, IpGroup] = {}
        self._whitelist = [ipaddress.ip_network(network, strict=False) for network in whitelist]

    def __len__(self) -> int:
        return len(self._groups)

    def join(self, ips: Iterable[str]) -> tuple[IpGroup, ...]:
        """Count a peer with these addresses; return its groups, to be handed to :meth:`leave` later."""
        names = dict.fromkeys(name for ip in ips for name in self._names(ip))
        joined = []
        for name in names:
            group = self._groups.get(name)
            if group is None:
                group = self._groups[name] = IpGroup(name)
            group.size += 1
            joined.append(group)
        return tuple(joined)

    def leave(self, groups: Iterable[IpGroup]) -> None:
        """Count a peer no longer; ``groups`` are those that :meth:`join` returned for it."""
        for group in groups:
            group.size -= 1
            if not group.size:
                del self._groups[group.name]

    def _names(self, ip: str) -> tuple[str, ...]:
        """Return the names of the groups that an address belongs to."""
        try:
            address = ipaddress.ip_address(ip.partition("%")[0])
        except ValueError:
            return ()
        if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        # An address and a network of different versions just don't match.
        if address.is_loopback or any(address in network for network in self._whitelist):
            return ()
        if isinstance(address, ipaddress.IPv4Address):
            return (str(address),)
        return (str(address), str(ipaddress.IPv6Network((address, 64), strict=False)))


def excess_squared(groups: Iterable[IpGroup], threshold: float) -> float:
    """Return P6 before its weight: for each group that is larger than ``threshold``, the square of the difference."""
    total = 0.0
    for group in groups:
        excess = group.size - threshold
        if excess > 0:
            total += excess * excess
    return total
