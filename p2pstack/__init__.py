"""libp2p for Python. Everything that programs need as a rule is here; each layer can be used on its own as well.

The names of pubsub, NAT traversal and discovery are loaded when they are first used, so that programs without start
faster.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from p2pstack.aio.config import ShellConfig
from p2pstack.aio.connection import Connection
from p2pstack.aio.stream import Stream
from p2pstack.connection.config import ConnectionConfig
from p2pstack.errors import (
    ConfigError,
    ConnectionClosed,
    DeadlineExceeded,
    DecodeError,
    DialError,
    GatedError,
    HandshakeError,
    HolePunchError,
    HostClosed,
    LimitExceeded,
    LocalError,
    NegotiationError,
    NoiseError,
    P2PError,
    PeerIdMismatch,
    ProtocolNotSupported,
    ProtocolViolation,
    RelayedOnly,
    RemoteError,
    StreamClosed,
    StreamEOF,
    StreamError,
    StreamReset,
    StreamTimeout,
    Truncated,
    YamuxError,
)
from p2pstack.host.config import DialConfig, HostConfig, LimitsConfig, ManagerConfig, PeerstoreConfig
from p2pstack.host.events import (
    AddressesChanged,
    ConnectionEnded,
    ConnectionOpened,
    DialFailed,
    Event,
    PeerConnected,
    PeerDisconnected,
    ProtocolsChanged,
)
from p2pstack.host.gate import ConnectionGate
from p2pstack.host.limits import Usage
from p2pstack.identity.keys import KeyType, PrivateKey, PublicKey
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.names import key_from_node_name, key_from_secret
from p2pstack.identity.peer_id import PeerId
from p2pstack.multistream.config import MultistreamConfig
from p2pstack.noise.config import NoiseConfig
from p2pstack.services.config import IdentifyConfig, PingConfig, ServiceConfig
from p2pstack.services.echo import serve_echo
from p2pstack.services.events import IdentifyFailed, PeerIdentified, PeerInfo
from p2pstack.services.perf import serve_perf
from p2pstack.services.standard import Host
from p2pstack.yamux.config import YamuxConfig

if TYPE_CHECKING:
    from p2pstack.autonat.reachability import Reachability
    from p2pstack.gossipsub.config import GossipsubConfig
    from p2pstack.gossipsub.gater import GaterConfig
    from p2pstack.gossipsub.incoming import Incoming
    from p2pstack.gossipsub.score.config import ScoreConfig, TopicScoreConfig
    from p2pstack.gossipsub.signing import SigningPolicy
    from p2pstack.kad.config import KadConfig
    from p2pstack.mdns.config import MdnsConfig
    from p2pstack.relay.config import RelayConfig
    from p2pstack.rendezvous.config import RendezvousConfig
    from p2pstack.rendezvous.view import RegisteredPeer
    from p2pstack.services.autonat.client import AutonatClient
    from p2pstack.services.autonat.events import ReachabilityChanged
    from p2pstack.services.autonat.server import AutonatServer
    from p2pstack.services.bootstrap import Bootstrap, BootstrapConfig, BootstrapConnected, BootstrapFailed
    from p2pstack.services.dcutr.events import HolePunched, HolePunchFailed
    from p2pstack.services.dcutr.service import HolePunching
    from p2pstack.services.gossipsub.config import PubsubConfig
    from p2pstack.services.gossipsub.discovery import TopicDiscovery
    from p2pstack.services.gossipsub.discovery_config import TopicDiscoveryConfig
    from p2pstack.services.gossipsub.discovery_sources import DhtSource, RendezvousSource, TopicPeer, TopicSource
    from p2pstack.services.gossipsub.events import (
        MessagesDropped,
        PeerGrafted,
        PeerJoinedTopic,
        PeerLeftTopic,
        PeerPruned,
    )
    from p2pstack.services.gossipsub.publishing import NotEnoughPeers, PublishResult
    from p2pstack.services.gossipsub.service import Gossipsub
    from p2pstack.services.gossipsub.subscription import Subscription
    from p2pstack.services.gossipsub.validation import Verdict
    from p2pstack.services.kad.config import KademliaConfig
    from p2pstack.services.kad.service import Kademlia
    from p2pstack.services.kad.sqlite_config import SqliteStoreConfig
    from p2pstack.services.kad.sqlite_store import SqliteStore
    from p2pstack.services.mdns.events import MdnsPeerExpired, MdnsPeerFound
    from p2pstack.services.mdns.service import Mdns
    from p2pstack.services.nat import NatTraversal
    from p2pstack.services.peers.config import PeersConfig
    from p2pstack.services.peers.events import PeerForgotten, PeersLoaded, PeersUnavailable
    from p2pstack.services.peers.service import PersistentPeers
    from p2pstack.services.port_mapping.config import PortMappingConfig
    from p2pstack.services.port_mapping.events import PortMapped, PortMappingFailed
    from p2pstack.services.port_mapping.gateway import PortMappingError
    from p2pstack.services.port_mapping.service import PortMapping
    from p2pstack.services.relay.auto import AutoRelay
    from p2pstack.services.relay.client import RelayClient
    from p2pstack.services.relay.client_events import ReservationGained, ReservationLost
    from p2pstack.services.relay.server import RelayServer
    from p2pstack.services.relay.server_events import CircuitClosed, CircuitOpened, ReservationEnded, ReservationMade
    from p2pstack.services.rendezvous.client import RendezvousClient
    from p2pstack.services.rendezvous.client_config import RendezvousClientConfig
    from p2pstack.services.rendezvous.errors import RendezvousRefused
    from p2pstack.services.rendezvous.events import (
        NamespaceJoined,
        NamespaceLost,
        PeerRegistered,
        PeersDiscovered,
        PeerUnregistered,
    )
    from p2pstack.services.rendezvous.server import RendezvousServer

__version__ = "0.1.0"

__all__ = [
    "AddressesChanged",
    "AutoRelay",
    "AutonatClient",
    "AutonatServer",
    "Bootstrap",
    "BootstrapConfig",
    "BootstrapConnected",
    "BootstrapFailed",
    "CircuitClosed",
    "CircuitOpened",
    "ConfigError",
    "Connection",
    "ConnectionClosed",
    "ConnectionConfig",
    "ConnectionEnded",
    "ConnectionGate",
    "ConnectionOpened",
    "DeadlineExceeded",
    "DecodeError",
    "DhtSource",
    "DialConfig",
    "DialError",
    "DialFailed",
    "Event",
    "GatedError",
    "GaterConfig",
    "Gossipsub",
    "GossipsubConfig",
    "HandshakeError",
    "HolePunchError",
    "HolePunchFailed",
    "HolePunched",
    "HolePunching",
    "Host",
    "HostClosed",
    "HostConfig",
    "IdentifyConfig",
    "IdentifyFailed",
    "Incoming",
    "KadConfig",
    "Kademlia",
    "KademliaConfig",
    "KeyType",
    "LimitExceeded",
    "LimitsConfig",
    "LocalError",
    "ManagerConfig",
    "Mdns",
    "MdnsConfig",
    "MdnsPeerExpired",
    "MdnsPeerFound",
    "MessagesDropped",
    "Multiaddr",
    "MultistreamConfig",
    "NamespaceJoined",
    "NamespaceLost",
    "NatTraversal",
    "NegotiationError",
    "NoiseConfig",
    "NoiseError",
    "NotEnoughPeers",
    "P2PError",
    "PeerConnected",
    "PeerDisconnected",
    "PeerForgotten",
    "PeerGrafted",
    "PeerId",
    "PeerIdMismatch",
    "PeerIdentified",
    "PeerInfo",
    "PeerJoinedTopic",
    "PeerLeftTopic",
    "PeerPruned",
    "PeerRegistered",
    "PeerUnregistered",
    "PeersConfig",
    "PeersDiscovered",
    "PeersLoaded",
    "PeersUnavailable",
    "PeerstoreConfig",
    "PersistentPeers",
    "PingConfig",
    "PortMapped",
    "PortMapping",
    "PortMappingConfig",
    "PortMappingError",
    "PortMappingFailed",
    "PrivateKey",
    "ProtocolNotSupported",
    "ProtocolViolation",
    "ProtocolsChanged",
    "PublicKey",
    "PublishResult",
    "PubsubConfig",
    "Reachability",
    "ReachabilityChanged",
    "RegisteredPeer",
    "RelayClient",
    "RelayConfig",
    "RelayServer",
    "RelayedOnly",
    "RemoteError",
    "RendezvousClient",
    "RendezvousClientConfig",
    "RendezvousConfig",
    "RendezvousRefused",
    "RendezvousServer",
    "RendezvousSource",
    "ReservationEnded",
    "ReservationGained",
    "ReservationLost",
    "ReservationMade",
    "ScoreConfig",
    "ServiceConfig",
    "ShellConfig",
    "SigningPolicy",
    "SqliteStore",
    "SqliteStoreConfig",
    "Stream",
    "StreamClosed",
    "StreamEOF",
    "StreamError",
    "StreamReset",
    "StreamTimeout",
    "Subscription",
    "TopicDiscovery",
    "TopicDiscoveryConfig",
    "TopicPeer",
    "TopicScoreConfig",
    "TopicSource",
    "Truncated",
    "Usage",
    "Verdict",
    "YamuxConfig",
    "YamuxError",
    "__version__",
    "key_from_node_name",
    "key_from_secret",
    "serve_echo",
    "serve_perf",
]

_LOADED_LATER = {
    "AutoRelay": "p2pstack.services.relay.auto",
    "AutonatClient": "p2pstack.services.autonat.client",
    "AutonatServer": "p2pstack.services.autonat.server",
    "Bootstrap": "p2pstack.services.bootstrap",
    "BootstrapConfig": "p2pstack.services.bootstrap",
    "BootstrapConnected": "p2pstack.services.bootstrap",
    "BootstrapFailed": "p2pstack.services.bootstrap",
    "CircuitClosed": "p2pstack.services.relay.server_events",
    "CircuitOpened": "p2pstack.services.relay.server_events",
    "DhtSource": "p2pstack.services.gossipsub.discovery_sources",
    "GaterConfig": "p2pstack.gossipsub.gater",
    "Gossipsub": "p2pstack.services.gossipsub.service",
    "GossipsubConfig": "p2pstack.gossipsub.config",
    "HolePunchFailed": "p2pstack.services.dcutr.events",
    "HolePunched": "p2pstack.services.dcutr.events",
    "HolePunching": "p2pstack.services.dcutr.service",
    "Incoming": "p2pstack.gossipsub.incoming",
    "KadConfig": "p2pstack.kad.config",
    "Kademlia": "p2pstack.services.kad.service",
    "KademliaConfig": "p2pstack.services.kad.config",
    "Mdns": "p2pstack.services.mdns.service",
    "MdnsConfig": "p2pstack.mdns.config",
    "MdnsPeerExpired": "p2pstack.services.mdns.events",
    "MdnsPeerFound": "p2pstack.services.mdns.events",
    "MessagesDropped": "p2pstack.services.gossipsub.events",
    "NamespaceJoined": "p2pstack.services.rendezvous.events",
    "NamespaceLost": "p2pstack.services.rendezvous.events",
    "NatTraversal": "p2pstack.services.nat",
    "NotEnoughPeers": "p2pstack.services.gossipsub.publishing",
    "PeerForgotten": "p2pstack.services.peers.events",
    "PeerGrafted": "p2pstack.services.gossipsub.events",
    "PeerJoinedTopic": "p2pstack.services.gossipsub.events",
    "PeerLeftTopic": "p2pstack.services.gossipsub.events",
    "PeerPruned": "p2pstack.services.gossipsub.events",
    "PeerRegistered": "p2pstack.services.rendezvous.events",
    "PeerUnregistered": "p2pstack.services.rendezvous.events",
    "PeersConfig": "p2pstack.services.peers.config",
    "PeersDiscovered": "p2pstack.services.rendezvous.events",
    "PeersLoaded": "p2pstack.services.peers.events",
    "PeersUnavailable": "p2pstack.services.peers.events",
    "PersistentPeers": "p2pstack.services.peers.service",
    "PortMapped": "p2pstack.services.port_mapping.events",
    "PortMapping": "p2pstack.services.port_mapping.service",
    "PortMappingConfig": "p2pstack.services.port_mapping.config",
    "PortMappingError": "p2pstack.services.port_mapping.gateway",
    "PortMappingFailed": "p2pstack.services.port_mapping.events",
    "PublishResult": "p2pstack.services.gossipsub.publishing",
    "PubsubConfig": "p2pstack.services.gossipsub.config",
    "Reachability": "p2pstack.autonat.reachability",
    "ReachabilityChanged": "p2pstack.services.autonat.events",
    "RegisteredPeer": "p2pstack.rendezvous.view",
    "RelayClient": "p2pstack.services.relay.client",
    "RelayConfig": "p2pstack.relay.config",
    "RelayServer": "p2pstack.services.relay.server",
    "RendezvousClient": "p2pstack.services.rendezvous.client",
    "RendezvousClientConfig": "p2pstack.services.rendezvous.client_config",
    "RendezvousConfig": "p2pstack.rendezvous.config",
    "RendezvousRefused": "p2pstack.services.rendezvous.errors",
    "RendezvousServer": "p2pstack.services.rendezvous.server",
    "RendezvousSource": "p2pstack.services.gossipsub.discovery_sources",
    "ReservationEnded": "p2pstack.services.relay.server_events",
    "ReservationGained": "p2pstack.services.relay.client_events",
    "ReservationLost": "p2pstack.services.relay.client_events",
    "ReservationMade": "p2pstack.services.relay.server_events",
    "ScoreConfig": "p2pstack.gossipsub.score.config",
    "SigningPolicy": "p2pstack.gossipsub.signing",
    "SqliteStore": "p2pstack.services.kad.sqlite_store",
    "SqliteStoreConfig": "p2pstack.services.kad.sqlite_config",
    "Subscription": "p2pstack.services.gossipsub.subscription",
    "TopicDiscovery": "p2pstack.services.gossipsub.discovery",
    "TopicDiscoveryConfig": "p2pstack.services.gossipsub.discovery_config",
    "TopicPeer": "p2pstack.services.gossipsub.discovery_sources",
    "TopicScoreConfig": "p2pstack.gossipsub.score.config",
    "TopicSource": "p2pstack.services.gossipsub.discovery_sources",
    "Verdict": "p2pstack.services.gossipsub.validation",
}


def __getattr__(name: str) -> object:
    """Load one of the names that are loaded when first used (PEP 562)."""
    module = _LOADED_LATER.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(module), name)
    globals()[name] = value
    return value
