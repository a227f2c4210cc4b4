"""Domain names of DNS: read with their pointers, written plainly (MDNS-04).

A name is a tuple of labels in lower case: DNS takes ``A`` and ``a`` for the same.
"""

from __future__ import annotations

import re
from typing import TypeAlias

from p2pstack.errors import ConfigError, DecodeError

__all__ = ["META", "SERVICE", "Name", "NameReader", "encode_name", "private_service", "service_name"]

Name: TypeAlias = tuple[bytes, ...]

SERVICE = "_p2p._udp.local"
"""What libp2p's peers are asked for by."""

META: Name = (b"_services", b"_dns-sd", b"_udp", b"local")
"""Asks for the names of all services (MDNS-03)."""

MAX_LABEL = 63
MAX_NAME = 255
"""Bytes of a name, lengths included (RFC 1035)."""

MAX_POINTERS = 16
"""In a name. Against chains of thousands of them, and circles; encoders write one, or as many as a name has labels."""

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


class NameReader:
    """Reads the names of one packet.

    What follows each label and pointer is remembered: what others point at is read once, however many they are.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._tails: dict[int, tuple[Name, int]] = {}
        """By where it begins: the rest of a name, and how many pointers are in it."""

    def read(self, offset: int) -> tuple[Name, int]:
        """Return the name at ``offset`` and the offset behind it.

        Raises:
            DecodeError: it is cut off, longer than 255 bytes, has more than 16 pointers, or one that does not lead
                backward (MDNS-04).
        """
        data = self._data
        labels: list[bytes] = []
        passed: list[tuple[int, int, int]] = []
        tail: Name = ()
        size, pointers, end = 1, 0, 0
        while True:
            known = self._tails.get(offset) if end else None
            if known is not None:
                tail, more = known
                _check(size + sum(map(len, tail)) + len(tail), pointers + more)
                pointers += more
                break
            passed.append((offset, len(labels), pointers))
            length = _byte(data, offset)
            if length >= _POINTER:
                target = (length & ~_POINTER) << 8 | _byte(data, offset + 1)
                end = end or offset + 2
                if target >= offset:
                    raise DecodeError("a pointer in a name does not lead backward", requirement="MDNS-04")
                offset = target
                pointers += 1
            elif length == 0:
                end = end or offset + 1
                break
            else:
                labels.append(_label(data, offset + 1, length))
                offset += 1 + length
                size += 1 + length
            _check(size, pointers)
        name = (*labels, *tail)
        for start, before, left_behind in passed:
            self._tails[start] = name[before:], pointers - left_behind
        return name, end


def _check(size: int, pointers: int) -> None:
    if size > MAX_NAME or pointers > MAX_POINTERS:
        raise DecodeError("a name is too long, or has too many pointers", requirement="MDNS-04")


def _label(data: bytes, start: int, length: int) -> bytes:
    if length > MAX_LABEL:
        raise DecodeError("a label of a name is too long", requirement="MDNS-04")
    if start + length > len(data):
        raise DecodeError("a name is cut off", requirement="MDNS-04")
    return data[start : start + length].lower()


def _byte(data: bytes, offset: int) -> int:
    if offset >= len(data):
        raise DecodeError("a name is cut off", requirement="MDNS-04")
    return data[offset]
