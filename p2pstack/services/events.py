"""The events of the services. They come with those of the host, from ``host.events(...)``."""

from __future__ import annotations

from dataclasses import dataclass, field

from p2pstack.aio.connection import Connection
from p2pstack.errors import P2PError
from p2pstack.host.events import Event
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId

__all__ = ["IdentifyFailed", "PeerIdentified", "PeerInfo"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerInfo:
    """What a peer says of itself, cleaned and bounded. Nothing in it is proven but ``peer`` and a ``record``.

    ``addresses`` are where it says to listen, without ``/p2p``; ``agent`` and ``protocol_version`` are printable and
    short. ``observed`` is where it sees this host. ``record`` is its signed peer record, verified to be its own, or
    None.
    """

    peer: PeerId
    protocols: tuple[str, ...] = ()
    addresses: tuple[Multiaddr, ...] = ()
    agent: str = ""
    protocol_version: str = ""
    observed: Multiaddr | None = None
    record: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerIdentified(Event):
    """A peer has told who it is: once on every connection, and again with each push of its.

    It fires after the peerstore has been brought up to date. ``pushed`` tells the two apart.
    """

    peer: PeerId
    info: PeerInfo
    connection: Connection
    pushed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IdentifyFailed(Event):
    """A peer did not tell who it is, for the reason ``error``; its connection stays usable (IDN-11)."""

    peer: PeerId
    error: P2PError
    connection: Connection
