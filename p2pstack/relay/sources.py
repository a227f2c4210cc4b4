"""What is counted as one source of requests, whatever peer ids it makes up (RELAY-07)."""

from __future__ import annotations

import ipaddress
from functools import lru_cache

__all__ = ["source_of"]


@lru_cache(maxsize=4_096)
def source_of(host: str) -> str:
    """Return the IPv4 address or the IPv6 /56 of an IP address as text; "", which is exempt, for loopback.

    What is no IP address is a source of its own.
    """
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    address = getattr(address, "ipv4_mapped", None) or address
    if address.is_loopback:
        return ""
    if address.version == 4:
        return str(address)
    return str(ipaddress.IPv6Network((int(address), 56), strict=False))
