"""The events of a manager: what it is asked by channel, and what it tells (SHK-70; specs/shinkai.md).

Those that go in carry the names of the original's. Each may have a ``result``, a future of the sender's own, that is
given what the event's docstring says, or the error that the event ended with. An error never ends the manager.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any

from p2pstack.host.events import Event
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.shinkai.message import ShinkaiMessage
from p2pstack.shinkai.network.responses import ResponseChannel

__all__ = [
    "AddPeer",
    "BroadcastMessage",
    "ConnectToDiscoveredPeer",
    "DiscoverPeers",
    "MessageReceived",
    "NetworkEvent",
    "Notice",
    "PeerDiscovered",
    "PeerDown",
    "PeerUp",
    "PingPeer",
    "RelayDown",
    "RelayReserved",
    "RelayUp",
    "SendDirectMessage",
    "SendMessage",
    "SendResponse",
    "TryDirectConnectionUpgrade",
]


@dataclass(slots=True, kw_only=True)
class NetworkEvent:
    """What a manager is asked. ``result`` is settled exactly once, unless its owner has cancelled it."""

    result: asyncio.Future[Any] | None = None


@dataclass(slots=True, kw_only=True)
class SendMessage(NetworkEvent):
    """Send to one peer, by what the profile has for that: its own topic (seed), or a request (head).

    Result: :class:`~p2pstack.shinkai.network.gossip.Published` (seed), the answer or None (head).
    """

    peer_id: PeerId
    message: ShinkaiMessage


@dataclass(slots=True, kw_only=True)
class BroadcastMessage(NetworkEvent):
    """seed: publish to everybody, and in ``topic``, which :func:`~p2pstack.shinkai.network.gossip.topic_of` makes.

    Result: :class:`~p2pstack.shinkai.network.gossip.Published`. A head manager refuses it with LocalError.
    """

    topic: str
    message: ShinkaiMessage


@dataclass(slots=True, kw_only=True)
class SendDirectMessage(NetworkEvent):
    """head: send a request to a peer, which is dialled at ``addresses`` and those that are known, if need be.

    Result: the answer, or None where there was an empty one. A seed manager takes it as :class:`SendMessage`.
    """

    peer_id: PeerId
    message: ShinkaiMessage
    addresses: tuple[str | Multiaddr, ...] = ()


@dataclass(slots=True, kw_only=True)
class SendResponse(NetworkEvent):
    """head: answer a request. Result: whether the request still waited for an answer."""

    channel: ResponseChannel
    message: ShinkaiMessage | None


@dataclass(slots=True, kw_only=True)
class AddPeer(NetworkEvent):
    """Connect to an address. With ``peer_id`` nobody else is taken there; without, whoever answers, as in the original.

    Result: the peer's id.
    """

    address: str | Multiaddr
    peer_id: PeerId | None = None


@dataclass(slots=True, kw_only=True)
class PingPeer(NetworkEvent):
    """Measure the way to a peer and back. Result: seconds."""

    peer_id: PeerId


@dataclass(slots=True, kw_only=True)
class DiscoverPeers(NetworkEvent):
    """Look for peers: announce ourselves (seed), and connect to those that are known and not connected.

    Result: how many peers are connected then.
    """


@dataclass(slots=True, kw_only=True)
class TryDirectConnectionUpgrade(NetworkEvent):
    """Have a connection to a peer that passes no relay. Result: whether there is one."""

    peer_id: PeerId


@dataclass(slots=True, kw_only=True)
class ConnectToDiscoveredPeer(NetworkEvent):
    """Connect to a peer by the name of its node, or by its id as text. Result: the peer's id."""

    identity: str


# -- what a manager tells


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice(Event):
    """What a manager tells. ``LibP2PManager.notices()`` gives them, in the order in which they happen."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageReceived(Notice):
    """A message came in and was accepted: it is a job now, with this key. ``source`` is a peer's word in seed.

    The message is not here: notices that nobody reads must not fill the memory.
    """

    source: PeerId
    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerUp(Notice):
    """The first connection to a peer is open, and it has told who it is, or not told in time.

    ``agent`` is what it says of itself, and ``identity`` the name of the node in it, or empty. Nothing proves them.
    """

    peer: PeerId
    agent: str = ""
    identity: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerDown(Notice):
    """The last connection to a peer is gone."""

    peer: PeerId


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerDiscovered(Notice):
    """seed: ``peer`` was named in a discovery message (``kind``: discovery, peer_joined, peer_connected)."""

    peer: PeerId
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayUp(Notice):
    """The relay is connected."""

    peer: PeerId
    address: Multiaddr


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayReserved(Notice):
    """The relay passes connections on to us, which others are told: they find us at ``addresses``, without our id."""

    peer: PeerId
    addresses: tuple[Multiaddr, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class RelayDown(Notice):
    """The relay is not connected, or no longer: ``reason`` says why, ``retry_in`` in how many seconds it is dialled.

    ``address`` is None until it was found out where the relay is.
    """

    address: Multiaddr | None
    reason: str
    retry_in: float
