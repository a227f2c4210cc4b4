"""The limits of a manager and of a message handler, each with what it is for (specs/shinkai.md)."""

from __future__ import annotations

from dataclasses import dataclass, field

from p2pstack.errors import ConfigError
from p2pstack.host.config import HostConfig
from p2pstack.kad.config import KadConfig
from p2pstack.services.bootstrap import BootstrapConfig
from p2pstack.services.config import ServiceConfig
from p2pstack.services.gossipsub.config import PubsubConfig
from p2pstack.services.peers.config import PeersConfig
from p2pstack.shinkai import json_form
from p2pstack.shinkai.checks import require_positive
from p2pstack.shinkai.limits.config import BandwidthConfig
from p2pstack.shinkai.network.profiles import seed_pubsub

__all__ = [
    "DirectConfig",
    "FindingConfig",
    "GossipConfig",
    "HandlerConfig",
    "LinkConfig",
    "ManagerConfig",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerConfig:
    """What is taken of peers. Times are seconds."""

    check_time: bool = True
    """Whether the time in a message counts (SHK-74). Against a recorded message that is sent again after its key was
    forgotten."""

    max_ahead: float = 600.0
    """How far ahead of ours a sender's clock may be."""

    messages_per_second: float = 2_000.0
    """Messages a second of one peer, duplicates and rubbish included. Against floods ..."""

    message_burst: int = 4_000
    """... and after silence, at once."""

    max_tracked: int = 4_096
    """Peers whose rate is remembered; the quietest is forgotten first."""

    echo_window: float = 2.0
    """In which copies of a message are taken for the same sending: seed nodes publish each in two topics, head nodes
    send some three times. What comes later is a sender that has missed the acknowledgement (SHK-75)."""

    max_echoes: int = 16_384
    """Messages that are known as such."""

    max_responses: int = 2_048
    """Requests that wait for their answers, of all peers; further ones are taken, and get none."""

    max_mappings: int = 4_096
    """Peers whose socket address was told by :meth:`add_peer_mapping`; the one told longest ago is forgotten."""

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        require_positive(
            self,
            "max_ahead",
            "messages_per_second",
            "message_burst",
            "max_tracked",
            "echo_window",
            "max_echoes",
            "max_responses",
            "max_mappings",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectConfig:
    """Requests and answers (SHK-71). Sizes are bytes, times seconds."""

    timeout: float = 30.0
    """For a request with its answer, dial and turn included, either way; as in the original. Against peers that send
    a byte now and then, and such that never end."""

    max_request: int = json_form.MAX_SIZE
    """Of a request; as in the original."""

    max_response: int = 10 * 1024 * 1024
    """Of an answer; as in the original."""

    max_streams: int = 100
    """Requests that one connection, and one peer, may have under way at once; as in the original."""

    max_requests: int = 1_024
    """Requests of all peers that are under way at once; further ones are reset."""

    max_memory: int = 64 * 1024 * 1024
    """Bytes of requests and answers of all peers that are being read or stored; beyond, who wants more is reset."""

    max_outbound: int = 32
    """Requests to one peer under way at once; further ones wait for their turn, the more important ones first."""

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        require_positive(
            self,
            "timeout",
            "max_request",
            "max_response",
            "max_streams",
            "max_requests",
            "max_memory",
            "max_outbound",
        )
        if self.max_memory < self.max_request:
            raise ConfigError("max_memory must hold the longest request")


@dataclass(frozen=True, slots=True, kw_only=True)
class GossipConfig:
    """Topics and discovery messages (SHK-72). Times are seconds."""

    pubsub: PubsubConfig = field(default_factory=seed_pubsub)
    """The mesh, and what an RPC may hold."""

    publish_timeout: float = 5.0
    """How long a message waits for somebody to publish it to."""

    discovery_interval: float = 10.0
    """Between two messages that announce us; as in the original."""

    join_interval: float = 1.0
    """Between two that say that we met somebody, at least. Against peers that come and go."""

    max_waiting: int = 1_024
    """Messages of a topic that wait to be read; beyond, the oldest is dropped and counted ..."""

    max_waiting_bytes: int = 16 * 1024 * 1024
    """... and their bytes."""

    max_discovery: int = 1_024
    """Bytes of the longest discovery message that is looked at."""

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        require_positive(
            self,
            "publish_timeout",
            "discovery_interval",
            "join_interval",
            "max_waiting",
            "max_waiting_bytes",
            "max_discovery",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class LinkConfig:
    """The connection to the relay, which is kept (SHK-76). Times are seconds."""

    base: float = 2.0
    """Between the first failure and the next dial; twice as long each time ..."""

    cap: float = 30.0
    """... up to this; as in the original ..."""

    jitter: float = 1.0
    """... and up to so much longer, by chance: nodes that have lost the same relay don't come back together."""

    stable: float = 10.0
    """A connection that has lived this long begins anew with the shortest wait. The original always does: a peer that
    accepts and drops would be dialled every 2 s."""

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        require_positive(self, "base", "cap", "stable")
        if self.jitter < 0:
            raise ConfigError("jitter must not be negative")


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingConfig:
    """How nodes are found whose address is not known (SHK-120 to SHK-122)."""

    dht: bool = True
    """Take part in the DHT."""

    protocol: str = "/shinkai/kad/1.0.0"
    """The name of the DHT. Nodes meet those alone that have the same one; the public network has another."""

    kad: KadConfig = field(default_factory=KadConfig)
    """Its numbers."""

    patience: float = 3.0
    """Seconds after which the DHT is asked for a node though not all of its known addresses have failed. Against stale
    ones at which somebody listens who never answers."""

    mdns: bool = False
    """Find nodes on the local network, and be found there. It tells everybody there that a node is running."""

    interfaces: tuple[str, ...] | None = None
    """Where, by names of interfaces. None: on all."""

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        require_positive(self, "patience")
        if not self.protocol.startswith("/"):
            raise ConfigError(f"{self.protocol!r} is no protocol: it begins with a slash")


@dataclass(frozen=True, slots=True, kw_only=True)
class ManagerConfig:
    """Everything that a manager can be told beside names, keys and addresses. Times are seconds."""

    host: HostConfig = field(default_factory=HostConfig)
    """Connections; what identify tells is replaced by the profile's."""

    services: ServiceConfig = field(default_factory=ServiceConfig)
    """identify and ping."""

    direct: DirectConfig = field(default_factory=DirectConfig)
    """Requests."""

    gossip: GossipConfig = field(default_factory=GossipConfig)
    """Topics."""

    links: LinkConfig = field(default_factory=LinkConfig)
    """The relay."""

    bootstrap: BootstrapConfig = field(
        default_factory=lambda: BootstrapConfig(wanted=8, backoff_base=2.0, backoff_max=30.0)
    )
    """Bootstrap peers: so many are kept connected, and dialled again like the relay (SHK-124)."""

    known_peers: PeersConfig = field(
        default_factory=lambda: PeersConfig(wanted=32, dial_parallel=8, write_interval=1.0)
    )
    """Memory of peers (SHK-77). A node stays connected to more of them than other hosts do: who is connected is sent
    what waits for it, and sends what waits for us. Its file is written to all the time anyway."""

    finding: FindingConfig = field(default_factory=FindingConfig)
    """DHT and mDNS."""

    outgoing: BandwidthConfig = field(default_factory=BandwidthConfig)
    """Bytes to one peer, and what may wait for it."""

    incoming: BandwidthConfig = field(default_factory=BandwidthConfig)
    """Bytes of one peer: requests beyond it wait, gossip is dropped."""

    max_events: int = 1_024
    """Events in the channel; beyond, a sender waits."""

    event_timeout: float = 5.0
    """How long a sender waits for room in the channel."""

    max_running: int = 256
    """Events that are worked on at once: one that waits for its peer holds up nobody else."""

    notice_queue: int = 4_096
    """Notices that a slow listener may be behind before some are dropped for it."""

    max_identities: int = 1_024
    """Names of nodes that peers have told of themselves; the one told longest ago is forgotten."""

    identify_timeout: float = 5.0
    """How long :class:`PeerUp` waits for a peer to tell who it is."""

    def __post_init__(self) -> None:
        """Refuse values that can't work."""
        require_positive(
            self,
            "max_events",
            "event_timeout",
            "max_running",
            "notice_queue",
            "max_identities",
            "identify_timeout",
        )
