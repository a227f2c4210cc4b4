"""Where a connection comes from, and whose IP addresses are this host's own."""

from __future__ import annotations

from ipaddress import ip_address

from p2pstack.aio.connection import Connection
from p2pstack.errors import DecodeError
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import Multiaddr, parse, tcp_endpoint
from p2pstack.services.observed import observer_group

__all__ = ["group_of", "ip_of", "observed_address", "own_hosts"]


def ip_of(address: Multiaddr) -> str | None:
    """Return the IP that a plain TCP address begins with; None if it has another form, or a name."""
    try:
        endpoint = tcp_endpoint(address)
    except DecodeError:
        return None
    return endpoint.host if endpoint.kind in {"ip4", "ip6"} else None


def observed_address(connection: Connection) -> Multiaddr:
    """Return where a peer is, as an IP address and a port, though a name may have been dialled."""
    address = connection.remote_address
    if connection.relayed or ip_of(address) is not None:
        return address
    ip = ip_address(connection.remote_host.partition("%")[0])
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return parse(f"/ip{ip.version}/{ip}/tcp/{tcp_endpoint(address).port}")


def group_of(connection: Connection, *, private: bool) -> str | None:
    """Return whose voice a peer has among servers: that of its IPv4 address or IPv6 /56; None: it has none.

    Peers behind relays have none, and those in private networks only where that is wanted.
    """
    if connection.relayed:
        return None
    observed = observed_address(connection)
    return observer_group(observed) or (ip_of(observed) if private else None)


def own_hosts(host: BaseHost) -> set[str]:
    """Return the IP addresses that are known to lead to this host, as text."""
    return {ip for address in (*host.addresses, *host.advertised) if (ip := ip_of(address)) is not None}
