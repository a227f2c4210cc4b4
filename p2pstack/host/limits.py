"""Counting what peers take, against named limits (GEN-05, specs/general.md)."""

from __future__ import annotations

import ipaddress
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache

from p2pstack.errors import LimitExceeded
from p2pstack.host.config import LimitsConfig
from p2pstack.yamux.window import Budget

__all__ = ["Limits", "Usage"]


@dataclass(frozen=True, slots=True)
class Usage:
    """How much of a limit is taken."""

    current: int
    limit: int


class Limits:
    """What is in use now. Every ``admit`` that returns None is to be undone by the matching ``release``."""

    def __init__(self, config: LimitsConfig) -> None:
        self.config = config
        self.inbound_streams = Budget(config.inbound_streams)
        self.windows = Budget(config.window_memory)
        self._inbound = 0
        self._outbound = 0
        self._upgrading = 0
        self._per_ip: Counter[str] = Counter()
        self._buckets: dict[str, tuple[float, float]] = {}

    def admit_inbound(self, host: str, now: float) -> LimitExceeded | None:
        """Count an inbound connection from IP address ``host``; an error means it was refused and not counted."""
        config = self.config
        if self._inbound + self._outbound >= config.connections:
            return LimitExceeded("connections", config.connections)
        if self._inbound >= config.inbound_connections:
            return LimitExceeded("inbound_connections", config.inbound_connections)
        if self._upgrading >= config.upgrading:
            return LimitExceeded("upgrading", config.upgrading)
        group = _group(host)
        if group:
            if self._per_ip[group] >= config.connections_per_ip:
                return LimitExceeded("connections_per_ip", config.connections_per_ip)
            if not self._take_token(group, now):
                return LimitExceeded("connection_rate_per_ip", config.connection_rate_per_ip)
            self._per_ip[group] += 1
        self._inbound += 1
        self._upgrading += 1
        return None

    def admit_outbound(self) -> LimitExceeded | None:
        """Count an outbound connection; an error means it was refused and not counted."""
        if self._inbound + self._outbound >= self.config.connections:
            return LimitExceeded("connections", self.config.connections)
        self._outbound += 1
        return None

    def upgraded(self) -> None:
        """An inbound connection is no longer half-open."""
        self._upgrading -= 1

    def release_inbound(self, host: str, *, upgraded: bool) -> None:
        """Forget an inbound connection that had been admitted."""
        self._inbound -= 1
        if not upgraded:
            self._upgrading -= 1
        group = _group(host)
        if group:
            self._per_ip[group] -= 1
            if self._per_ip[group] <= 0:
                del self._per_ip[group]

    def release_outbound(self) -> None:
        """Forget an outbound connection that had been admitted."""
        self._outbound -= 1

    def usage(self) -> dict[str, Usage]:
        """Return, by name, what is taken of each limit that counts the whole host."""
        config = self.config
        return {
            "connections": Usage(self._inbound + self._outbound, config.connections),
            "inbound_connections": Usage(self._inbound, config.inbound_connections),
            "upgrading": Usage(self._upgrading, config.upgrading),
            "connections_per_ip": Usage(max(self._per_ip.values(), default=0), config.connections_per_ip),
            "inbound_streams": Usage(self.inbound_streams.granted, config.inbound_streams),
            "window_memory": Usage(self.windows.granted, config.window_memory),
        }

    def _take_token(self, group: str, now: float) -> bool:
        """Take one connection from the group's bucket, which fills again over time."""
        burst = float(self.config.connection_burst_per_ip)
        tokens, since = self._buckets.pop(group, (burst, now))
        tokens = min(burst, tokens + (now - since) * self.config.connection_rate_per_ip)
        allowed = tokens >= 1.0
        self._buckets[group] = (tokens - 1.0 if allowed else tokens, now)
        if len(self._buckets) > self.config.tracked_ips:
            del self._buckets[next(iter(self._buckets))]
        return allowed


@lru_cache(maxsize=4_096)
def _group(host: str) -> str:
    """Return what is counted as one source: an IPv4 address or an IPv6 /64; "" for loopback, which is exempt."""
    try:
        address = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if address.is_loopback:
        return ""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return _group(str(address.ipv4_mapped))
        return str(ipaddress.IPv6Network((address, 64), strict=False))
    return str(address)
