"""Connections of one address, a second and at the same time, as the original's listener counted them (SHK-50).

One source is an IPv4 address or the /64 network of an IPv6 address: who has the former has one, who has the latter has
2**64.
"""

from __future__ import annotations

import ipaddress
from collections import Counter, OrderedDict

from p2pstack.errors import LimitExceeded
from p2pstack.shinkai.limits.buckets import TokenBucket
from p2pstack.shinkai.limits.config import ConnectionRateConfig

__all__ = ["ConnectionRate", "source_of"]


def source_of(host: str) -> str:
    """Return what ``host`` is counted as; ``loopback`` for this machine, a text that is no address as it stands."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return source_of(str(address.ipv4_mapped))
        if not address.is_loopback:
            return str(ipaddress.IPv6Network((address, 64), strict=False))
    return "loopback" if address.is_loopback else str(address)


class ConnectionRate:
    """What addresses have open, and how quickly they open more."""

    def __init__(self, config: ConnectionRateConfig | None = None) -> None:
        self.config = config or ConnectionRateConfig()
        self._open: Counter[str] = Counter()
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    @property
    def tracked(self) -> int:
        """Sources whose rate is remembered."""
        return len(self._buckets)

    def open(self, host: str) -> int:
        """Return how many connections the source of ``host`` has open; this machine's own count if they are limited."""
        return self._open[source_of(host)]

    def admit(self, host: str, now: float) -> LimitExceeded | None:
        """Count a connection from ``host``; an error means that it is refused, and was not counted.

        The error names ``concurrent_per_ip`` or ``connections_per_second``. What was admitted is to be released.
        """
        source = source_of(host)
        if source == "loopback" and self.config.exempt_loopback:
            return None
        if self._open[source] >= self.config.concurrent:
            return LimitExceeded("concurrent_per_ip", self.config.concurrent)
        bucket = self._buckets.pop(source, None)
        if bucket is None:
            bucket = TokenBucket(self.config.per_second, self.config.burst, now)
        self._buckets[source] = bucket
        if len(self._buckets) > self.config.max_tracked:
            self._buckets.popitem(last=False)
        if not bucket.take(1, now):
            if not self._open[source]:
                del self._open[source]
            return LimitExceeded("connections_per_second", self.config.per_second)
        self._open[source] += 1
        return None

    def release(self, host: str) -> None:
        """Forget a connection that had been admitted."""
        source = source_of(host)
        if self._open[source] > 1:
            self._open[source] -= 1
        else:
            del self._open[source]
