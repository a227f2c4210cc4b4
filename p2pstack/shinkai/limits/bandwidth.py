"""Bytes to a peer, a second, of which a share is for control and ACKs alone (SHK-51)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from enum import IntEnum

from p2pstack.shinkai.limits.buckets import TokenBucket
from p2pstack.shinkai.limits.config import BandwidthConfig

__all__ = ["Bandwidth", "Priority"]


class Priority(IntEnum):
    """What goes before what; the lower number first."""

    CONTROL = 0
    """Ping, pong, ACK, errors: short, and somebody waits for them."""

    NORMAL = 1
    """Messages of people."""

    BULK = 2
    """What may wait: files, offerings, messages that were queued long ago."""


class Bandwidth:
    """What each peer may still be sent, or send. A key stands for a peer."""

    def __init__(self, config: BandwidthConfig | None = None) -> None:
        self.config = config or BandwidthConfig()
        self._peers: OrderedDict[Hashable, tuple[TokenBucket, TokenBucket]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._peers)

    def take(self, peer: Hashable, size: int, priority: Priority, now: float) -> float:
        """Take ``size`` bytes of the peer's; return 0.0, or the seconds until that may be tried again.

        A message longer than the burst passes when the peer's bucket is full, and what follows waits for longer. What
        others owe never holds up control: it has a bucket of its own, and the others' when that is empty.
        """
        control, others = self._buckets(peer, now)
        if priority is not Priority.CONTROL:
            return 0.0 if others.take(size, now) else others.wait(size, now)
        if control.take(size, now) or others.take(size, now):
            return 0.0
        return min(control.wait(size, now), others.wait(size, now))

    def _buckets(self, peer: Hashable, now: float) -> tuple[TokenBucket, TokenBucket]:
        found = self._peers.pop(peer, None)
        if found is None:
            rate, burst, share = self.config.per_second, self.config.burst, self.config.control_share
            found = (
                TokenBucket(rate * share, burst * share, now),
                TokenBucket(rate * (1 - share), burst * (1 - share), now),
            )
        self._peers[peer] = found
        if len(self._peers) > self.config.max_peers:
            self._peers.popitem(last=False)
        return found
