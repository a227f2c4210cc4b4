"""What a lookup wants done, and what it tells (specs/kad.md)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.contacts import Contact
from p2pstack.kad.records import Record

__all__ = ["Ask", "Finished", "GiveUp", "PeerFound", "ProviderFound", "QueryEvent", "Reason", "ValueFound"]


class Reason(Enum):
    """Why a lookup has ended."""

    COMPLETE = "complete"
    """The nearest peers have answered, or nobody is left to ask."""

    ENOUGH = "enough"
    """As many values or providers have come as were asked for."""

    TIMEOUT = "timeout"
    """``query_timeout`` is over."""

    STOPPED = "stopped"
    """The caller has ended it."""


@dataclass(slots=True, kw_only=True)
class Ask:
    """Send the lookup's request to a peer, and hand in its answer, or that there is none."""

    contact: Contact


@dataclass(slots=True, kw_only=True)
class GiveUp:
    """A peer has not answered in time: its answer is not waited for any more. It counts as failed."""

    contact: Contact


@dataclass(slots=True, kw_only=True)
class PeerFound:
    """Addresses of the very peer that was looked for; comes again when there are more of them."""

    contact: Contact


@dataclass(slots=True, kw_only=True)
class ValueFound:
    """A valid value that is better than those before."""

    peer: PeerId
    record: Record


@dataclass(slots=True, kw_only=True)
class ProviderFound:
    """A provider; each comes once."""

    contact: Contact


@dataclass(slots=True, kw_only=True)
class Finished:
    """The lookup has ended; the last of its events. Requests that are under way are not waited for."""

    reason: Reason


QueryEvent: TypeAlias = Ask | GiveUp | PeerFound | ValueFound | ProviderFound | Finished
