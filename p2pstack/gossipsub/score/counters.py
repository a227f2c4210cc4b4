"""What is counted of a peer, and what the counters of one topic are worth (GS11-30 to GS11-34, GS11-38).

Page: specs/gossipsub.md. Here stands the arithmetic of the score, once, for the sum that the router asks for as well
as for the terms that a snapshot shows. ``topic_terms`` and the counters are on the hot path.
"""

from __future__ import annotations

from p2pstack.gossipsub.score.colocation import IpGroup
from p2pstack.gossipsub.score.config import TopicScoreConfig

__all__ = ["PeerCounters", "TopicCounters", "decayed", "topic_terms"]


class TopicCounters:
    """What a peer did in one topic."""

    __slots__ = ("failures", "first", "grafted", "in_mesh", "invalid", "mesh", "mesh_time", "owing")

    def __init__(self) -> None:
        self.in_mesh = False
        self.grafted = 0.0
        """When it came into the mesh."""
        self.mesh_time = 0.0
        """Seconds in the mesh, as of the last decay."""
        self.owing = False
        """Whether it is in the mesh for so long that P3 counts."""
        self.first = 0.0
        """P2: valid messages that it delivered first."""
        self.mesh = 0.0
        """P3: valid messages that it delivered first or almost, in the mesh."""
        self.failures = 0.0
        """P3b: squares of what it owed when it left a mesh."""
        self.invalid = 0.0
        """P4: invalid messages."""

    def graft(self, now: float) -> None:
        """Come into the mesh: time in mesh begins anew, and nothing is owed for a while."""
        self.in_mesh = True
        self.grafted = now
        self.mesh_time = 0.0
        self.owing = False

    def prune(self, config: TopicScoreConfig) -> None:
        """Leave the mesh. What is owed then becomes P3b, and only that: go goes on charging P3 too (GS11-33)."""
        if self.owing:
            deficit = config.mesh_message_deliveries_threshold - self.mesh
            if deficit > 0:
                self.failures += deficit * deficit
        self.in_mesh = self.owing = False

    def credit_first(self, config: TopicScoreConfig) -> None:
        """Count a valid message that the peer delivered first."""
        self.first = min(self.first + 1.0, config.first_message_deliveries_cap)
        if self.in_mesh:
            self.mesh = min(self.mesh + 1.0, config.mesh_message_deliveries_cap)

    def credit_copy(self, config: TopicScoreConfig) -> None:
        """Count a valid message that the peer delivered in time, though not first."""
        if self.in_mesh:
            self.mesh = min(self.mesh + 1.0, config.mesh_message_deliveries_cap)

    def recap(self, config: TopicScoreConfig) -> None:
        """Bring the counters below caps that may have been lowered (GS11-40)."""
        self.first = min(self.first, config.first_message_deliveries_cap)
        self.mesh = min(self.mesh, config.mesh_message_deliveries_cap)

    def decay(self, config: TopicScoreConfig, to_zero: float, now: float) -> None:
        """Let the counters fall, then look at the time in mesh (GS11-38)."""
        self.first = decayed(self.first, config.first_message_deliveries_decay, to_zero)
        self.mesh = decayed(self.mesh, config.mesh_message_deliveries_decay, to_zero)
        self.failures = decayed(self.failures, config.mesh_failure_penalty_decay, to_zero)
        self.invalid = decayed(self.invalid, config.invalid_message_deliveries_decay, to_zero)
        if self.in_mesh:
            self.mesh_time = now - self.grafted
            if self.mesh_time > config.mesh_message_deliveries_activation:
                self.owing = True


class PeerCounters:
    """What is known of one peer."""

    __slots__ = ("connected", "faults", "groups", "retained_until", "stale", "topic_score", "topics")

    def __init__(self) -> None:
        self.connected = True
        self.retained_until: float | None = None
        """When a peer that left is forgotten."""
        self.topics: dict[str, TopicCounters] = {}
        """By topic; only scored topics in which the peer did anything."""
        self.groups: tuple[IpGroup, ...] = ()
        """The addresses that it shares with others, or may."""
        self.faults = 0.0
        """P7: faults against the rules of the mesh."""
        self.topic_score = 0.0
        """The capped sum over all topics, as of the last time that somebody asked."""
        self.stale = False
        """Whether that sum has to be worked out again. Who changes a counter of a topic sets it."""

    def topic(self, topic: str) -> TopicCounters:
        """Return the counters of a scored topic, which the caller is about to change."""
        self.stale = True
        counters = self.topics.get(topic)
        if counters is None:
            counters = self.topics[topic] = TopicCounters()
        return counters


def decayed(counter: float, factor: float, to_zero: float) -> float:
    """Return what is left of a counter after one decay."""
    counter *= factor
    return counter if counter >= to_zero else 0.0


def topic_terms(counters: TopicCounters, config: TopicScoreConfig) -> tuple[float, float, float, float, float]:
    """Return P1, P2, P3, P3b and P4 of one topic, each multiplied with its weight."""
    p1 = p3 = 0.0
    if counters.in_mesh:
        quanta = counters.mesh_time // config.time_in_mesh_quantum
        p1 = min(quanta, config.time_in_mesh_cap) * config.time_in_mesh_weight
    if counters.owing:
        deficit = config.mesh_message_deliveries_threshold - counters.mesh
        if deficit > 0:
            p3 = deficit * deficit * config.mesh_message_deliveries_weight
    return (
        p1,
        counters.first * config.first_message_deliveries_weight,
        p3,
        counters.failures * config.mesh_failure_penalty_weight,
        counters.invalid * counters.invalid * config.invalid_message_deliveries_weight,
    )
