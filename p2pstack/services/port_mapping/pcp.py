"""PCP (RFC 6887) and its forerunner NAT-PMP (RFC 6886): what goes over the wire, and what an answer means.

Written by hand: the clients that PyPI has were last released in 2021 and 2023, know NAT-PMP alone, and block. It is two
requests of a few bytes each. Both protocols share port 5351 of the gateway, where the first byte tells them apart.
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from p2pstack.errors import DecodeError
from p2pstack.services.port_mapping.gateway import Lease, PortMappingError

__all__ = [
    "MAX_ANSWER",
    "NONCE_SIZE",
    "PORT",
    "decode_announcement",
    "decode_external",
    "decode_natpmp_lease",
    "decode_pcp_lease",
    "encode_announcement",
    "encode_external",
    "encode_natpmp_map",
    "encode_pcp_map",
]

PORT = 5351
MAX_ANSWER = 1_100
"""Bytes of an answer; no PCP message is longer."""

NONCE_SIZE = 12

_TCP = 6
_PCP, _NATPMP = 2, 0
_ANSWER = 0x80
_ANNOUNCE, _MAP = 0, 1
_EXTERNAL, _MAP_TCP = 0, 2

# version, opcode, reserved, lifetime, the client's address
_PCP_REQUEST = struct.Struct(">BBHI16s")
# version, opcode, reserved, result, lifetime, epoch, reserved
_PCP_ANSWER = struct.Struct(">BBBBII12x")
# nonce, protocol, reserved, internal port, external port, external address
_PCP_MAP = struct.Struct(">12sB3xHH16s")
# version, opcode, reserved, internal port, external port, lifetime
_NATPMP_MAP = struct.Struct(">BBHHHI")
# version, opcode, result, epoch
_NATPMP_ANSWER = struct.Struct(">BBHI")
# internal port, external port, lifetime
_NATPMP_LEASE = struct.Struct(">HHI")

_NATPMP_RESULTS = {
    1: "it does not speak this version",
    2: "mapping is switched off",
    3: "it has no address of its own",
    4: "it has no room for another mapping",
    5: "it does not know this request",
}
_PCP_RESULTS = {
    1: "it does not speak this version",
    2: "mapping is switched off",
    3: "it can't read the request",
    4: "it does not know this request",
    7: "its network is down",
    8: "it has no room for another mapping",
    9: "it does not map TCP",
    10: "this machine has as many mappings as it may have",
    11: "it can't give that port or address",
    12: "another NAT lies between us",
}


def _mapped(address: IPv4Address) -> bytes:
    return IPv6Address(f"::ffff:{address}").packed


def encode_announcement(local: IPv4Address) -> bytes:
    """Return the PCP request that asks for nothing; ``local`` is our own address (PMAP-01)."""
    return _PCP_REQUEST.pack(_PCP, _ANNOUNCE, 0, 0, _mapped(local))


def decode_announcement(data: bytes) -> None:
    """Read the answer to it, which says that PCP is spoken.

    Raises:
        DecodeError: it is none.
        PortMappingError: the gateway refuses (PMAP-03).
    """
    _pcp_head(data, _ANNOUNCE)


def encode_pcp_map(
    local: IPv4Address, nonce: bytes, port: int, seconds: int, external: int, host: IPv4Address
) -> bytes:
    """Return the request for a mapping, or with 0 seconds for its end; 0 as ``external`` and as ``host``: any."""
    head = _PCP_REQUEST.pack(_PCP, _MAP, 0, seconds, _mapped(local))
    return head + _PCP_MAP.pack(nonce, _TCP, port, external, _mapped(host))


def decode_pcp_lease(data: bytes, nonce: bytes, port: int) -> Lease:
    """Read the answer to the request with that nonce and port (PMAP-02).

    Raises:
        DecodeError: it is none, or that to another request.
        PortMappingError: the gateway refuses, or gives an address that is not IPv4.
    """
    seconds = _pcp_head(data, _MAP)
    if len(data) < _PCP_ANSWER.size + _PCP_MAP.size:
        raise DecodeError("an answer of PCP ends too early", requirement="PMAP-02")
    found, protocol, internal, external, host = _PCP_MAP.unpack_from(data, _PCP_ANSWER.size)
    if (found, protocol, internal) != (nonce, _TCP, port):
        raise DecodeError("an answer of PCP is to another request", requirement="PMAP-02")
    address = IPv6Address(host).ipv4_mapped
    if address is None or (seconds and not external):
        raise PortMappingError("it gives no IPv4 address and port", requirement="PMAP-02")
    return Lease(internal=internal, external=external, host=address, seconds=float(seconds), key=nonce)


def _pcp_head(data: bytes, opcode: int) -> int:
    """Check how an answer begins; return the lifetime in it."""
    # A gateway that knows NAT-PMP alone answers with its own version, and result 1.
    if len(data) >= 4 and data[0] == _NATPMP and data[1] & _ANSWER:
        raise PortMappingError("it does not speak PCP", code=1, requirement="PMAP-03")
    if not _PCP_ANSWER.size <= len(data) <= MAX_ANSWER or len(data) % 4:
        raise DecodeError("no answer of PCP", requirement="PMAP-02")
    version, found, _, result, seconds, _ = _PCP_ANSWER.unpack_from(data)
    if version != _PCP or found != _ANSWER | opcode:
        raise DecodeError("no answer of PCP, or to another request", requirement="PMAP-02")
    if result:
        raise PortMappingError(_PCP_RESULTS.get(result, f"it answers with error {result}"), code=result)
    return int(seconds)


def encode_external() -> bytes:
    """Return NAT-PMP's question for the gateway's own address."""
    return bytes((_NATPMP, _EXTERNAL))


def decode_external(data: bytes) -> IPv4Address:
    """Read the answer to it.

    Raises:
        DecodeError: it is none.
        PortMappingError: the gateway refuses.
    """
    return IPv4Address(_natpmp_body(data, _EXTERNAL, 4))


def encode_natpmp_map(port: int, seconds: int, external: int) -> bytes:
    """Return NAT-PMP's request for a mapping, or with 0 seconds for its end."""
    return _NATPMP_MAP.pack(_NATPMP, _MAP_TCP, 0, port, external, seconds)


def decode_natpmp_lease(data: bytes, port: int, host: IPv4Address) -> Lease:
    """Read the answer to the request for ``port``, of a gateway whose own address is ``host``.

    Raises:
        DecodeError: it is none, or that to another request.
        PortMappingError: the gateway refuses.
    """
    internal, external, seconds = _NATPMP_LEASE.unpack(_natpmp_body(data, _MAP_TCP, _NATPMP_LEASE.size))
    if internal != port:
        raise DecodeError("an answer of NAT-PMP is to another request", requirement="PMAP-01")
    if seconds and not external:
        raise PortMappingError("it gives no port", requirement="PMAP-01")
    return Lease(internal=internal, external=external, host=host, seconds=float(seconds))


def _natpmp_body(data: bytes, opcode: int, size: int) -> bytes:
    """Check how an answer begins; return the rest."""
    if len(data) < _NATPMP_ANSWER.size:
        raise DecodeError("no answer of NAT-PMP", requirement="PMAP-01")
    version, found, result, _ = _NATPMP_ANSWER.unpack_from(data)
    if version != _NATPMP or found != _ANSWER | opcode:
        raise DecodeError("no answer of NAT-PMP, or to another request", requirement="PMAP-01")
    if result:
        raise PortMappingError(_NATPMP_RESULTS.get(result, f"it answers with error {result}"), code=result)
    if len(data) != _NATPMP_ANSWER.size + size:
        raise DecodeError("an answer of NAT-PMP has another size", requirement="PMAP-01")
    return data[_NATPMP_ANSWER.size :]
