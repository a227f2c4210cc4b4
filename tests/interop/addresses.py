"""The little that the harness has to know of multiaddrs; plain text, so that it stands beside p2pstack, not on it."""

from __future__ import annotations

__all__ = ["peer_of", "tcp_endpoint", "with_peer", "with_port", "without_peer"]


def _parts(address: str) -> list[str]:
    parts = address.split("/")
    if len(parts) not in (5, 7) or parts[1] != "ip4" or parts[3] != "tcp" or parts[5:6] not in ([], ["p2p"]):
        raise ValueError(f"not /ip4/HOST/tcp/PORT[/p2p/PEER]: {address}")
    return parts


def tcp_endpoint(address: str) -> tuple[str, int]:
    """(host, port) of ``/ip4/HOST/tcp/PORT[/p2p/PEER]``."""
    parts = _parts(address)
    return parts[2], int(parts[4])


def peer_of(address: str) -> str:
    """The peer id at the end of ``address``."""
    return _parts(address)[6]


def without_peer(address: str) -> str:
    """``/ip4/HOST/tcp/PORT`` of an address with or without a peer id."""
    return "/".join(_parts(address)[:5])


def with_peer(address: str, peer: str) -> str:
    """``address`` with another peer id."""
    return f"{without_peer(address)}/p2p/{peer}"


def with_port(address: str, port: int) -> str:
    """``address`` with another port."""
    parts = _parts(address)
    parts[4] = str(port)
    return "/".join(parts)
