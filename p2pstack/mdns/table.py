"""Who is there: peers, where they say to be, and until when that holds (MDNS-07). Bounded whatever comes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.mdns.config import MdnsConfig
from p2pstack.mdns.segment import Ip

__all__ = ["Change", "Source", "Table"]


class Source(NamedTuple):
    """From where something was heard: the segment, and the address there."""

    segment: tuple[str, int]
    address: Ip


@dataclass(frozen=True, slots=True)
class Change:
    """A peer has been found, or has more addresses than before; or, without any, is gone. ``ttl`` in seconds."""

    peer: PeerId
    addresses: tuple[Multiaddr, ...]
    ttl: float = 0.0


class _Claim(NamedTuple):
    addresses: tuple[Multiaddr, ...]
    until: float


class Table:
    """Peers by id. What one source says, only that source, time, or the end of its segment takes back."""

    def __init__(self, config: MdnsConfig) -> None:
        self._config = config
        self._peers: dict[PeerId, dict[Source, _Claim]] = {}
        self._claims: dict[Ip, dict[tuple[PeerId, Source], None]] = {}
        self._ranks: list[dict[Ip, None]] = [{} for _ in range(config.max_peers_per_source + 1)]
        """The addresses by how many peers they name: who names the most is found without looking through all."""
        self.refused = 0
        """What was not taken because there is too much already."""

    def __len__(self) -> int:
        return len(self._peers)

    def __iter__(self) -> Iterator[PeerId]:
        return iter(self._peers)

    def peers(self) -> dict[PeerId, tuple[Multiaddr, ...]]:
        """Return all peers that are there, with their addresses."""
        return {peer: _union(claims.values()) for peer, claims in self._peers.items()}

    def heard(self, peer: PeerId, addresses: Sequence[Multiaddr], ttl: int, source: Source, now: float) -> list[Change]:
        """Keep what ``source`` says of ``peer``; a ``ttl`` of 0 takes back what it has said."""
        claims = self._peers.get(peer, {})
        if ttl == 0:
            return self._drop(peer, source) if source in claims else []
        if not addresses:
            return []
        if source not in claims and not self._room_for_claim(claims, source):
            self.refused += 1
            return []
        changes = [] if peer in self._peers else self._make_room(source)
        if not (peer in self._peers or len(self._peers) < self._config.max_peers):
            self.refused += 1
            return changes
        lifetime = min(ttl, self._config.max_ttl)
        claim = _Claim(tuple(addresses[: self._config.max_addresses]), now + lifetime)
        before = _union(claims.values())
        if source not in claims:
            self._count(peer, source)
        self._peers.setdefault(peer, claims)[source] = claim
        after = _union(claims.values())
        if set(after) <= set(before):
            return changes
        return [*changes, Change(peer, after, lifetime)]

    def expire(self, now: float) -> list[Change]:
        """Drop what holds no longer."""
        old = [
            (peer, source)
            for peer, claims in self._peers.items()
            for source, claim in claims.items()
            if claim.until <= now
        ]
        return [change for peer, source in old for change in self._drop(peer, source)]

    def forget(self, segment: tuple[str, int]) -> list[Change]:
        """Drop all that was heard on a segment that is gone."""
        gone = [
            (peer, source) for peer, claims in self._peers.items() for source in claims if source.segment == segment
        ]
        return [change for peer, source in gone for change in self._drop(peer, source)]

    def _drop(self, peer: PeerId, source: Source) -> list[Change]:
        claims = self._peers[peer]
        del claims[source]
        self._discount(peer, source)
        if claims:
            return []
        del self._peers[peer]
        return [Change(peer, ())]

    def _count(self, peer: PeerId, source: Source) -> None:
        held = self._claims.setdefault(source.address, {})
        self._ranks[len(held)].pop(source.address, None)
        held[peer, source] = None
        self._ranks[len(held)][source.address] = None

    def _discount(self, peer: PeerId, source: Source) -> None:
        held = self._claims[source.address]
        del self._ranks[len(held)][source.address]
        del held[peer, source]
        if held:
            self._ranks[len(held)][source.address] = None
        else:
            del self._claims[source.address]

    def _named_by(self, address: Ip) -> int:
        """Return how many peers an address names; on two segments they count twice."""
        return len(self._claims.get(address, ()))

    def _room_for_claim(self, claims: dict[Source, _Claim], source: Source) -> bool:
        config = self._config
        return len(claims) < config.max_sources and self._named_by(source.address) < config.max_peers_per_source

    def _make_room(self, source: Source) -> list[Change]:
        """Where there are too many peers, take the oldest from the address that names the most, if more than ours."""
        if len(self._peers) < self._config.max_peers:
            return []
        most = max(rank for rank, addresses in enumerate(self._ranks) if addresses)
        if most <= self._named_by(source.address) + 1:
            return []
        address = next(iter(self._ranks[most]))
        for peer, _ in self._claims[address]:
            claims = self._peers[peer]
            if all(each.address == address for each in claims):
                return [change for each in list(claims) for change in self._drop(peer, each)]
        return []


def _union(claims: Iterable[_Claim]) -> tuple[Multiaddr, ...]:
    return tuple(dict.fromkeys(address for claim in claims for address in claim.addresses))
