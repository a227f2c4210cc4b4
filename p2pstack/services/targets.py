"""The peers that a program names to a service: by their ids, or by addresses with ``/p2p`` at their end."""

from __future__ import annotations

from collections.abc import Iterable

from p2pstack.errors import ConfigError
from p2pstack.host.host import Target
from p2pstack.identity.multiaddrs import Multiaddr, parse, peer_id_of
from p2pstack.identity.peer_id import PeerId

__all__ = ["read_targets"]


def read_targets(targets: Iterable[Target]) -> dict[PeerId, list[Multiaddr]]:
    """Return the peers in ``targets``, each with the addresses that are given of it.

    Raises:
        ConfigError: an address names no peer.
        DecodeError: one can't be read.
    """
    found: dict[PeerId, list[Multiaddr]] = {}
    for target in targets:
        if isinstance(target, PeerId):
            found.setdefault(target, [])
        elif isinstance(target, str) and not target.startswith("/"):
            found.setdefault(PeerId.from_string(target), [])
        else:
            address = parse(target)
            peer = peer_id_of(address)
            if peer is None:
                raise ConfigError(f"{address} names no peer: it has to end with /p2p and an id")
            found.setdefault(peer, []).append(address)
    return found
