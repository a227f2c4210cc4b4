"""What the tests of the score share: peers by name, a scorer of one topic, and configurations with round numbers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from p2pstack.gossipsub.score.config import ScoreConfig, TopicScoreConfig
from p2pstack.gossipsub.score.peer_score import PeerScore
from p2pstack.identity.peer_id import PeerId

TOPIC = "t"

QUIET = TopicScoreConfig(
    topic_weight=1.0,
    time_in_mesh_weight=0.0,
    time_in_mesh_quantum=1.0,
    first_message_deliveries_weight=0.0,
    first_message_deliveries_decay=0.5,
    first_message_deliveries_cap=10.0,
    mesh_message_deliveries_weight=0.0,
    mesh_message_deliveries_decay=0.5,
    mesh_message_deliveries_cap=8.0,
    mesh_message_deliveries_threshold=4.0,
    mesh_message_deliveries_window=2.0,
    mesh_message_deliveries_activation=10.0,
    mesh_failure_penalty_weight=0.0,
    mesh_failure_penalty_decay=0.5,
    invalid_message_deliveries_weight=0.0,
    invalid_message_deliveries_decay=0.5,
)
"""Every term is off: a test switches on what it is about."""


def peer(name: str) -> PeerId:
    """A peer whose id holds a name, not a key."""
    return PeerId(bytes((0, len(name))) + name.encode())


A, B, C, D = (peer(name) for name in "ABCD")


def config(topic: TopicScoreConfig = QUIET, **changes: Any) -> ScoreConfig:
    return replace(
        ScoreConfig(
            topics={TOPIC: topic},
            topic_score_cap=0.0,
            app_specific_weight=0.0,
            ip_colocation_weight=0.0,
            behaviour_penalty_weight=0.0,
            behaviour_penalty_decay=0.5,
            decay_interval=1.0,
            decay_to_zero=0.01,
            retain_score=30.0,
        ),
        **changes,
    )


def scorer(*peers: PeerId, topic: TopicScoreConfig = QUIET, **changes: Any) -> PeerScore:
    """A scorer at time 0, to which these peers are connected without addresses."""
    score = PeerScore(config(topic, **changes), seen_ttl=120.0, now=0.0)
    for each in peers:
        score.add_peer(each, (), 0.0)
    return score
