"""The events of a relay. They come with those of the host, from ``host.events(...)``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from p2pstack.host.events import Event
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.relay.splice import CircuitEnd

__all__ = ["CircuitClosed", "CircuitOpened", "ReservationEnd", "ReservationEnded", "ReservationMade"]


class ReservationEnd(Enum):
    """Why a reservation is over."""

    EXPIRED = "it was not renewed"
    DISCONNECTED = "the peer's last direct connection has ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationMade(Event):
    """A peer has got a reservation, or renewed it; it fires before the answer is sent. ``expires`` is Unix time."""

    peer: PeerId
    expires: int
    renewed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ReservationEnded(Event):
    """A peer has no reservation any more; circuits to it go on."""

    peer: PeerId
    reason: ReservationEnd


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitOpened(Event):
    """The target has taken a circuit; it fires before the initiator is told."""

    initiator: PeerId
    target: PeerId


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitClosed(Event):
    """A circuit that had been opened is over; ``sent`` and ``received`` bytes passed it, as the initiator sees it."""

    initiator: PeerId
    target: PeerId
    sent: int
    received: int
    reason: CircuitEnd
