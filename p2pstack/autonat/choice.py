"""What a server is willing to dial, and what it costs the client (AUTONAT1-02, AUTONAT2-02).

Whoever lets strangers choose what he dials can be made a weapon, or a spy in his own network. Version 1 dials nothing
but the IP that the client itself comes from. Version 2 dials others too, but a client has to send about as much as
the dial costs whom it hits. Neither dials names, whatever they would lead to, nor this machine.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from ipaddress import ip_address
from typing import NamedTuple

from p2pstack.autonat.protocols import MAX_DATA, MAX_V1_ADDRESSES, MIN_DATA
from p2pstack.errors import DecodeError
from p2pstack.identity.multiaddrs import (
    Multiaddr,
    TcpEndpoint,
    components,
    is_public,
    parse,
    tcp_endpoint,
    without_peer,
)

__all__ = ["Choice", "choose", "data_size", "may_dial_back", "same_host", "same_stack", "to_dial_back"]

_IP4, _IP6 = 4, 41
_NAMES = {53: {_IP4, _IP6}, 54: {_IP4}, 55: {_IP6}, 56: {_IP4, _IP6}}
"""What connections to dns, dns4, dns6 and dnsaddr can come out as."""


class Choice(NamedTuple):
    """The address that a server of version 2 dials, and its place in the request."""

    place: int
    address: Multiaddr


def may_dial_back(observed: Multiaddr, own_hosts: Collection[str], *, private: bool) -> bool:
    """Whether a server of version 1 dials a peer that it sees at ``observed`` (E_DIAL_REFUSED otherwise).

    ``own_hosts`` are this host's IP addresses as text. With ``private`` addresses of private networks are dialled too,
    this machine's among them.
    """
    return _acceptable(observed, own_hosts, private=private)


def to_dial_back(observed: Multiaddr, addresses: Sequence[Multiaddr]) -> list[Multiaddr]:
    """Return what a server of version 1 dials: the observed address, then the others at its IP, at most 16 in all.

    As in go, an address with another IP counts with the observed IP in its place: the port may be right.
    """
    seen = tcp_endpoint(observed)
    ports = [endpoint.port for each in addresses if (endpoint := _ip_endpoint(each)) is not None]
    at_observed = [parse(f"/{seen.kind}/{seen.host}/tcp/{port}") for port in (seen.port, *ports) if port]
    return list(dict.fromkeys(at_observed))[:MAX_V1_ADDRESSES]


def choose(addresses: Sequence[Multiaddr | None], own_hosts: Collection[str], *, private: bool) -> Choice | None:
    """Return the first address that a server of version 2 dials; None: it refuses them all (E_DIAL_REFUSED)."""
    for index, address in enumerate(addresses):
        if address is not None and _acceptable(address, own_hosts, private=private):
            return Choice(index, without_peer(address))
    return None


def same_host(one: Multiaddr, other: Multiaddr) -> bool:
    """Whether two addresses have the same IP: then the dial can hit nobody but the client."""
    first, second = _ip_endpoint(one), _ip_endpoint(other)
    return first is not None and second is not None and first.host == second.host


def data_size(entropy: float) -> int:
    """Return how many bytes a client has to send; ``entropy`` is a random number from 0 to 1."""
    return MIN_DATA + int(entropy * (MAX_DATA - MIN_DATA))


def same_stack(local: Multiaddr, asked: Multiaddr) -> bool:
    """Whether a connection whose own end is ``local`` can come of dialling ``asked`` (AUTONAT2-03).

    IPs and ports differ behind a NAT, the protocols don't. A name stands for any IP that it can lead to.
    """
    mine = [code for code, _ in components(without_peer(local))]
    theirs = [code for code, _ in components(without_peer(asked))]
    if not mine or not theirs or mine[1:] != theirs[1:]:
        return False
    return mine[0] in _NAMES.get(theirs[0], {theirs[0]})


def _acceptable(address: Multiaddr, own_hosts: Collection[str], *, private: bool) -> bool:
    endpoint = _ip_endpoint(address)
    if endpoint is None or endpoint.port == 0:
        return False
    return private or (is_public(address) and _plain(endpoint.host) not in own_hosts)


def _ip_endpoint(address: Multiaddr) -> TcpEndpoint | None:
    """Return where an address leads to, if it is plain TCP to an IP address."""
    try:
        endpoint = tcp_endpoint(address)
    except DecodeError:
        return None
    return endpoint if endpoint.kind in {"ip4", "ip6"} else None


def _plain(host: str) -> str:
    """Return an IP address as text, without the IPv6 dress of an IPv4 one."""
    ip = ip_address(host)
    return str(getattr(ip, "ipv4_mapped", None) or ip)
