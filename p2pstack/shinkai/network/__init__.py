"""A Shinkai node's libp2p: one host a profile, messages in and out of it, and what they become (specs/shinkai.md).

::

    LibP2PManager               one host: its life, the channel of events in, the events out, and direct calls
    ├── EventSender             the channel's end that a program holds; bounded
    ├── DirectMessages          head: a message is a request, and its answer a message (SHK-71)
    ├── GossipMessages          seed: a message is published for its recipient, and everybody gets it (SHK-72)
    ├── ReservedRelay           a relay that is kept connected, and a reservation with it (SHK-76, SHK-78)
    ├── PersistentPeers         peers that are found again after a restart (SHK-77)
    └── Bootstrap               peers by which the network is entered (SHK-124)
    ShinkaiMessageHandler       what came in, checked and made a job of a JobQueue (SHK-73 to SHK-75)
"""

from p2pstack.shinkai.network.channel import EventSender
from p2pstack.shinkai.network.config import FindingConfig, HandlerConfig, ManagerConfig
from p2pstack.shinkai.network.events import (
    AddPeer,
    BroadcastMessage,
    ConnectToDiscoveredPeer,
    DiscoverPeers,
    MessageReceived,
    NetworkEvent,
    Notice,
    PeerDiscovered,
    PeerDown,
    PeerUp,
    PingPeer,
    RelayDown,
    RelayReserved,
    RelayUp,
    SendDirectMessage,
    SendMessage,
    SendResponse,
    TryDirectConnectionUpgrade,
)
from p2pstack.shinkai.network.finding import FoundBy
from p2pstack.shinkai.network.gossip import Published
from p2pstack.shinkai.network.handler import Arrival, Received, ShinkaiMessageHandler, Via
from p2pstack.shinkai.network.manager import LibP2PManager
from p2pstack.shinkai.network.profiles import Profile
from p2pstack.shinkai.network.responses import ResponseChannel

__all__ = [
    "AddPeer",
    "Arrival",
    "BroadcastMessage",
    "ConnectToDiscoveredPeer",
    "DiscoverPeers",
    "EventSender",
    "FindingConfig",
    "FoundBy",
    "HandlerConfig",
    "LibP2PManager",
    "ManagerConfig",
    "MessageReceived",
    "NetworkEvent",
    "Notice",
    "PeerDiscovered",
    "PeerDown",
    "PeerUp",
    "PingPeer",
    "Profile",
    "Published",
    "Received",
    "RelayDown",
    "RelayReserved",
    "RelayUp",
    "ResponseChannel",
    "SendDirectMessage",
    "SendMessage",
    "SendResponse",
    "ShinkaiMessageHandler",
    "TryDirectConnectionUpgrade",
    "Via",
]
