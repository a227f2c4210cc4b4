"""Where the two sides of a hole punch can be dialled: what we offer, and what of a peer's list we dial (DCUTR-05).

A peer puts into its list whatever it likes, and both sides dial what they are told. So a list is cut down to what a
peer with a hole to punch can have: a few plain TCP addresses, by number and not by name, of the kind of network that
the relay is in, on ports that NATs give away.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable
from ipaddress import ip_address

from p2pstack.dcutr.config import DcutrConfig
from p2pstack.errors import DecodeError
from p2pstack.identity.multiaddrs import Multiaddr, parse, peer_id_of, tcp_endpoint, without_peer
from p2pstack.identity.peer_id import PeerId

__all__ = ["Suitable", "dialable", "offered", "parsed"]

Suitable = Callable[[list[Multiaddr]], list[Multiaddr]]
"""Keeps those addresses that are of use in the network that the relay is in."""


def parsed(encoded: Iterable[bytes]) -> list[Multiaddr]:
    """Return the addresses in a message that parse."""
    addresses = []
    for data in encoded:
        try:
            addresses.append(parse(data))
        except DecodeError:
            continue
    return addresses


def offered(addresses: Iterable[Multiaddr], suitable: Suitable, config: DcutrConfig) -> list[Multiaddr]:
    """Return those of our ``addresses``, best first, that a peer is told to dial."""
    plain = [address for address in addresses if _endpoint(address) is not None]
    return list(dict.fromkeys(suitable(plain)))[: config.max_addresses]


def dialable(
    addresses: Iterable[Multiaddr], peer: PeerId, suitable: Suitable, config: DcutrConfig, own: Container[Multiaddr]
) -> list[Multiaddr]:
    """Return those of the ``addresses`` that ``peer`` tells of itself which are dialled, without ``/p2p``.

    ``own`` are this host's.
    """
    endpoints: dict[Multiaddr, tuple[str, int]] = {}
    for address in addresses:
        if peer_id_of(address) not in (None, peer):
            continue
        plain = without_peer(address)
        endpoint = _endpoint(plain)
        if endpoint is not None and endpoint[1] >= config.lowest_port and plain not in own:
            endpoints[plain] = endpoint
    chosen = []
    hosts: set[str] = set()
    for address in suitable(list(endpoints)):
        host, _ = endpoints[address]
        if host in hosts or len(hosts) < config.max_hosts:
            hosts.add(host)
            chosen.append(address)
    return chosen[: config.max_addresses]


def _endpoint(address: Multiaddr) -> tuple[str, int] | None:
    """Return the IP address and the port of a plain TCP address that can be dialled, or None of any other address."""
    try:
        endpoint = tcp_endpoint(address)
    except DecodeError:
        return None
    if endpoint.kind not in {"ip4", "ip6"} or not endpoint.port:
        return None
    host = ip_address(endpoint.host)
    return None if host.is_unspecified or host.is_multicast else (endpoint.host, endpoint.port)
