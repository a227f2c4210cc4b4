"""What a relay of messages allows; the defaults are those of Shinkai's relayer where it has any (SHK-110)."""

from __future__ import annotations

from dataclasses import dataclass, field

from p2pstack.errors import ConfigError
from p2pstack.host.config import HostConfig, LimitsConfig, ManagerConfig
from p2pstack.relay.config import RelayConfig
from p2pstack.services.config import ServiceConfig
from p2pstack.shinkai.checks import require_positive
from p2pstack.shinkai.limits.config import BandwidthConfig
from p2pstack.shinkai.network.config import DirectConfig, FindingConfig

__all__ = ["RelayerConfig", "host_config"]


def host_config(max_connections: int = 2_048, per_ip: int = 64) -> HostConfig:
    """Return what a relay's host allows: so many connections, of which one address may have ``per_ip``.

    Many nodes share the address of their router, and all of them come back at once when the relay was restarted.
    """
    limits = LimitsConfig(
        connections=max_connections,
        inbound_connections=max_connections,
        connections_per_ip=per_ip,
        connection_rate_per_ip=2.0,
        connection_burst_per_ip=2 * per_ip,
    )
    high = max(1, max_connections * 3 // 4)
    return HostConfig(limits=limits, manager=ManagerConfig(low_water=max(1, high * 4 // 5), high_water=high))


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayerConfig:
    """Everything that a relay can be told beside names, keys and addresses. Times are seconds."""

    host: HostConfig = field(default_factory=host_config)
    """Connections; what identify tells is replaced. Registered peers are spared when there are too many."""

    services: ServiceConfig = field(default_factory=ServiceConfig)
    """identify and ping."""

    relay: RelayConfig = field(default_factory=RelayConfig.shinkai)
    """Reservations and circuits: the original's figures."""

    direct: DirectConfig = field(default_factory=lambda: DirectConfig(max_requests=4_096, max_memory=256 * 1024 * 1024))
    """Messages that are being handed on: how many at once, how long, how many bytes all together."""

    finding: FindingConfig = field(default_factory=FindingConfig)
    """The DHT, in which it answers its nodes and others, and mDNS (SHK-121)."""

    outgoing: BandwidthConfig = field(default_factory=BandwidthConfig)
    """Bytes to one peer, and what may wait for it."""

    incoming: BandwidthConfig = field(default_factory=BandwidthConfig)
    """Bytes of one peer; beyond, it is held back."""

    messages_per_second: float = 100.0
    """Messages a second of one peer, rubbish included; further ones are reset unread. Against floods ..."""

    message_burst: int = 1_000
    """... and after silence, at once: a node that was away delivers what has waited."""

    max_tracked: int = 4_096
    """Peers whose rate is remembered; the quietest is forgotten first."""

    max_named: int = 1_024
    """Nodes that are registered by their names."""

    max_local: int = 256
    """Nodes without a name of their own. Against strangers, to whom a further peer id costs nothing."""

    lookup_timeout: float = 10.0
    """For asking the directory whose key a name's is."""

    max_lookups: int = 16
    """Such questions at once; further ones wait. Each peer has at most one."""

    settle_timeout: float = 5.0
    """How long a message waits for its sender's registration, which begins when it has connected."""

    try_interval: float = 30.0
    """Between two attempts to register a peer, at least, as in the original; and how often those that are not
    registered are looked at again. Against peers that tell of a new name all the time."""

    recheck_interval: float = 600.0
    """After which the directory is asked again whether a registered name is still its peer's; the original's cache."""

    ping_interval: float = 10.0
    """Between two pings to each registered peer, as in the original ..."""

    ping_timeout: float = 10.0
    """... for an echo ..."""

    ping_failures: int = 3
    """... of which as many may stay away in a row before the peer is disconnected."""

    notice_queue: int = 4_096
    """Events that a slow listener may be behind before some are dropped for it."""

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        require_positive(
            self,
            "messages_per_second",
            "message_burst",
            "max_tracked",
            "max_named",
            "max_local",
            "lookup_timeout",
            "max_lookups",
            "settle_timeout",
            "try_interval",
            "recheck_interval",
            "ping_interval",
            "ping_timeout",
            "ping_failures",
            "notice_queue",
        )
        if self.settle_timeout >= self.direct.timeout:
            raise ConfigError("settle_timeout must be shorter than direct.timeout")
