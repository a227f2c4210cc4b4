"""What is remembered of a peer. All times are seconds since 1970."""

from __future__ import annotations

from dataclasses import dataclass, field

from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId

__all__ = ["KnownAddress", "KnownPeer"]


@dataclass(slots=True, kw_only=True)
class KnownAddress:
    """An address of a peer: how old it is, when its peer told it, and what came of dialling it.

    ``last_success`` is 0 where it has never worked; ``failures`` counts those in a row.
    """

    first_seen: float
    last_told: float
    last_success: float = 0.0
    failures: int = 0

    def expires(self, lifetime: float) -> float:
        """Return when it is over, if nothing new is heard of it."""
        return max(self.last_told, self.last_success) + lifetime


@dataclass(slots=True, kw_only=True)
class KnownPeer:
    """A peer: when it was met, where it is, and what it has told of itself.

    ``last_success`` is when we reached it ourselves last (0: never), ``failures`` counts those in a row, and until
    ``retry_at`` it is left alone. Its public key stands in its id, or in ``record``, which it has signed;
    ``record_seq`` is that one's number, where it was read from the file.
    """

    peer: PeerId
    first_seen: float
    last_seen: float
    last_success: float = 0.0
    failures: int = 0
    retry_at: float = 0.0
    addresses: dict[Multiaddr, KnownAddress] = field(default_factory=dict)
    protocols: tuple[str, ...] | None = None
    agent: str = ""
    protocol_version: str = ""
    record: bytes | None = None
    record_seq: int = -1

    def best_addresses(self) -> list[Multiaddr]:
        """Return its addresses, those first that worked last."""
        return sorted(self.addresses, key=lambda each: _worth(self.addresses[each]), reverse=True)


def _worth(address: KnownAddress) -> tuple[float, int, float]:
    return address.last_success, -address.failures, address.last_told
