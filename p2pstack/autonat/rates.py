"""How often peers may have a server dial: windows that slide, by named limits (AUTONAT1-03, AUTONAT2-04)."""

from __future__ import annotations

from collections import Counter, deque
from typing import NamedTuple, TypeVar

from p2pstack.autonat.config import RateConfig
from p2pstack.identity.peer_id import PeerId

__all__ = ["Rates"]

Key = TypeVar("Key")


class _Taken(NamedTuple):
    at: float
    peer: PeerId
    ip: str


class Rates:
    """Counts requests. What it keeps is bounded by ``total``: of those that it refuses it keeps nothing."""

    __slots__ = ("_config", "_log", "_of_ip", "_of_peer", "_running")

    def __init__(self, config: RateConfig) -> None:
        self._config = config
        self._log: deque[_Taken] = deque()
        self._of_peer: Counter[PeerId] = Counter()
        self._of_ip: Counter[str] = Counter()
        self._running: Counter[PeerId] = Counter()

    def accept(self, peer: PeerId, ip: str, now: float) -> str:
        """Count a request that comes from ``peer`` at ``ip``; "" if it may be served, else the limit that is met.

        A request that may be served is running until :meth:`complete`.
        """
        self._slide(now)
        refusal = self._refusal(peer, ip)
        if not refusal:
            self._log.append(_Taken(now, peer, ip))
            self._of_peer[peer] += 1
            self._of_ip[ip] += 1
            self._running[peer] += 1
        return refusal

    def complete(self, peer: PeerId) -> None:
        """Note that a request of ``peer`` has been served."""
        _subtract(self._running, peer)

    def _refusal(self, peer: PeerId, ip: str) -> str:
        config = self._config
        counts = {
            "concurrent": (self._running[peer], config.concurrent),
            "per_peer": (self._of_peer[peer], config.per_peer),
            "per_ip": (self._of_ip[ip], config.per_ip),
            "total": (len(self._log), config.total),
        }
        return next((name for name, (count, limit) in counts.items() if count >= limit), "")

    def _slide(self, now: float) -> None:
        while self._log and self._log[0].at <= now - self._config.window:
            taken = self._log.popleft()
            _subtract(self._of_peer, taken.peer)
            _subtract(self._of_ip, taken.ip)


def _subtract(counter: Counter[Key], key: Key) -> None:
    """Take one off, and leave no zero behind."""
    counter[key] -= 1
    if counter[key] <= 0:
        del counter[key]
