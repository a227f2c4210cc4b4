"""The events of a relay's client. They come with those of the host, from ``host.events(...)`` (specs/relay.md)."""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.errors import P2PError
from p2pstack.host.events import Event
from p2pstack.identity.multiaddrs import Multiaddr
from p2pstack.identity.peer_id import PeerId
from p2pstack.relay.messages import Limit

__all__ = ["ReservationGained", "ReservationLost"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationGained(Event):
    """A relay passes connections on to us; fires after ``addresses`` are advertised, and again with each renewal.

    ``addresses`` are where peers find us now, without our own ``/p2p``; ``expires`` is Unix time in seconds, ``limit``
    what the relay allows a connection. ``renewed`` tells a renewal from a new reservation.
    """

    relay: PeerId
    addresses: tuple[Multiaddr, ...]
    expires: int
    limit: Limit
    renewed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationLost(Event):
    """A relay does not pass connections on any more, and its addresses are not advertised any more.

    ``reason`` is why, None where it was given up here. Unless it was, the relay is asked again.
    """

    relay: PeerId
    reason: P2PError | None
