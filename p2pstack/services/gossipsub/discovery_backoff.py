"""Leaving peers alone that discovery has dialled, whatever came of it (specs/gossipsub.md)."""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.identity.peer_id import PeerId
from p2pstack.services.gossipsub.discovery_config import TopicDiscoveryConfig

__all__ = ["DialBackoff"]


@dataclass(slots=True)
class _Dialled:
    failures: int
    until: float


class DialBackoff:
    """When each peer may be dialled again. The clock is the caller's."""

    __slots__ = ("_config", "_dialled")

    def __init__(self, config: TopicDiscoveryConfig) -> None:
        self._config = config
        self._dialled: dict[PeerId, _Dialled] = {}

    def __len__(self) -> int:
        return len(self._dialled)

    def may_dial(self, peer: PeerId, now: float) -> bool:
        """Tell whether ``peer`` may be dialled at ``now``."""
        dialled = self._dialled.get(peer)
        return dialled is None or dialled.until <= now

    def dialled(self, peer: PeerId, chance: float, now: float) -> None:
        """Count a dial, as one that fails until :meth:`succeeded` is called; ``chance`` is random, from 0 to 1."""
        config = self._config
        known = self._dialled.pop(peer, None)
        failures = known.failures if known is not None else 0
        longest = min(config.backoff_max, config.backoff_base * config.backoff_factor ** min(failures, 64))
        pause = config.backoff_base + (longest - config.backoff_base) * chance
        self._dialled[peer] = _Dialled(failures + 1, now + pause)
        if len(self._dialled) > config.max_backoffs:
            del self._dialled[next(iter(self._dialled))]

    def succeeded(self, peer: PeerId) -> None:
        """Forget the failures of ``peer``; it is left alone for as long as it was to be."""
        dialled = self._dialled.get(peer)
        if dialled is not None:
            dialled.failures = 0
