"""Domain names of DNS: read with their pointers, written plainly (MDNS-04).

A name is a tuple of labels in lower case: DNS takes ``A`` and ``a`` for the same.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from p2pstack.errors import ConfigError, DecodeError

__all__ = ["META", "SERVICE", "Name", "encode_name", "private_service", "read_name", "service_name"]

Name: TypeAlias = tuple[bytes, ...]

SERVICE = "_p2p._udp.local"
"""What libp2p's peers are asked for by."""

META: Name = (b"_services", b"_dns-sd", b"_udp", b"local")
"""Asks for the names of all services (MDNS-03)."""

MAX_LABEL = 63
MAX_NAME = 255
"""Bytes of a name, lengths included (RFC 1035)."""

_POINTER = 0xC0
_SERVICE_FORM = re.compile(r"_[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\._udp\.local")


def service_name(text: str) -> Name:
    """Return the name of a service, as ``_p2p._udp.local``.

    Raises:
        ConfigError: it has another form.
    """
    if _SERVICE_FORM.fullmatch(text) is None or len(text.partition(".")[0]) > MAX_LABEL:
        raise ConfigError(f"{text!r} is no service of the form '_name._udp.local', in lower case")
    return tuple(text.encode().split(b"."))


def private_service(fingerprint: bytes) -> str:
    """Return the service of a private network, given the fingerprint of its key: up to 29 bytes (MDNS-04).

    Raises:
        ConfigError: it is empty or longer.
    """
    text = f"_p2p-{fingerprint.hex()}._udp.local"
    service_name(text)
    return text


def encode_name(name: Name) -> bytes:
    """Encode a name without pointers. Labels have 1 to 63 bytes, which is the caller's to see to."""
    return b"".join(bytes((len(label),)) + label for label in name) + b"\x00"


def read_name(data: bytes, offset: int) -> tuple[Name, int]:
    """Return the name at ``offset`` and the offset behind it.

    A pointer must lead to what stands before everything read so far of the name: so there are no loops (MDNS-04).

    Raises:
        DecodeError: it is cut off, longer than 255 bytes, or its pointers do not lead backward.
    """
    labels: list[bytes] = []
    size = 1
    end = 0
    lowest = offset
    while True:
        length = _byte(data, offset)
        offset += 1
        if length >= _POINTER:
            target = (length & ~_POINTER) << 8 | _byte(data, offset)
            end = end or offset + 1
            if target >= lowest:
                raise DecodeError("a pointer in a name does not lead backward", requirement="MDNS-04")
            lowest = offset = target
            continue
        if length == 0:
            return tuple(labels), end or offset
        size += 1 + length
        if length > MAX_LABEL or size > MAX_NAME:
            raise DecodeError("a name, or a label of one, is too long", requirement="MDNS-04")
        if offset + length > len(data):
            raise DecodeError("a name is cut off", requirement="MDNS-04")
        labels.append(data[offset : offset + length].lower())
        offset += length


def _byte(data: bytes, offset: int) -> int:
    if offset >= len(data):
        raise DecodeError("a name is cut off", requirement="MDNS-04")
    return data[offset]
