"""An IP address or a host's name, with a port, as texts like ``127.0.0.1:9552`` and ``[::1]:9552`` (SHK-31)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from p2pstack.errors import DecodeError
from p2pstack.shinkai.errors import shown

__all__ = ["MAX_HOST", "Endpoint"]

MAX_HOST = 253
"""Characters of the longest host: as many as a name in DNS can have."""

_TEXT = re.compile(r"(?:\[([0-9A-Fa-f:.%\w]+)\]|([^\s:\[\]]+)):([0-9]{1,5})", re.ASCII)


@dataclass(frozen=True, slots=True, order=True)
class Endpoint:
    """Where something listens: a host, without brackets around an IPv6 address, and a port of 0 to 65535.

    Raises:
        DecodeError: the port is out of its range, or the host is empty or too long.
    """

    host: str
    port: int

    def __post_init__(self) -> None:
        if not 0 <= self.port <= 65_535:
            raise DecodeError(f"a port is 0 to 65535, not {self.port}", requirement="SHK-31")
        if not 0 < len(self.host) <= MAX_HOST:
            raise DecodeError(f"a host has 1 to {MAX_HOST} characters, not {len(self.host)}", requirement="SHK-31")

    @classmethod
    def parse(cls, text: str) -> Endpoint:
        """Read ``host:port``, with an IPv6 address in brackets.

        Raises:
            DecodeError: it is neither.
        """
        found = _TEXT.fullmatch(text)
        if found is None:
            raise DecodeError(f"{shown(text)} is no host and port", requirement="SHK-31")
        return cls(found[1] or found[2], int(found[3]))

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
