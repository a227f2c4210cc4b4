"""The sockets of mDNS: one a segment, beside those of other programs on the same port (MDNS-01, MDNS-08).

A socket is bound to the group where the system lets it: so it takes nothing that is meant for another responder of this
machine, to whom answers may come by unicast. What other sockets have joined does not come in here.
"""

from __future__ import annotations

import socket
import struct
import sys
from ipaddress import IPv4Address

from p2pstack.mdns.segment import Segment

__all__ = ["GROUPS", "PORT", "open_socket"]

GROUPS = {4: "224.0.0.251", 6: "ff02::fb"}
PORT = 5353

HOPS = 255
"""As RFC 6762 wants it; nobody may check it (11)."""

_IP_MULTICAST_ALL = 49
_IPV6_MULTICAST_ALL = 29
"""Of Linux; Python does not name them. At 0 a socket hears the groups alone that it has joined itself."""

_LINUX = sys.platform == "linux"
_BINDS_TO_GROUPS = sys.platform != "win32"


def open_socket(segment: Segment) -> socket.socket:
    """Return a socket that hears and sends by multicast on one segment.

    Raises:
        OSError: the interface is gone, or a program that does not share the port has it.
    """
    family = socket.AF_INET if segment.version == 4 else socket.AF_INET6
    opened = socket.socket(family, socket.SOCK_DGRAM)
    try:
        opened.setblocking(False)
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "SO_REUSEPORT"):
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if segment.version == 4:
            _join_ipv4(opened, segment)
        else:
            _join_ipv6(opened, segment)
    except BaseException:
        opened.close()
        raise
    return opened


def _join_ipv4(opened: socket.socket, segment: Segment) -> None:
    group, local = socket.inet_aton(GROUPS[4]), _local(segment).packed
    # Linux takes the interface by its number; others find it by its address.
    index = struct.pack("@i", segment.index) if _LINUX else b""
    opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_TTL, HOPS)
    opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 1)
    opened.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, group + local + index if _LINUX else local)
    if _LINUX:
        opened.setsockopt(socket.IPPROTO_IP, _IP_MULTICAST_ALL, 0)
    opened.bind((GROUPS[4] if _BINDS_TO_GROUPS else "", PORT))
    opened.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, group + local + index)


def _join_ipv6(opened: socket.socket, segment: Segment) -> None:
    index = segment.index
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, HOPS)
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_LOOP, 1)
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
    if _LINUX:
        opened.setsockopt(socket.IPPROTO_IPV6, _IPV6_MULTICAST_ALL, 0)
    opened.bind((GROUPS[6] if _BINDS_TO_GROUPS else "", PORT, 0, index if _BINDS_TO_GROUPS else 0))
    request = socket.inet_pton(socket.AF_INET6, GROUPS[6]) + struct.pack("@I", index)
    opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_JOIN_GROUP, request)


def _local(segment: Segment) -> IPv4Address:
    """Return the address to send from: rust takes a peer's IP from there, so rather not the loopback's."""
    own = [address for address in segment.own if isinstance(address, IPv4Address)]
    return min(own, key=lambda address: (address.is_loopback, address))
