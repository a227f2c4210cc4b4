"""Ready-made scores: the defaults of rust and js, and what Ethereum's consensus clients use (specs/gossipsub.md).

go has no default: a go peer scores nobody unless its application says how. For what a preset does not ask for, use
``dataclasses.replace(preset, name=value)``.
"""

from __future__ import annotations

from collections.abc import Iterable

from p2pstack.gossipsub.score.config import ScoreConfig, TopicScoreConfig, decay_factor

__all__ = ["EPOCH", "SLOT", "ethereum", "ethereum_block_topic", "lenient", "rust"]

SLOT = 12.0
"""Seconds of an Ethereum slot, in which one block is published."""

EPOCH = 32 * SLOT
"""Seconds of an Ethereum epoch."""


def lenient(topics: Iterable[str]) -> ScoreConfig:
    """Return the defaults of rust and js for these topics, but nobody is charged for what it does not deliver.

    So it fits topics of any traffic, quiet ones too. Lenient it is: a few seconds in the mesh outweigh some 60 invalid
    messages.
    """
    return ScoreConfig(topics=dict.fromkeys(topics, TopicScoreConfig()))


def rust(topics: Iterable[str]) -> ScoreConfig:
    """Return the defaults of rust and js for these topics, P3 and P3b included.

    Only for topics of which each peer of the mesh delivers 20 messages a second, early enough to count: after 5 s there
    a peer that delivers nothing is charged 200, and as much when it leaves.
    """
    topic = TopicScoreConfig(mesh_message_deliveries_weight=-1.0, mesh_failure_penalty_weight=-1.0)
    return ScoreConfig(topics=dict.fromkeys(topics, topic))


def ethereum(
    *,
    blocks: Iterable[str] = (),
    aggregates: Iterable[str] = (),
    attestations: Iterable[str] = (),
    operations: Iterable[str] = (),
    mesh_deliveries: bool = False,
) -> ScoreConfig:
    """Return the score of Ethereum's consensus clients, for the topics of each kind.

    ``attestations`` are subnets, of which each weighs 1/64; ``operations`` are exits and slashings. Blocks come at a
    known rate, so they alone are rewarded for first deliveries, and charged for missing ones if ``mesh_deliveries``.
    """
    topics = dict.fromkeys(blocks, ethereum_block_topic(mesh_deliveries=mesh_deliveries))
    for names, weight in ((aggregates, 0.5), (attestations, 1 / 64), (operations, 0.05)):
        topics.update(dict.fromkeys(names, _ethereum_topic(weight)))
    return ScoreConfig(
        topics=topics,
        topic_score_cap=32.72,
        app_specific_weight=1.0,
        ip_colocation_weight=-35.11,
        ip_colocation_threshold=10.0,
        behaviour_penalty_weight=-15.92,
        behaviour_penalty_threshold=6.0,
        behaviour_penalty_decay=_decay(10 * EPOCH),
        decay_interval=SLOT,
        decay_to_zero=0.01,
        retain_score=100 * EPOCH,
        gossip_threshold=-4_000.0,
        publish_threshold=-8_000.0,
        graylist_threshold=-16_000.0,
        accept_px_threshold=100.0,
        opportunistic_graft_threshold=5.0,
    )


def ethereum_block_topic(*, mesh_deliveries: bool = False) -> TopicScoreConfig:
    """Return how Ethereum scores the topic of blocks; P3 and P3b, off in most clients, are ``mesh_deliveries``."""
    owed = -0.717 if mesh_deliveries else 0.0
    return TopicScoreConfig(
        topic_weight=0.8,
        time_in_mesh_weight=10 / 300,
        time_in_mesh_quantum=SLOT,
        time_in_mesh_cap=300.0,
        first_message_deliveries_weight=1.0,
        first_message_deliveries_decay=_decay(20 * EPOCH),
        first_message_deliveries_cap=23.0,
        mesh_message_deliveries_weight=owed,
        mesh_message_deliveries_decay=_decay(5 * EPOCH),
        mesh_message_deliveries_cap=160.0,
        mesh_message_deliveries_threshold=16.0,
        mesh_message_deliveries_window=2.0,
        mesh_message_deliveries_activation=4 * EPOCH,
        mesh_failure_penalty_weight=owed,
        mesh_failure_penalty_decay=_decay(5 * EPOCH),
        invalid_message_deliveries_weight=-140.4475,
        invalid_message_deliveries_decay=_decay(50 * EPOCH),
    )


def _ethereum_topic(weight: float) -> TopicScoreConfig:
    """A topic whose peers earn by their time in the mesh alone, and lose by invalid messages."""
    return TopicScoreConfig(
        topic_weight=weight,
        time_in_mesh_weight=10 / 300,
        time_in_mesh_quantum=SLOT,
        time_in_mesh_cap=300.0,
        first_message_deliveries_weight=0.0,
        invalid_message_deliveries_weight=-140.4475,
        invalid_message_deliveries_decay=_decay(50 * EPOCH),
    )


def _decay(time: float) -> float:
    return decay_factor(time, SLOT, 0.01)
