"""The socket address that nodes of the seed era made up for a libp2p peer: their jobs had to have one (SHK-09)."""

from __future__ import annotations

from p2pstack.identity.peer_id import PeerId

__all__ = ["synthetic_address"]

_HEX_DIGITS = frozenset("0123456789abcdefABCDEF")


def synthetic_address(peer: PeerId) -> tuple[str, int]:
    """Return the IPv4 address below 127.0.0.0/8 and the port that stand for ``peer``; several peers may share them."""
    digits = [character for character in str(peer) if character in _HEX_DIGITS][:8]
    number = int("".join(digits) or "0", 16)
    return f"127.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}", number % 50_000 + 10_000
