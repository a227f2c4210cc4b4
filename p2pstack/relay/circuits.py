"""How many circuits there are, of whom, and who may have another (RELAY-06, RELAY-07)."""

from __future__ import annotations

from collections import Counter

from p2pstack.errors import LimitExceeded
from p2pstack.identity.peer_id import PeerId
from p2pstack.relay.config import RelayConfig
from p2pstack.relay.rates import RequestRates

__all__ = ["Circuits"]


class Circuits:
    """A relay's circuits, each counted for both ends. The clock is the caller's, ``source`` what ``source_of`` says."""

    __slots__ = ("_config", "_count", "_per_peer", "_rates")

    def __init__(self, config: RelayConfig) -> None:
        self._config = config
        self._count = 0
        self._per_peer: Counter[PeerId] = Counter()
        self._rates = RequestRates(
            "circuit", config.circuit_rate_per_peer, config.circuit_rate_per_ip, config.tracked_rates
        )

    def __len__(self) -> int:
        return self._count

    @property
    def most_per_peer(self) -> int:
        """How many there are of the peer that has most."""
        return max(self._per_peer.values(), default=0)

    def ask(self, initiator: PeerId, source: str, now: float) -> LimitExceeded | None:
        """Count a request for a circuit; an error means that requests come too fast."""
        return self._rates.admit(initiator, source, now)

    def open(self, initiator: PeerId, target: PeerId) -> LimitExceeded | None:
        """Count a circuit, before its target is asked; an error means that there is no room, and it was not counted."""
        config = self._config
        if self._count >= config.max_circuits:
            return LimitExceeded("relay.max_circuits", config.max_circuits)
        if max(self._per_peer[initiator], self._per_peer[target]) >= config.circuits_per_peer:
            return LimitExceeded("relay.circuits_per_peer", config.circuits_per_peer)
        self._count += 1
        for peer in (initiator, target):
            self._per_peer[peer] += 1
        return None

    def close(self, initiator: PeerId, target: PeerId) -> None:
        """Forget a circuit that was counted."""
        self._count -= 1
        for peer in (initiator, target):
            self._per_peer[peer] -= 1
            if not self._per_peer[peer]:
                del self._per_peer[peer]
