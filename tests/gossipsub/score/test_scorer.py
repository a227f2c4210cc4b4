from __future__ import annotations

from math import inf

from p2pstack.gossipsub import reasons
from p2pstack.gossipsub.score.config import TopicScoreConfig
from p2pstack.gossipsub.score.scorer import NoScore, Scorer
from tests.gossipsub.score.driving import TOPIC, A, scorer


def misbehave(score: Scorer) -> None:
    """Tell a scorer of everything that can happen, the bad parts most."""
    score.replace_topic(TOPIC, TopicScoreConfig())
    score.add_peer(A, ["192.0.2.1"], 0.0)
    score.set_ips(A, ["192.0.2.2"])
    score.graft(A, TOPIC, 0.0)
    score.validate(A, TOPIC, b"1", 0.0)
    score.deliver(A, TOPIC, b"1", 0.0)
    score.duplicate(A, TOPIC, b"1", 0.0)
    score.reject(A, TOPIC, b"2", reasons.REJECTED, 0.0)
    score.prune(A, TOPIC)
    score.add_penalty(A, 100)
    score.update(10.0)
    score.add_penalty(A, 100)
    score.remove_peer(A, 11.0)


def test_without_scoring_everybody_has_a_score_of_zero() -> None:
    score = NoScore()
    misbehave(score)
    assert score.score(A) == 0.0
    assert score.inspect(A) is None
    assert score.inspect_all() == {}
    assert score.next_timeout() == inf


def test_without_scoring_zero_is_below_no_threshold() -> None:
    score: Scorer = NoScore()
    thresholds = (
        score.gossip_threshold,
        score.publish_threshold,
        score.graylist_threshold,
        score.accept_px_threshold,
        score.opportunistic_graft_threshold,
    )
    assert not any(score.score(A) < threshold for threshold in thresholds)


def test_with_scoring_the_same_story_ends_below_zero() -> None:
    score: Scorer = scorer(behaviour_penalty_weight=-1.0)
    misbehave(score)
    assert score.score(A) < score.graylist_threshold
    assert list(score.inspect_all()) == [A]
    assert 11.0 <= score.next_timeout() < inf
