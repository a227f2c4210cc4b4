"""Closing connections when there are too many: the idlest first, none that is new or protected."""

from __future__ import annotations

from collections.abc import Iterable

from p2pstack.aio.connection import Connection
from p2pstack.host.config import ManagerConfig
from p2pstack.identity.peer_id import PeerId

__all__ = ["ConnectionManager"]


class ConnectionManager:
    """Decides which connections go. A peer is protected as long as it has at least one tag."""

    def __init__(self, config: ManagerConfig) -> None:
        self._config = config
        self._tags: dict[PeerId, set[str]] = {}
        self._quiet_until = 0.0

    def protect(self, peer: PeerId, tag: str) -> None:
        """Never close connections to ``peer`` for their number; ``tag`` tells who wants so."""
        self._tags.setdefault(peer, set()).add(tag)

    def unprotect(self, peer: PeerId, tag: str) -> bool:
        """Take back ``tag``; whether the peer is still protected by others."""
        tags = self._tags.get(peer, set())
        tags.discard(tag)
        if not tags:
            self._tags.pop(peer, None)
        return bool(tags)

    def is_protected(self, peer: PeerId) -> bool:
        """Whether ``peer`` has a tag."""
        return peer in self._tags

    def is_due(self, count: int, now: float) -> bool:
        """Whether ``count`` connections are too many, and the last round is long enough ago."""
        return count > self._config.high_water and now >= self._quiet_until

    def surplus(self, connections: Iterable[Connection], now: float) -> list[Connection]:
        """Return the connections to close now: none up to the high water mark, else as many as reach the low one.

        Spared are protected peers and connections younger than the grace. Those with the fewest streams go first, and
        among them those that were silent longest.
        """
        config = self._config
        every = list(connections)
        if not self.is_due(len(every), now):
            return []
        self._quiet_until = now + config.silence
        candidates = [
            connection
            for connection in every
            if now - connection.opened_at >= config.grace and not self.is_protected(connection.peer_id)
        ]
        candidates.sort(key=lambda connection: (len(connection.streams), connection.last_received))
        return candidates[: len(every) - config.low_water]
