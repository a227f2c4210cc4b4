"""The addresses behind 0.0.0.0 and ``::`` (TCP-02)."""

from __future__ import annotations

import socket

from p2pstack.errors import DecodeError
from p2pstack.identity.multiaddrs import Multiaddr, from_sockaddr, tcp_endpoint

__all__ = ["expand_wildcard"]

_WILDCARDS = {"0.0.0.0": socket.AF_INET, "::": socket.AF_INET6}  # noqa: S104 - compared with, not bound to


def expand_wildcard(address: Multiaddr) -> list[Multiaddr]:
    """Return the addresses of all interfaces where ``address`` means all of them, else ``address`` itself.

    Link-local IPv6 addresses are left out: they mean nothing without the name of an interface of ours.
    """
    endpoint = tcp_endpoint(address)
    family = _WILDCARDS.get(endpoint.host)
    if family is None:
        return [address]
    # Imported here: only hosts that listen on all interfaces need it.
    import psutil

    found: list[Multiaddr] = []
    for entries in psutil.net_if_addrs().values():
        for entry in entries:
            if entry.family != family or entry.address.lower().startswith("fe80"):
                continue
            try:
                found.append(from_sockaddr((entry.address.partition("%")[0], endpoint.port)))
            except DecodeError:
                continue
    return found
