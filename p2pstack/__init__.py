"""libp2p for Python. Everything that programs need as a rule is here; each layer can be used on its own as well."""

from __future__ import annotations

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
    HostClosed,
    LimitExceeded,
    LocalError,
    NegotiationError,
    NoiseError,
    P2PError,
    PeerIdMismatch,
    ProtocolNotSupported,
    ProtocolViolation,
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

__version__ = "0.1.0"

__all__ = [
    "AddressesChanged",
    "ConfigError",
    "Connection",
    "ConnectionClosed",
    "ConnectionConfig",
    "ConnectionEnded",
    "ConnectionGate",
    "ConnectionOpened",
    "DeadlineExceeded",
    "DecodeError",
    "DialConfig",
    "DialError",
    "Event",
    "GatedError",
    "HandshakeError",
    "Host",
    "HostClosed",
    "HostConfig",
    "IdentifyConfig",
    "IdentifyFailed",
    "KeyType",
    "LimitExceeded",
    "LimitsConfig",
    "LocalError",
    "ManagerConfig",
    "Multiaddr",
    "MultistreamConfig",
    "NegotiationError",
    "NoiseConfig",
    "NoiseError",
    "P2PError",
    "PeerConnected",
    "PeerDisconnected",
    "PeerId",
    "PeerIdMismatch",
    "PeerIdentified",
    "PeerInfo",
    "PeerstoreConfig",
    "PingConfig",
    "PrivateKey",
    "ProtocolNotSupported",
    "ProtocolViolation",
    "ProtocolsChanged",
    "PublicKey",
    "RemoteError",
    "ServiceConfig",
    "ShellConfig",
    "Stream",
    "StreamClosed",
    "StreamEOF",
    "StreamError",
    "StreamReset",
    "StreamTimeout",
    "Truncated",
    "Usage",
    "YamuxConfig",
    "YamuxError",
    "__version__",
    "key_from_node_name",
    "key_from_secret",
    "serve_echo",
    "serve_perf",
]
