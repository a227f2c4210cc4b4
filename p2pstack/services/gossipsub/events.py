"""The events of pubsub. They come with those of the host, from ``host.events(...)`` (specs/gossipsub.md)."""

from __future__ import annotations

from dataclasses import dataclass

from p2pstack.host.events import Event
from p2pstack.identity.peer_id import PeerId

__all__ = ["MessagesDropped", "PeerGrafted", "PeerJoinedTopic", "PeerLeftTopic", "PeerPruned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerJoinedTopic(Event):
    """A peer has told that it is subscribed to ``topic``; messages can go to it from now on."""

    peer: PeerId
    topic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerLeftTopic(Event):
    """A peer is no longer subscribed to ``topic``, or gone."""

    peer: PeerId
    topic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerGrafted(Event):
    """A peer has come into our mesh of ``topic``, whichever side asked for it."""

    peer: PeerId
    topic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerPruned(Event):
    """A peer has left our mesh of ``topic``, or is gone; the connection to it may stay."""

    peer: PeerId
    topic: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MessagesDropped(Event):
    """A subscription of ``topic`` was full and has lost its oldest messages: its reader is too slow.

    ``count`` is how many since the last such event, ``total`` how many ever. The first loss is told at once, further
    ones once a heartbeat.
    """

    topic: str
    count: int
    total: int
