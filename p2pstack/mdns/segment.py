"""Where mDNS speaks: one interface by one version of IP, and which addresses belong to its network (MDNS-08)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import TypeAlias

from p2pstack.errors import DecodeError
from p2pstack.identity.multiaddrs import Multiaddr, tcp_endpoint, without_peer

__all__ = ["Ip", "Network", "Segment", "ip_of"]

Ip: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network


def ip_of(address: Multiaddr) -> Ip | None:
    """Return the IP address of a plain TCP address, or None where it is another one or holds a name."""
    try:
        endpoint = tcp_endpoint(address)
    except DecodeError:
        return None
    return ip_address(endpoint.host) if endpoint.kind in {"ip4", "ip6"} else None


@dataclass(frozen=True, slots=True)
class Segment:
    """An interface: name and number, the version of IP to speak by, its own addresses of both, and their networks."""

    interface: str
    index: int
    version: int
    own: frozenset[Ip]
    networks: tuple[Network, ...]

    @property
    def key(self) -> tuple[str, int]:
        """What tells segments apart."""
        return self.interface, self.version

    def holds(self, source: Ip) -> bool:
        """Whether packets of ``source`` come from this network (RFC 6762, 11)."""
        return source.is_link_local or any(source in network for network in self.networks)

    def tells(self, addresses: Iterable[Multiaddr]) -> list[Multiaddr]:
        """Return those of the host's addresses that others can use here: the interface's own.

        Link-local ones of IPv6 are left out: they mean nothing without the name of an interface (MDNS-06).
        """
        found = []
        for address in addresses:
            ip = ip_of(address)
            if ip in self.own and not (ip.version == 6 and ip.is_link_local):
                found.append(address)
        return found

    def believes(self, addresses: Iterable[Multiaddr], source: Ip) -> list[Multiaddr]:
        """Return those addresses of a peer, seen from ``source``, that can be dialled here, without ``/p2p``.

        They lie in this network: else anybody could make us dial anywhere. Those of the loopback are taken from this
        machine alone.
        """
        found = []
        for address in addresses:
            ip = ip_of(address)
            if ip is None or ip.is_unspecified or ip.is_multicast or (ip.version == 6 and ip.is_link_local):
                continue
            if ip.is_loopback:
                suits = source in self.own or source.is_loopback
            else:
                suits = any(ip in network for network in self.networks)
            if suits:
                found.append(without_peer(address))
        return found
