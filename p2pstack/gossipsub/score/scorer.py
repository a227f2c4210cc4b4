"""What the router needs of a score, and the scorer of a router without scoring (specs/gossipsub.md)."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf
from typing import Protocol

from p2pstack.gossipsub.score.config import TopicScoreConfig
from p2pstack.gossipsub.score.snapshot import ScoreSnapshot
from p2pstack.identity.peer_id import PeerId

__all__ = ["NoScore", "Scorer"]


class Scorer(Protocol):
    """Is told what peers do, and says what to think of them. ``now`` is seconds on the router's clock."""

    @property
    def gossip_threshold(self) -> float:
        """Peers with a lower score get no gossip, and theirs is ignored."""

    @property
    def publish_threshold(self) -> float:
        """Peers with a lower score get no own messages outside of the mesh."""

    @property
    def graylist_threshold(self) -> float:
        """RPCs of peers with a lower score are dropped (GS11-17)."""

    @property
    def accept_px_threshold(self) -> float:
        """Peers with a lower score can't name others in a PRUNE (GS11-07)."""

    @property
    def opportunistic_graft_threshold(self) -> float:
        """Meshes with a lower median score get better peers (GS11-13)."""

    def add_peer(self, peer: PeerId, ips: Iterable[str], now: float) -> None:
        """A peer connected, from these addresses; what is remembered of it counts again (GS11-39)."""

    def remove_peer(self, peer: PeerId, now: float) -> None:
        """A peer is gone: it is forgotten, or remembered if its score is 0 or less (GS11-39)."""

    def set_ips(self, peer: PeerId, ips: Iterable[str]) -> None:
        """A known peer's connections now come from these addresses, which replace the former ones (GS11-36)."""

    def graft(self, peer: PeerId, topic: str, now: float) -> None:
        """A peer came into the mesh of a topic."""

    def prune(self, peer: PeerId, topic: str) -> None:
        """A peer left the mesh of a topic, on whose wish ever (GS11-33)."""

    def validate(self, peer: PeerId, topic: str, message_id: bytes, now: float) -> None:
        """A message is new; a peer sent it, and its validation begins (GS11-41)."""

    def deliver(self, peer: PeerId, topic: str, message_id: bytes, now: float) -> None:
        """A message that ``peer`` sent first is valid (GS11-31, GS11-32)."""

    def reject(self, peer: PeerId, topic: str, message_id: bytes, reason: str, now: float) -> None:
        """A message that ``peer`` sent is not taken; ``reason`` is of :mod:`p2pstack.gossipsub.reasons` (GS11-34)."""

    def duplicate(self, peer: PeerId, topic: str, message_id: bytes, now: float) -> None:
        """A peer sent a message that is known (GS11-32, GS11-34)."""

    def add_penalty(self, peer: PeerId, count: float) -> None:
        """A peer broke the rules of the mesh ``count`` times (GS11-37)."""

    def score(self, peer: PeerId) -> float:
        """Return the score; 0 for a peer that is unknown."""

    def update(self, now: float) -> None:
        """Do what is due: decay, and forgetting what is too old (GS11-38)."""

    def next_timeout(self) -> float:
        """Return when :meth:`update` has something to do."""

    def inspect(self, peer: PeerId) -> ScoreSnapshot | None:
        """Return what a score is made of; None for a peer that is unknown."""

    def inspect_all(self) -> dict[PeerId, ScoreSnapshot]:
        """Return the same for all known peers, also those that left."""

    def replace_topic(self, topic: str, config: TopicScoreConfig) -> None:
        """Score a topic in another way from now on; counters above their new cap are set to it (GS11-40)."""


class NoScore:
    """The scorer of a router that scores nobody: all scores are 0, and 0 is below no threshold."""

    __slots__ = ()

    gossip_threshold = 0.0
    publish_threshold = 0.0
    graylist_threshold = 0.0
    accept_px_threshold = 0.0
    opportunistic_graft_threshold = 0.0

    def add_peer(self, peer: PeerId, ips: Iterable[str], now: float) -> None:
        """Do nothing."""

    def remove_peer(self, peer: PeerId, now: float) -> None:
        """Do nothing."""

    def set_ips(self, peer: PeerId, ips: Iterable[str]) -> None:
        """Do nothing."""

    def graft(self, peer: PeerId, topic: str, now: float) -> None:
        """Do nothing."""

    def prune(self, peer: PeerId, topic: str) -> None:
        """Do nothing."""

    def validate(self, peer: PeerId, topic: str, message_id: bytes, now: float) -> None:
        """Do nothing."""

    def deliver(self, peer: PeerId, topic: str, message_id: bytes, now: float) -> None:
        """Do nothing."""

    def reject(self, peer: PeerId, topic: str, message_id: bytes, reason: str, now: float) -> None:
        """Do nothing."""

    def duplicate(self, peer: PeerId, topic: str, message_id: bytes, now: float) -> None:
        """Do nothing."""

    def add_penalty(self, peer: PeerId, count: float) -> None:
        """Do nothing."""

    def score(self, peer: PeerId) -> float:
        """Return 0."""
        return 0.0

    def update(self, now: float) -> None:
        """Do nothing."""

    def next_timeout(self) -> float:
        """Return infinity: there is never anything to do."""
        return inf

    def inspect(self, peer: PeerId) -> ScoreSnapshot | None:
        """Return None: nothing is known of anybody."""
        return None

    def inspect_all(self) -> dict[PeerId, ScoreSnapshot]:
        """Return an empty dict."""
        return {}

    def replace_topic(self, topic: str, config: TopicScoreConfig) -> None:
        """Do nothing."""
