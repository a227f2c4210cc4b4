"""The configuration of a host: one frozen dataclass a layer, composed in :class:`HostConfig`."""

from __future__ import annotations

from dataclasses import dataclass, field

from p2pstack.aio.config import ShellConfig
from p2pstack.connection.config import ConnectionConfig
from p2pstack.errors import ConfigError

__all__ = ["DialConfig", "HostConfig", "LimitsConfig", "ManagerConfig", "PeerstoreConfig"]


def _require_positive(config: object, *names: str) -> None:
    for name in names:
        if not getattr(config, name) > 0:
            raise ConfigError(f"{name} must be positive")


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitsConfig:
    """How much of the host its peers may take, all together and each (GEN-05). ``Host.usage()`` shows it."""

    connections: int = 1_024
    """Connections, upgraded or not; further inbound ones are closed at once, further dials fail."""

    inbound_connections: int = 768
    """Those of them that others dialled, so that a flood leaves room for our own dials."""

    upgrading: int = 256
    """Inbound connections that are not upgraded yet. Against half-open ones."""

    connections_per_peer: int = 8
    """Connections of one peer, as in go."""

    connections_per_ip: int = 8
    """Inbound connections of one IPv4 address or IPv6 /64; loopback is exempt, as in go."""

    connection_rate_per_ip: float = 0.2
    """Inbound connections a second that one address may go on opening after its burst; loopback is exempt."""

    connection_burst_per_ip: int = 16
    """Inbound connections that one address may open at once."""

    tracked_ips: int = 4_096
    """Addresses whose rate is remembered; the one that was quiet longest is forgotten first."""

    inbound_streams: int = 8_192
    """Streams that peers hold open, on all connections together; further ones are reset with 0x1002."""

    streams_per_protocol: int = 256
    """Handlers of one protocol that run at once on one connection; further streams are reset."""

    window_memory: int = 128 * 1024 * 1024
    """Bytes by which the receive windows of all streams may grow together."""

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        _require_positive(
            self,
            "connections",
            "inbound_connections",
            "upgrading",
            "connections_per_peer",
            "connections_per_ip",
            "connection_rate_per_ip",
            "connection_burst_per_ip",
            "tracked_ips",
            "inbound_streams",
            "streams_per_protocol",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DialConfig:
    """How peers are dialled (TCP-04). Times are seconds."""

    timeout: float = 15.0
    """For a whole dial, all addresses together."""

    address_timeout: float = 5.0
    """For the TCP connection to one address."""

    stagger: float = 0.25
    """Between the starts of two attempts at public addresses, as in go."""

    private_stagger: float = 0.03
    """The same for private and loopback addresses."""

    relay_stagger: float = 0.5
    """Between the last start at a direct address and the first at one behind a relay, as in go."""

    max_addresses: int = 25
    """Addresses of a peer that one dial tries: a peer must not make us dial a list of its choice."""

    max_concurrent: int = 64
    """TCP connections being made at once, on the whole host: file descriptors."""

    backoff_base: float = 1.0
    """Time during which an address is left alone after its first failure ..."""

    backoff_factor: float = 1.0
    """... which grows by this, times the square of the number of failures since ..."""

    backoff_max: float = 300.0
    """... up to this."""

    max_backoffs: int = 4_096
    """Addresses whose failures are remembered."""

    dns_timeout: float = 5.0
    """For one name."""

    dns_depth: int = 8
    """dnsaddr entries that lead to further ones, one behind the other; beyond, they are dropped."""

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        _require_positive(
            self, "timeout", "address_timeout", "max_addresses", "max_concurrent", "max_backoffs", "dns_timeout"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerConfig:
    """When connections are closed because there are many."""

    low_water: int = 320
    """Down to how many connections are closed ..."""

    high_water: int = 400
    """... once there are more than this."""

    grace: float = 20.0
    """Seconds for which a new connection is spared."""

    silence: float = 10.0
    """Seconds between two such rounds."""

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        if not 0 < self.low_water <= self.high_water:
            raise ConfigError("low_water must be from 1 to high_water")
        _require_positive(self, "grace", "silence")


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerstoreConfig:
    """How much is remembered of peers."""

    max_peers: int = 10_000
    """Peers; the one that was not used longest is forgotten first, but none that is connected."""

    max_addresses: int = 100
    """Addresses of a peer; the ones that expire first go first."""

    address_ttl: float = 3_600.0
    """Seconds for which an address that a peer told of itself is kept after the connection."""

    max_protocols: int = 1_024
    """Protocols of a peer; the rest of a longer list is dropped, as in go."""

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        _require_positive(self, "max_peers", "max_addresses", "address_ttl", "max_protocols")


@dataclass(frozen=True, slots=True, kw_only=True)
class HostConfig:
    """Everything that a host can be told beside its key and its addresses."""

    connection: ConnectionConfig = field(default_factory=ConnectionConfig)
    """Negotiation, handshake, multiplexer."""

    shell: ShellConfig = field(default_factory=ShellConfig)
    """Timeouts and buffering of connections; spinning."""

    limits: LimitsConfig = field(default_factory=LimitsConfig)
    """Resource limits."""

    dial: DialConfig = field(default_factory=DialConfig)
    """Dialling."""

    manager: ManagerConfig = field(default_factory=ManagerConfig)
    """Closing of connections that are too many."""

    peerstore: PeerstoreConfig = field(default_factory=PeerstoreConfig)
    """Memory of peers."""

    agent_version: str = "p2pstack/0.1.0"
    """What identify tells about the program."""

    protocol_version: str = "ipfs/0.1.0"
    """What identify tells about the network; never compared."""

    close_timeout: float = 5.0
    """Seconds that closing the host may take before what is left is cut off."""

    event_queue: int = 1_024
    """Events that a slow listener may be behind before some are dropped for it."""

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        _require_positive(self, "close_timeout", "event_queue")
