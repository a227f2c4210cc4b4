"""From where a dial leaves: any free port, or the one that the host listens on (DCUTR-07).

What leaves from the listening port shows a NAT's other side where the host can be dialled, and opens the way for it.
"""

from __future__ import annotations

import errno
import ipaddress
from collections.abc import Iterable

from p2pstack.errors import DecodeError
from p2pstack.identity.multiaddrs import Multiaddr, TcpEndpoint, tcp_endpoint

__all__ = ["is_taken", "listener_beside"]


def listener_beside(bound: Iterable[Multiaddr], target: TcpEndpoint) -> tuple[str, int] | None:
    """Return the host and port of the listener that a dial of ``target``, an IP address, can leave from.

    None where there is none: a socket that is bound to the loopback reaches nothing else, and the other way round. One
    that listens on all interfaces comes first.
    """
    goal = ipaddress.ip_address(target.host)
    found: list[tuple[str, int]] = []
    for address in bound:
        try:
            listener = tcp_endpoint(address)
            own = ipaddress.ip_address(listener.host)
        except (DecodeError, ValueError):
            continue
        if own.version != goal.version:
            continue
        if own.is_unspecified:
            return listener.host, listener.port
        if own.is_loopback == goal.is_loopback:
            found.append((listener.host, listener.port))
    return found[0] if found else None


def is_taken(error: OSError) -> bool:
    """Whether a dial failed since that port has a connection to the same place already, or lately had."""
    return error.errno in {errno.EADDRINUSE, errno.EADDRNOTAVAIL}
