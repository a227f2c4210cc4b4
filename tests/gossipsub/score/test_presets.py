from __future__ import annotations

import pytest

from p2pstack.gossipsub.score.config import ScoreConfig, TopicScoreConfig
from p2pstack.gossipsub.score.peer_score import PeerScore
from p2pstack.gossipsub.score.presets import EPOCH, SLOT, ethereum, ethereum_block_topic, lenient, rust
from tests.gossipsub.score.driving import A

# A counter of 1 is at 0.01 after so many slots.
DECAY_5 = 0.01 ** (1 / (5 * 32))
DECAY_10 = 0.01 ** (1 / (10 * 32))
DECAY_20 = 0.01 ** (1 / (20 * 32))
DECAY_50 = 0.01 ** (1 / (50 * 32))


def test_rust_and_js_defaults() -> None:
    score = rust(["t", "u"])
    assert set(score.topics) == {"t", "u"}
    assert (score.gossip_threshold, score.publish_threshold, score.graylist_threshold) == (-10, -50, -80)
    assert (score.accept_px_threshold, score.opportunistic_graft_threshold) == (10, 20)
    assert (score.topic_score_cap, score.app_specific_weight) == (3600, 10)
    assert (score.ip_colocation_weight, score.ip_colocation_threshold) == (-5, 10)
    assert score.behaviour_penalty_weight == -10
    assert (score.behaviour_penalty_threshold, score.behaviour_penalty_decay) == (0, 0.2)
    assert (score.decay_interval, score.decay_to_zero, score.retain_score) == (1, 0.1, 3600)
    assert score.topics["t"] == score.topics["u"] == TopicScoreConfig(
        topic_weight=0.5,
        time_in_mesh_weight=1,
        time_in_mesh_quantum=0.001,
        time_in_mesh_cap=3600,
        first_message_deliveries_weight=1,
        first_message_deliveries_decay=0.5,
        first_message_deliveries_cap=2000,
        mesh_message_deliveries_weight=-1,
        mesh_message_deliveries_decay=0.5,
        mesh_message_deliveries_cap=100,
        mesh_message_deliveries_threshold=20,
        mesh_message_deliveries_window=0.01,
        mesh_message_deliveries_activation=5,
        mesh_failure_penalty_weight=-1,
        mesh_failure_penalty_decay=0.5,
        invalid_message_deliveries_weight=-1,
        invalid_message_deliveries_decay=0.3,
    )  # fmt: skip


def silent_peer(config: ScoreConfig) -> list[float]:
    """The topic's score of a peer that delivers nothing: after 6 s in the mesh, and after it left."""
    score = PeerScore(config, seen_ttl=120.0, now=0.0)
    score.add_peer(A, (), 0.0)
    score.graft(A, "t", 0.0)
    score.refresh(6.0)
    there = score.score(A)
    score.prune(A, "t")
    return [there, score.score(A)]


def test_the_lenient_preset_charges_nobody_for_a_quiet_topic() -> None:
    assert silent_peer(lenient(["t"])) == [1800.0, 0.0]
    assert silent_peer(rust(["t"])) == [1800.0 - 200.0, -200.0]
    assert lenient(["t"]) == ScoreConfig(topics={"t": TopicScoreConfig()})
    assert lenient([]) == ScoreConfig()


@pytest.mark.parametrize("outweighed", [59, 61])
def test_the_lenient_preset_is_as_lenient_as_it_says(outweighed: int) -> None:
    score = PeerScore(lenient(["t"]), seen_ttl=120.0, now=0.0)
    score.add_peer(A, (), 0.0)
    score.graft(A, "t", 0.0)
    score.refresh(4.0)
    for _ in range(outweighed):
        score.reject(A, "t", b"", "bad-signature", 4.0)
    assert (score.score(A) > 0) == (outweighed < 60)


def test_ethereum_scores() -> None:
    score = ethereum(blocks=["block"])
    assert (SLOT, EPOCH) == (12, 384)
    assert (score.gossip_threshold, score.publish_threshold, score.graylist_threshold) == (-4000, -8000, -16000)
    assert (score.accept_px_threshold, score.opportunistic_graft_threshold) == (100, 5)
    assert (score.topic_score_cap, score.app_specific_weight) == (32.72, 1)
    assert (score.ip_colocation_weight, score.ip_colocation_threshold) == (-35.11, 10)
    assert (score.behaviour_penalty_weight, score.behaviour_penalty_threshold) == (-15.92, 6)
    assert score.behaviour_penalty_decay == pytest.approx(DECAY_10)
    assert (score.decay_interval, score.decay_to_zero, score.retain_score) == (12, 0.01, 38_400)


def test_ethereum_block_topic() -> None:
    topic = ethereum_block_topic()
    assert ethereum(blocks=["block"]).topics == {"block": topic}
    assert topic.topic_weight == 0.8
    assert topic.time_in_mesh_weight == pytest.approx(0.0333, abs=1e-4)
    assert (topic.time_in_mesh_quantum, topic.time_in_mesh_cap) == (12, 300)
    assert (topic.first_message_deliveries_weight, topic.first_message_deliveries_cap) == (1, 23)
    assert topic.first_message_deliveries_decay == pytest.approx(DECAY_20)
    assert topic.mesh_message_deliveries_weight == topic.mesh_failure_penalty_weight == 0
    assert (topic.mesh_message_deliveries_cap, topic.mesh_message_deliveries_threshold) == (160, 16)
    assert (topic.mesh_message_deliveries_window, topic.mesh_message_deliveries_activation) == (2, 1536)
    assert topic.mesh_message_deliveries_decay == topic.mesh_failure_penalty_decay == pytest.approx(DECAY_5)
    assert topic.invalid_message_deliveries_weight == -140.4475
    assert topic.invalid_message_deliveries_decay == pytest.approx(DECAY_50)


def test_ethereum_block_topic_with_deliveries_owed() -> None:
    topic = ethereum(blocks=["block"], mesh_deliveries=True).topics["block"]
    assert topic.mesh_message_deliveries_weight == topic.mesh_failure_penalty_weight == -0.717


def test_ethereum_weights_of_the_other_topics() -> None:
    subnets = [f"beacon_attestation_{number}" for number in range(64)]
    score = ethereum(aggregates=["aggregate"], attestations=subnets, operations=["exit", "slashing"])
    weights = {name: topic.topic_weight for name, topic in score.topics.items()}
    assert weights == {"aggregate": 0.5, **dict.fromkeys(subnets, 1 / 64), "exit": 0.05, "slashing": 0.05}
    for topic in score.topics.values():
        assert topic.invalid_message_deliveries_weight == -140.4475
        assert topic.invalid_message_deliveries_decay == pytest.approx(DECAY_50)
        assert topic.time_in_mesh_weight == pytest.approx(10 / 300)
        assert topic.first_message_deliveries_weight == topic.mesh_message_deliveries_weight == 0


def test_an_hour_in_all_ethereum_meshes_does_not_pass_the_cap() -> None:
    subnets = [f"beacon_attestation_{number}" for number in range(64)]
    score = PeerScore(
        ethereum(blocks=["block"], aggregates=["aggregate"], attestations=subnets), seen_ttl=768.0, now=0.0
    )
    score.add_peer(A, (), 0.0)
    for topic in ("block", "aggregate", *subnets):
        score.graft(A, topic, 0.0)
    score.refresh(3600.0)
    assert score.score(A) == pytest.approx(10 * (0.8 + 0.5 + 1.0))
    for number in range(30):
        score.deliver(A, "block", bytes([number]), 3600.0)
    assert score.score(A) == 32.72
