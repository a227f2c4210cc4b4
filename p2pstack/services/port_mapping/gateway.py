"""What a gateway can do, whatever it speaks; and where the one of this machine is."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address
from pathlib import Path
from typing import Protocol

from p2pstack.errors import P2PError

__all__ = ["Gateway", "Lease", "PortMappingError", "default_gateway", "gateway_of"]

ROUTES = Path("/proc/net/route")

_VIA_GATEWAY = 0x2


class PortMappingError(P2PError):
    """A gateway can't be had, refuses, or answers what can't be; ``code`` is the number that it gave, or 0."""

    def __init__(self, message: str, *, code: int = 0, requirement: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.requirement = requirement


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A mapping: TCP connections to ``host`` and ``external`` come to the port ``internal`` of this machine.

    ``seconds`` is for how long that was promised. ``key`` is what the protocol needs to renew it and to take it back.
    """

    internal: int
    external: int
    host: IPv4Address
    seconds: float
    key: bytes = b""


class Gateway(Protocol):
    """A router that can be asked for mappings, in one protocol."""

    @property
    def name(self) -> str:
        """Who it is, and what it speaks; for people."""

    @property
    def local(self) -> IPv4Address:
        """The address of this machine that it passes connections on to."""

    async def map(self, port: int, seconds: float, former: Lease | None) -> Lease:
        """Have it pass a port on to our ``port``: that of ``former``, or the same as ours, or another one.

        Raises:
            PortMappingError: it does not answer, or refuses.
        """

    async def unmap(self, lease: Lease) -> None:
        """Take a mapping back.

        Raises:
            PortMappingError: it does not answer, or refuses.
        """


def default_gateway() -> str | None:
    """Return the address of the router that the system's default route leads to; None where that is not known."""
    try:
        return gateway_of(ROUTES.read_text(encoding="ascii", errors="replace"))
    except OSError:
        return None


def gateway_of(routes: str) -> str | None:
    """Return the gateway of the default route with the lowest metric, out of Linux's table of routes."""
    found: list[tuple[int, str]] = []
    for line in routes.splitlines()[1:]:
        fields = line.split()
        try:
            destination, gateway, flags, mask = (int(fields[number], 16) for number in (1, 2, 3, 7))
            metric = int(fields[6])
            address = struct.pack("=I", gateway)
        except (IndexError, ValueError, struct.error):
            continue
        if not destination and not mask and flags & _VIA_GATEWAY:
            found.append((metric, str(IPv4Address(address))))
    return min(found)[1] if found else None
