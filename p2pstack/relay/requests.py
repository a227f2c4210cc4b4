"""How many hop streams wait for their request (GEN-04): a peer can hold few, and all peers together not too many."""

from __future__ import annotations

from collections import Counter

from p2pstack.errors import LimitExceeded
from p2pstack.identity.peer_id import PeerId
from p2pstack.relay.config import RelayConfig

__all__ = ["Requests"]


class Requests:
    """The requests that are under way to a relay."""

    __slots__ = ("_config", "_count", "_per_peer")

    def __init__(self, config: RelayConfig) -> None:
        self._config = config
        self._count = 0
        self._per_peer: Counter[PeerId] = Counter()

    def __len__(self) -> int:
        return self._count

    def begin(self, peer: PeerId) -> LimitExceeded | None:
        """Count a request; an error means that it is one too many, and was not counted."""
        config = self._config
        if self._count >= config.max_requests:
            return LimitExceeded("relay.max_requests", config.max_requests)
        if self._per_peer[peer] >= config.requests_per_peer:
            return LimitExceeded("relay.requests_per_peer", config.requests_per_peer)
        self._count += 1
        self._per_peer[peer] += 1
        return None

    def end(self, peer: PeerId) -> None:
        """Forget a request that was counted."""
        self._count -= 1
        self._per_peer[peer] -= 1
        if not self._per_peer[peer]:
            del self._per_peer[peer]
