"""How often peers may have us dial what they say: each of them, and all together (DCUTR-05). Pure."""

from __future__ import annotations

from p2pstack.dcutr.config import DcutrConfig
from p2pstack.errors import LimitExceeded
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.pace import Pace

__all__ = ["Rates"]


class Rates:
    """Counts dials by peer. Peer ids cost nothing, so the count of all together is what protects others."""

    def __init__(self, config: DcutrConfig) -> None:
        self._config = config
        self._all = Pace(config.burst, config.interval)
        self._peers: dict[PeerId, Pace] = {}

    def __len__(self) -> int:
        return len(self._peers)

    def take(self, peer: PeerId, now: float) -> None:
        """Count a dial on behalf of ``peer``.

        Raises:
            LimitExceeded: it would be one too many, and does not count.
        """
        config = self._config
        pace = self._peers.pop(peer, None) or Pace(config.peer_burst, config.peer_interval)
        self._peers[peer] = pace
        if len(self._peers) > config.max_remembered:
            del self._peers[next(iter(self._peers))]
        if pace.delay(now) > 0:
            raise LimitExceeded("dcutr.peer_burst", config.peer_burst)
        if not self._all.allow(now):
            raise LimitExceeded("dcutr.burst", config.burst)
        pace.take(now)
