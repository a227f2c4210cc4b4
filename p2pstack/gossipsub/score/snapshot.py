"""Why a score is as it is: every term and every counter, by its name (specs/gossipsub.md)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from p2pstack.identity.peer_id import PeerId

__all__ = ["ScoreSnapshot", "TopicSnapshot"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TopicSnapshot:
    """What one topic adds to a peer's score. Terms are already multiplied with their own weight, not the topic's."""

    in_mesh: bool
    """Whether the peer is in the topic's mesh."""

    mesh_time: float
    """Seconds that it is, or last was, in the mesh, as of the last decay."""

    deliveries_owed: bool
    """Whether it has been there for so long that P3 counts (GS11-32)."""

    first_message_deliveries: float
    """Counter: valid messages that it delivered first."""

    mesh_message_deliveries: float
    """Counter: valid messages that it delivered first or almost, in the mesh."""

    mesh_failure_penalty: float
    """Counter: squares of what it owed when it left the mesh."""

    invalid_message_deliveries: float
    """Counter: invalid messages that it sent."""

    p1_time_in_mesh: float
    """Reward for its time in the mesh (GS11-30)."""

    p2_first_message_deliveries: float
    """Reward for first deliveries (GS11-31)."""

    p3_mesh_message_deliveries: float
    """Penalty for too few deliveries (GS11-32)."""

    p3b_mesh_failure_penalty: float
    """Penalty for having left the mesh with too few deliveries (GS11-33)."""

    p4_invalid_message_deliveries: float
    """Penalty for invalid messages (GS11-34)."""

    score: float
    """The sum of the terms, multiplied with the topic's weight."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreSnapshot:
    """A peer's score, and what it is made of. Terms are already multiplied with their weights.

    ``score`` is ``topic_score + p5_app_specific + p6_ip_colocation + p7_behaviour_penalty``.
    """

    peer: PeerId
    """Whose score it is."""

    connected: bool
    """False: the peer left, and is remembered."""

    retained_until: float | None
    """When a peer that left is forgotten, on the clock of ``now``; None while it is connected."""

    score: float
    """What the router compares with its thresholds."""

    topics: Mapping[str, TopicSnapshot]
    """By topic, for those that are scored and in which the peer did anything."""

    topic_score: float
    """The sum of the topics' scores, after the cap."""

    app_specific_score: float
    """What the application says of the peer, before the weight."""

    p5_app_specific: float
    """The application's term (GS11-35)."""

    peers_by_ip: Mapping[str, int]
    """Peers, this one included, on each of its addresses and IPv6 /64 networks that count."""

    p6_ip_colocation: float
    """Penalty for shared addresses (GS11-36)."""

    behaviour_penalty: float
    """Counter: faults against the rules of the mesh."""

    p7_behaviour_penalty: float
    """Penalty for them (GS11-37)."""
