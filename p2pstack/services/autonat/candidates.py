"""Which addresses of a host are worth asking about: where it may be reached from outside."""

from __future__ import annotations

from collections import defaultdict

from p2pstack.identity.multiaddrs import Multiaddr, is_public, parse, tcp_endpoint
from p2pstack.services.autonat.places import ip_of
from p2pstack.services.observed import observer_group
from p2pstack.services.standard import Host

__all__ = ["candidates"]

_MIN_OBSERVERS = 2
"""Groups of peers that have to see us at an IP before we ask others to dial it: one may invent a victim."""

_MAX_IPS = 2
"""IPs that we are seen at, with our ports: a household has one, perhaps one more of IPv6."""


def candidates(host: Host, *, private: bool) -> list[Multiaddr]:
    """Return the addresses that may be public, likeliest first, without ``/p2p``.

    Those are where it listens, what its services have found out (a mapped port), where peers have seen it, and where
    others would if a router in front of it passed on the ports that it listens on: a forwarding that nobody has told
    the host of.
    """
    listening = [address for address in host.addresses if private or is_public(address)]
    found_out = [address for address in host.advertised if ip_of(address) is not None and is_public(address)]
    return list(dict.fromkeys([*listening, *found_out, *host.identify.candidates(), *_forwarded(host)]))


def _forwarded(host: Host) -> list[Multiaddr]:
    observers: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for connection in host.connections():
        info = host.identify.info(connection)
        if connection.relayed or info is None or info.observed is None or not is_public(info.observed):
            continue
        group = observer_group(connection.remote_address)
        if ip_of(info.observed) is not None and group is not None:
            endpoint = tcp_endpoint(info.observed)
            observers[endpoint.kind, endpoint.host].add(group)
    enough = [place for place, groups in observers.items() if len(groups) >= _MIN_OBSERVERS]
    best = sorted(enough, key=lambda place: (-len(observers[place]), place))[:_MAX_IPS]
    ports = {(endpoint.kind, endpoint.port) for endpoint in map(tcp_endpoint, host.addresses)}
    return [parse(f"/{kind}/{ip}/tcp/{port}") for kind, ip in best for its, port in sorted(ports) if its == kind]
