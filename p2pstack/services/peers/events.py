"""What :class:`PersistentPeers` tells, by ``host.events(...)``."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from p2pstack.errors import P2PError
from p2pstack.host.events import Event
from p2pstack.identity.peer_id import PeerId

__all__ = ["ForgetReason", "PeerForgotten", "PeersLoaded", "PeersUnavailable"]


class ForgetReason(Enum):
    """Why a peer is not remembered any more."""

    FAILURES = "failures"
    """It could not be reached, too many times in a row."""

    AGE = "age"
    """It was not met for too long."""

    ADDRESSES = "addresses"
    """None of its addresses is left."""

    ROOM = "room"
    """Others are worth more, and all places are taken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PeersLoaded(Event):
    """What an earlier process has left is in the peerstore: how many peers, and how many rows could not be read."""

    peers: int
    skipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PeersUnavailable(Event):
    """The file can't be opened, read or written, for the reason ``error``; the host goes on without (PEERS-08).

    It fires once; then again only after writing has worked meanwhile.
    """

    error: P2PError


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerForgotten(Event):
    """A peer is not remembered any more, in the file neither."""

    peer: PeerId
    reason: ForgetReason
