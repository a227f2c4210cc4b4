"""libp2p for Python. Everything that programs need as a rule is here; each layer can be used on its own as well.

The names of pubsub are loaded when they are first used, so that programs without it start faster.
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
    from p2pstack.gossipsub.config import GossipsubConfig
    from p2pstack.gossipsub.gater import GaterConfig
    from p2pstack.gossipsub.incoming import Incoming
    from p2pstack.gossipsub.score.config import ScoreConfig, TopicScoreConfig
    from p2pstack.gossipsub.signing import SigningPolicy
    from p2pstack.services.gossipsub.config import PubsubConfig
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
    "GaterConfig",
    "Gossipsub",
    "GossipsubConfig",
    "HandshakeError",
    "Host",
    "HostClosed",
    "HostConfig",
    "IdentifyConfig",
    "IdentifyFailed",
    "Incoming",
    "KeyType",
    "LimitExceeded",
    "LimitsConfig",
    "LocalError",
    "ManagerConfig",
    "MessagesDropped",
    "Multiaddr",
    "MultistreamConfig",
    "NegotiationError",
    "NoiseConfig",
    "NoiseError",
    "NotEnoughPeers",
    "P2PError",
    "PeerConnected",
    "PeerDisconnected",
    "PeerGrafted",
    "PeerId",
    "PeerIdMismatch",
    "PeerIdentified",
    "PeerInfo",
    "PeerJoinedTopic",
    "PeerLeftTopic",
    "PeerPruned",
    "PeerstoreConfig",
    "PingConfig",
    "PrivateKey",
    "ProtocolNotSupported",
    "ProtocolViolation",
    "ProtocolsChanged",
    "PublicKey",
    "PublishResult",
    "PubsubConfig",
    "RelayedOnly",
    "RemoteError",
    "ScoreConfig",
    "ServiceConfig",
    "ShellConfig",
    "SigningPolicy",
    "Stream",
    "StreamClosed",
    "StreamEOF",
    "StreamError",
    "StreamReset",
    "StreamTimeout",
    "Subscription",
    "TopicScoreConfig",
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
    "GaterConfig": "p2pstack.gossipsub.gater",
    "Gossipsub": "p2pstack.services.gossipsub.service",
    "GossipsubConfig": "p2pstack.gossipsub.config",
    "Incoming": "p2pstack.gossipsub.incoming",
    "MessagesDropped": "p2pstack.services.gossipsub.events",
    "NotEnoughPeers": "p2pstack.services.gossipsub.publishing",
    "PeerGrafted": "p2pstack.services.gossipsub.events",
    "PeerJoinedTopic": "p2pstack.services.gossipsub.events",
    "PeerLeftTopic": "p2pstack.services.gossipsub.events",
    "PeerPruned": "p2pstack.services.gossipsub.events",
    "PublishResult": "p2pstack.services.gossipsub.publishing",
    "PubsubConfig": "p2pstack.services.gossipsub.config",
    "ScoreConfig": "p2pstack.gossipsub.score.config",
    "SigningPolicy": "p2pstack.gossipsub.signing",
    "Subscription": "p2pstack.services.gossipsub.subscription",
    "TopicScoreConfig": "p2pstack.gossipsub.score.config",
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
