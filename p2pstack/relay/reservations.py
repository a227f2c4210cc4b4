"""Who has a reservation, until when, and who may have one (RELAY-03, RELAY-04, RELAY-07)."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from p2pstack.errors import LimitExceeded
from p2pstack.identity.peer_id import PeerId
from p2pstack.relay.config import RelayConfig
from p2pstack.relay.rates import RequestRates

__all__ = ["Reservations"]


@dataclass(frozen=True, slots=True)
class _Held:
    expires: float
    source: str


class Reservations:
    """A relay's reservations, one a peer. The clock is the caller's; ``source`` is what ``source_of`` returns.

    All live equally long, so the map's order, in which a renewed one comes last, is that in which they expire.
    """

    __slots__ = ("_config", "_held", "_rates", "_sources")

    def __init__(self, config: RelayConfig) -> None:
        self._config = config
        self._held: dict[PeerId, _Held] = {}
        self._sources: Counter[str] = Counter()
        self._rates = RequestRates(
            "reservation", config.reservation_rate_per_peer, config.reservation_rate_per_ip, config.tracked_rates
        )

    def __len__(self) -> int:
        return len(self._held)

    @property
    def peers(self) -> list[PeerId]:
        """Who holds one, in the order in which they expire."""
        return list(self._held)

    @property
    def most_per_source(self) -> int:
        """How many there are of the source that has most."""
        return max(self._sources.values(), default=0)

    def reserve(self, peer: PeerId, source: str, now: float) -> LimitExceeded | None:
        """Give ``peer`` a reservation from ``now`` on, in place of one that it has.

        An error means that it was refused; what the peer has stays as it is.
        """
        refusal = self._rates.admit(peer, source, now) or self._check_room(peer, source)
        if refusal is not None:
            return refusal
        self.end(peer)
        self._held[peer] = _Held(now + self._config.reservation_lifetime, source)
        if source:
            self._sources[source] += 1
        return None

    def _check_room(self, peer: PeerId, source: str) -> LimitExceeded | None:
        config = self._config
        held = self._held.get(peer)
        if held is None and len(self._held) >= config.max_reservations:
            return LimitExceeded("relay.max_reservations", config.max_reservations)
        moved = held is None or held.source != source
        if source and moved and self._sources[source] >= config.reservations_per_ip:
            return LimitExceeded("relay.reservations_per_ip", config.reservations_per_ip)
        return None

    def holds(self, peer: PeerId, now: float) -> bool:
        """Tell whether ``peer`` has a reservation at ``now``."""
        held = self._held.get(peer)
        return held is not None and now < held.expires

    def end(self, peer: PeerId) -> bool:
        """Forget the reservation of ``peer``; whether it had one."""
        held = self._held.pop(peer, None)
        if held is None:
            return False
        if held.source:
            self._sources[held.source] -= 1
            if not self._sources[held.source]:
                del self._sources[held.source]
        return True

    def next_expiry(self) -> float | None:
        """When the first reservation expires; None if there is none."""
        return next(iter(self._held.values())).expires if self._held else None

    def expire(self, now: float) -> list[PeerId]:
        """Forget the reservations whose time is over; return whose they were."""
        expired = []
        for peer, held in self._held.items():
            if now < held.expires:
                break
            expired.append(peer)
        for peer in expired:
            self.end(peer)
        return expired
