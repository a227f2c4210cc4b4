"""Whom a bootstrap list leads to, and who of them may be tried when: plain bookkeeping (PEERS-11, PEERS-12).

There are three kinds of addresses. One with ``/p2p`` at its end is a peer's. One without leads to whoever answers
there. A ``/dnsaddr`` without ``/p2p`` stands for all the peers that its records name, and is resolved when needed.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass

from p2pstack.errors import ConfigError, DecodeError, P2PError
from p2pstack.identity.multiaddrs import DNSADDR, Multiaddr, components, parse, peer_id_of, tcp_endpoint, without_peer
from p2pstack.identity.peer_id import PeerId

__all__ = ["Place", "Targets"]


@dataclass(slots=True, eq=False)
class Place:
    """One peer, one address, or one name: what is tried at once.

    ``peer`` is None where any peer will do, or where ``is_list``: then it is a name that stands for peers. ``reached``
    is who was met there last, ``error`` why nobody was at the last try. Times are the caller's clock.
    """

    origin: Multiaddr
    peer: PeerId | None
    addresses: tuple[Multiaddr, ...]
    is_list: bool = False
    reached: PeerId | None = None
    failures: int = 0
    retry_at: float = 0.0
    error: P2PError | None = None

    def worked(self, until: float) -> None:
        """It has led to somebody, and is left alone until then."""
        self.failures, self.error, self.retry_at = 0, None, until


class Targets:
    """The places of a list of addresses; those that its names lead to are found later.

    Raises:
        ConfigError: the list is empty, or holds an address that can't be dialled.
        DecodeError: one can't be read.
    """

    def __init__(self, addresses: Sequence[str | Multiaddr], own_id: PeerId, max_found: int) -> None:
        self._own_id = own_id
        self._max_found = max_found
        self._places: list[Place] = []
        self._found: dict[Multiaddr, list[Place]] = {}
        peers: dict[PeerId, Place] = {}
        for address in dict.fromkeys(parse(each) for each in addresses):
            peer = peer_id_of(address)
            if peer is None:
                self._places.append(_nameless(address))
            elif peer in peers:
                peers[peer].addresses += (address,)
            elif peer != own_id:
                peers[peer] = Place(address, peer, (address,))
                self._places.append(peers[peer])
        if not addresses:
            raise ConfigError("there is no bootstrap address")

    def places(self) -> list[Place]:
        """Return all that is known by now, names too."""
        return [*self._places, *(place for found in self._found.values() for place in found)]

    def peers(self) -> set[PeerId]:
        """Return the peers that are known to be meant: by their addresses, or since they were met."""
        return {peer for place in self.places() if (peer := place.peer or place.reached) is not None}

    def due(self, now: float, connected: Container[PeerId]) -> list[Place]:
        """Return what may be tried now; a name only where no other place is left to try."""
        places = [
            place for place in self.places() if place.retry_at <= now and (place.peer or place.reached) not in connected
        ]
        return [place for place in places if not place.is_list] or places

    def next_due(self, now: float, connected: Container[PeerId]) -> float | None:
        """Return in how many seconds something may be tried; None where nothing is left to."""
        times = [place.retry_at for place in self.places() if (place.peer or place.reached) not in connected]
        return max(min(times) - now, 0.0) if times else None

    def failing(self, connected: Container[PeerId]) -> list[Place]:
        """Return what led to nobody at the last try, except to those who are connected all the same."""
        return [
            place
            for place in self.places()
            if place.error is not None and (place.peer or place.reached) not in connected
        ]

    def failed(self, place: Place, until: float, error: P2PError) -> None:
        """Leave a place alone until then. The name that led to it, if one did, may say something else by then."""
        place.failures += 1
        place.error = error
        place.retry_at = until
        for each in self._places:
            if each.is_list and each.origin == place.origin:
                each.retry_at = min(each.retry_at, until)

    def found(self, place: Place, addresses: Iterable[Multiaddr]) -> int:
        """Take what a name has led to, in place of what it led to before; return how many peers that are.

        A peer that was found before keeps its back-off. Addresses that name no peer, or us, are left out.
        """
        former = {each.peer: each for each in self._found.get(place.origin, [])}
        peers: dict[PeerId, list[Multiaddr]] = {}
        for address in addresses:
            peer = peer_id_of(address)
            if peer is not None and peer != self._own_id and (peer in peers or len(peers) < self._max_found):
                peers.setdefault(peer, []).append(address)
        self._found[place.origin] = now = []
        for peer, of_peer in peers.items():
            entry = former.get(peer) or Place(place.origin, peer, ())
            entry.addresses = tuple(of_peer)
            now.append(entry)
        return len(peers)


def _nameless(address: Multiaddr) -> Place:
    """Return the place of an address without ``/p2p``.

    Raises:
        ConfigError: nobody can be dialled there.
    """
    if components(address)[0][0] == DNSADDR:
        return Place(address, None, (address,), is_list=True)
    try:
        tcp_endpoint(without_peer(address))
    except DecodeError as error:
        raise ConfigError(f"{address} is no bootstrap address: {error}") from error
    return Place(address, None, (address,))
