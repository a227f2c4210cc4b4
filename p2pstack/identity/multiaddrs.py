"""Addresses: strict reading of multiaddrs, and what p2pstack asks of them (PEERID-11, TCP-01).

An address is the ``multiaddr`` package's ``Multiaddr``, which is what users of libp2p in Python have in hand. That
class looks at bytes only when they are printed, and takes text loosely. So every address of a peer comes in through
:func:`parse`, and what it returns is sound: known protocols, values of the right length, a text form that prints.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from multiaddr import Multiaddr
from multiaddr.exceptions import BinaryParseError, StringParseError

from p2pstack.errors import ConfigError, DecodeError
from p2pstack.identity.peer_id import PeerId
from p2pstack.wire import Buffer, uvarint

__all__ = [
    "MAX_BYTES",
    "MAX_TEXT",
    "Multiaddr",
    "TcpEndpoint",
    "components",
    "from_sockaddr",
    "is_loopback",
    "is_private",
    "is_public",
    "parse",
    "peer_id_of",
    "tcp_endpoint",
    "with_peer",
    "without_peer",
]

MAX_BYTES = 1024
"""Bytes of the longest address that is read. A relayed one has about 100, one with certificate hashes 200."""

MAX_TEXT = 4096
"""Characters of the longest text that is read."""

IP4, TCP, IP6, IP6ZONE, DNS, DNS4, DNS6, DNSADDR = 4, 6, 41, 42, 53, 54, 55, 56
UDP, CIRCUIT, UNIX, P2P = 273, 290, 400, 421
_REMEMBERED = 1024
"""Addresses that each of the questions below keeps its answer for: dials and accepts ask the same ones again."""

_VARIABLE = -1

_PROTOCOLS: dict[int, tuple[str, int]] = {
    IP4: ("ip4", 4),
    TCP: ("tcp", 2),
    33: ("dccp", 2),
    IP6: ("ip6", 16),
    IP6ZONE: ("ip6zone", _VARIABLE),
    43: ("ipcidr", 1),
    DNS: ("dns", _VARIABLE),
    DNS4: ("dns4", _VARIABLE),
    DNS6: ("dns6", _VARIABLE),
    DNSADDR: ("dnsaddr", _VARIABLE),
    132: ("sctp", 2),
    UDP: ("udp", 2),
    275: ("p2p-webrtc-star", 0),
    276: ("p2p-webrtc-direct", 0),
    280: ("webrtc-direct", 0),
    281: ("webrtc", 0),
    CIRCUIT: ("p2p-circuit", 0),
    301: ("udt", 0),
    302: ("utp", 0),
    UNIX: ("unix", _VARIABLE),
    P2P: ("p2p", _VARIABLE),
    443: ("https", 0),
    444: ("onion", 12),
    445: ("onion3", 37),
    446: ("garlic64", _VARIABLE),
    447: ("garlic32", _VARIABLE),
    448: ("tls", 0),
    449: ("sni", _VARIABLE),
    454: ("noise", 0),
    460: ("quic", 0),
    461: ("quic-v1", 0),
    465: ("webtransport", 0),
    466: ("certhash", _VARIABLE),
    477: ("ws", 0),
    478: ("wss", 0),
    479: ("p2p-websocket-star", 0),
    480: ("http", 0),
    481: ("http-path", _VARIABLE),
    777: ("memory", 8),
}
"""Code -> name and bytes of the value (0: none; _VARIABLE: as many as the varint in front of it says)."""

_CODES = {name: code for code, (name, _) in _PROTOCOLS.items()} | {"ipfs": P2P}
_PORTS = {code for code, (_, size) in _PROTOCOLS.items() if size == 2}
_NAMES = {DNS, DNS4, DNS6, DNSADDR}
_ALWAYS_PRINTS = {IP4, IP6, P2P} | _PORTS | {code for code, (_, size) in _PROTOCOLS.items() if size == 0}
"""Protocols whose values have a text form whatever their bytes are, once their length, or the peer id, is right."""

_PRIVATE_NETWORKS = (
    ipaddress.ip_network("10.0.0.0/8"),
    ipaddress.ip_network("172.16.0.0/12"),
    ipaddress.ip_network("192.168.0.0/16"),
    ipaddress.ip_network("100.64.0.0/10"),
    ipaddress.ip_network("169.254.0.0/16"),
    ipaddress.ip_network("fc00::/7"),
    ipaddress.ip_network("fe80::/10"),
)
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")

_PRIVATE_DOMAINS = ("local", "internal", "home.arpa")
_NOWHERE_DOMAINS = ("invalid", "test", "example", "onion")
"""RFC 6761, 6762, 7686, 8375: names that resolve in one's own network, and names that do not resolve at all."""

_Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


class TcpEndpoint(NamedTuple):
    """Where a plain TCP address leads to: the protocol of its host, the host as text, the port (0 to 65,535)."""

    kind: Literal["ip4", "ip6", "dns", "dns4", "dns6"]
    host: str
    port: int


_TCP_HOSTS: dict[int, Literal["ip4", "ip6", "dns", "dns4", "dns6"]] = {
    IP4: "ip4",
    IP6: "ip6",
    DNS: "dns",
    DNS4: "dns4",
    DNS6: "dns6",
}


def parse(value: str | Buffer | Multiaddr) -> Multiaddr:
    """Read an address from text or from its binary form, and check it to the end (PEERID-11).

    Raises:
        DecodeError: it is empty, too long, cut off, of an unknown protocol, or a value does not fit its protocol.
            Of a peer's list of addresses, leave out that one.
    """
    if isinstance(value, str):
        return _parse_text(value)
    if isinstance(value, Multiaddr):
        _check(value)
        return value
    address = Multiaddr(bytes(value))
    _check(address)
    return address


def _parse_text(text: str) -> Multiaddr:
    if len(text) > MAX_TEXT:
        raise DecodeError(f"an address of {len(text)} characters is too long", requirement="PEERID-11")
    if not text.startswith("/"):
        raise DecodeError(f"the address {text!r} does not start with '/'", requirement="PEERID-11")
    parts = iter(text[1:].rstrip("/").split("/"))
    canonical = []
    for name in parts:
        code = _CODES.get(name)
        if code is None:
            raise DecodeError(f"the address {text!r} has an unknown protocol {name!r}", requirement="PEERID-11")
        protocol, size = _PROTOCOLS[code]
        canonical.append(protocol)
        if code == UNIX:
            canonical.extend(parts)  # a path goes on to the end
        elif size:
            canonical.append(_text_value(code, next(parts, ""), text))
    try:
        address = Multiaddr("/" + "/".join(canonical))
    except StringParseError as error:
        raise DecodeError(f"the address {text!r} does not parse: {error.message}", requirement="PEERID-11") from error
    _check(address)
    return address


def _text_value(code: int, value: str, text: str) -> str:
    """Return a protocol's value in canonical form; what is not looked at here, the package checks."""
    if code == P2P:
        return str(PeerId.from_string(value))
    # int(), by which the package reads ports, also takes signs, spaces, underscores and other scripts' digits.
    if code in _PORTS and not (value.isascii() and value.isdigit()):
        raise DecodeError(f"the address {text!r} has {value!r} as a port", requirement="PEERID-11")
    return value


def components(address: Multiaddr) -> list[tuple[int, bytes]]:
    """Return the protocols of an address in order: code, and value in binary form (empty where it takes none).

    Raises:
        DecodeError: the address was not made by :func:`parse`, and is not well-formed.
    """
    return list(_walk(address.to_bytes()))


def _walk(data: bytes) -> Iterator[tuple[int, bytes]]:
    offset = 0
    while offset < len(data):
        code, offset = uvarint.decode(data, offset)
        if code not in _PROTOCOLS:
            raise DecodeError(f"an address has the unknown protocol {code}", requirement="PEERID-11")
        name, size = _PROTOCOLS[code]
        if size == _VARIABLE:
            size, offset = uvarint.decode(data, offset)
        end = offset + size
        if end > len(data):
            raise DecodeError(f"an address is cut off in its {name} part", requirement="PEERID-11")
        yield code, data[offset:end]
        offset = end


def _check(address: Multiaddr) -> None:
    data = address.to_bytes()
    if not 0 < len(data) <= MAX_BYTES:
        raise DecodeError(f"an address can't have {len(data)} bytes", requirement="PEERID-11")
    prints = True
    for code, value in _walk(data):
        if code == P2P:
            PeerId(value)
        elif code not in _ALWAYS_PRINTS:
            prints = False
    if not prints:
        try:
            str(address)
        except BinaryParseError as error:
            raise DecodeError(f"an address has a bad value: {error.message}", requirement="PEERID-11") from error


def peer_id_of(address: Multiaddr) -> PeerId | None:
    """Return the peer that an address names by its last part ``/p2p/ID``, or None.

    Behind ``/p2p-circuit`` that is the peer that is reached, not the relay.
    """
    parts = components(address)
    return PeerId(parts[-1][1]) if parts and parts[-1][0] == P2P else None


def with_peer(address: Multiaddr, peer_id: PeerId) -> Multiaddr:
    """Return the address with ``/p2p/ID`` behind it, unless it is there already.

    Raises:
        ConfigError: the address names another peer.
    """
    named = peer_id_of(address)
    if named is None:
        return Multiaddr(address.to_bytes() + _peer_part(peer_id))
    if named != peer_id:
        raise ConfigError(f"an address of {named} is not one of {peer_id}")
    return address


@lru_cache(maxsize=_REMEMBERED)
def without_peer(address: Multiaddr) -> Multiaddr:
    """Return the address without the ``/p2p/ID`` at its end, if it has one."""
    named = peer_id_of(address)
    if named is None:
        return address
    return Multiaddr(address.to_bytes().removesuffix(_peer_part(named)))


def _peer_part(peer_id: PeerId) -> bytes:
    encoded = peer_id.to_bytes()
    return uvarint.encode(P2P) + uvarint.encode(len(encoded)) + encoded


@lru_cache(maxsize=_REMEMBERED)
def tcp_endpoint(address: Multiaddr) -> TcpEndpoint:
    """Return where a plain TCP address leads to: ``/ip4|ip6|dns|dns4|dns6/HOST/tcp/PORT`` and perhaps ``/p2p/ID``.

    Raises:
        DecodeError: it is another kind of address (TCP-01).
    """
    parts = components(address)
    codes = [code for code, _ in parts]
    if len(parts) < 2 or codes[0] not in _TCP_HOSTS or codes[1:] not in ([TCP], [TCP, P2P]):
        names = "".join(f"/{_PROTOCOLS[code][0]}" for code in codes)
        raise DecodeError(f"an address of the form {names!r} is no plain TCP address", requirement="TCP-01")
    kind, value = _TCP_HOSTS[codes[0]], parts[0][1]
    host = _decode_name(value) if codes[0] in _NAMES else str(ipaddress.ip_address(value))
    return TcpEndpoint(kind, host, int.from_bytes(parts[1][1], "big"))


def from_sockaddr(sockaddr: Any) -> Multiaddr:
    """Return the address of a socket, as ``getpeername`` and ``getsockname`` give it: ``(host, port, …)``.

    An IPv4 address mapped into IPv6 (``::ffff:192.0.2.1``) becomes IPv4. A scope (``fe80::1%eth0``) is left out: it
    names an interface of this machine, and means nothing to others.

    Raises:
        DecodeError: it is no address of an internet socket.
    """
    try:
        host, port = sockaddr[:2]
        ip: _Ip = ipaddress.ip_address(host.partition("%")[0])
        encoded_port = port.to_bytes(2, "big")
    except (AttributeError, OverflowError, TypeError, ValueError) as error:
        raise DecodeError(f"{sockaddr!r} is no internet address and port", requirement="TCP-01") from error
    ip = getattr(ip, "ipv4_mapped", None) or ip
    code = IP4 if ip.version == 4 else IP6
    return Multiaddr(bytes((code,)) + ip.packed + bytes((TCP,)) + encoded_port)


@lru_cache(maxsize=_REMEMBERED)
def is_loopback(address: Multiaddr) -> bool:
    """Tell whether the address leads to the machine itself: 127.0.0.0/8, ::1, ``localhost``."""
    host = _host(address)
    return _within(host, ("localhost",)) if isinstance(host, str) else host is not None and host.is_loopback


def is_private(address: Multiaddr) -> bool:
    """Tell whether the address is one of a private network.

    Those are RFC 1918, RFC 4193, link-local, carrier-grade NAT; of names ``.local``, ``.internal``, ``.home.arpa``.
    """
    host = _host(address)
    if isinstance(host, str):
        return _within(host, _PRIVATE_DOMAINS)
    return host is not None and any(host in network for network in _PRIVATE_NETWORKS)


@lru_cache(maxsize=_REMEMBERED)
def is_public(address: Multiaddr) -> bool:
    """Tell whether the address may be reached from anywhere, as far as its first part says (ENV-08).

    A relayed address is as public as its relay's. Names are, unless they are known to lead nowhere or home.
    """
    host = _host(address)
    if isinstance(host, str):
        return not _within(host, ("localhost", *_PRIVATE_DOMAINS, *_NOWHERE_DOMAINS))
    if isinstance(host, ipaddress.IPv6Address):
        if host.is_site_local:
            return False
        if host.sixtofour is not None:  # the IPv4 address that packets to it are sent to; Pythons differ on 2002::/16
            return host.sixtofour.is_global
    return host is not None and host.is_global and not (host.is_multicast or host.is_reserved)


def _host(address: Multiaddr) -> _Ip | str | None:
    """Return the IP address or the name (lower case) that an address begins with; None if it is something else.

    An IPv4 address that is embedded in an IPv6 one counts as what it is.
    """
    parts = [part for part in components(address) if part[0] != IP6ZONE]
    code, value = parts[0] if parts else (0, b"")
    if code in _NAMES:
        return _decode_name(value).rstrip(".").lower()
    if code not in {IP4, IP6}:
        return None
    ip = ipaddress.ip_address(value)
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return ip.ipv4_mapped
        if ip in _NAT64:
            return ipaddress.IPv4Address(value[-4:])
    return ip


def _decode_name(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError as error:
        raise DecodeError("an address has a name that is not UTF-8", requirement="PEERID-11") from error


def _within(name: str, domains: tuple[str, ...]) -> bool:
    return any(name == domain or name.endswith("." + domain) for domain in domains)
