"""How often peers and addresses may ask (RELAY-07): a token bucket for each, kept as one number."""

from __future__ import annotations

from collections import OrderedDict

from p2pstack.errors import LimitExceeded
from p2pstack.identity.peer_id import PeerId
from p2pstack.relay.config import Rate

__all__ = ["Rates", "RequestRates"]


class Rates:
    """The buckets of one rate, by ``key``; at most ``tracked`` of them are remembered.

    What is remembered of a key is when its whole burst will be available again; once that time has come, nothing is.
    """

    __slots__ = ("_full_at", "_tracked", "rate")

    def __init__(self, rate: Rate, tracked: int) -> None:
        self.rate = rate
        self._tracked = tracked
        self._full_at: OrderedDict[PeerId | str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._full_at)

    def allows(self, key: PeerId | str, now: float) -> bool:
        """Tell whether ``key`` may ask at ``now``."""
        return self._full_at.get(key, now) - now <= (self.rate.burst - 1) * self.rate.interval

    def take(self, key: PeerId | str, now: float) -> None:
        """Count a request of ``key`` at ``now``."""
        full_at = self._full_at
        full_at[key] = max(full_at.get(key, now), now) + self.rate.interval
        full_at.move_to_end(key)
        while len(full_at) > self._tracked or next(iter(full_at.values())) <= now:
            full_at.popitem(last=False)


class RequestRates:
    """The rates of one kind of request: that of each peer and that of each source; None is no rate.

    ``kind`` stands in the names of the limits: ``relay.KIND_rate_per_peer``, ``relay.KIND_rate_per_ip``.
    """

    __slots__ = ("_kind", "_per_ip", "_per_peer")

    def __init__(self, kind: str, per_peer: Rate | None, per_ip: Rate | None, tracked: int) -> None:
        self._kind = kind
        self._per_peer = Rates(per_peer, tracked) if per_peer is not None else None
        self._per_ip = Rates(per_ip, tracked) if per_ip is not None else None

    def admit(self, peer: PeerId, source: str, now: float) -> LimitExceeded | None:
        """Count a request; an error means that it comes too soon, and was not counted. A ``source`` of "" is exempt."""
        per_peer = self._per_peer
        per_ip = self._per_ip if source else None
        if per_peer is not None and not per_peer.allows(peer, now):
            return LimitExceeded(f"relay.{self._kind}_rate_per_peer", per_peer.rate.burst)
        if per_ip is not None and not per_ip.allows(source, now):
            return LimitExceeded(f"relay.{self._kind}_rate_per_ip", per_ip.rate.burst)
        if per_peer is not None:
            per_peer.take(peer, now)
        if per_ip is not None:
            per_ip.take(source, now)
        return None
