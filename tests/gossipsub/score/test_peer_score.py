from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from p2pstack.gossipsub import reasons
from p2pstack.gossipsub.score.config import MAX_NUMBER, TopicScoreConfig
from p2pstack.gossipsub.score.peer_score import PeerScore
from p2pstack.gossipsub.score.snapshot import TopicSnapshot
from p2pstack.identity.peer_id import PeerId
from tests.gossipsub.score.driving import QUIET, TOPIC, A, B, C, D, peer, scorer

CHARGING = replace(QUIET, invalid_message_deliveries_weight=-1.0)
"""The score is minus the square of the number of invalid messages."""

CONSTANTS = {getattr(reasons, name) for name in reasons.__all__ if name != "BLAMELESS"}
SENDER_ONLY = CONSTANTS - reasons.BLAMELESS - {reasons.REJECTED}


def topic_of(score: PeerScore, who: PeerId, topic: str = TOPIC) -> TopicSnapshot:
    shown = score.inspect(who)
    assert shown is not None
    return shown.topics[topic]


def invalid(score: PeerScore, who: PeerId) -> float:
    shown = score.inspect(who)
    assert shown is not None
    return shown.topics[TOPIC].invalid_message_deliveries if shown.topics else 0.0


def delivered(score: PeerScore, who: PeerId) -> float:
    return topic_of(score, who).mesh_message_deliveries


def in_mesh(*peers: PeerId, topic: TopicScoreConfig = QUIET) -> PeerScore:
    score = scorer(*peers, topic=topic)
    for each in peers:
        score.graft(each, TOPIC, 0.0)
    return score


# Deliveries.


@pytest.mark.req("GS11-31")
def test_the_first_sender_of_a_valid_message_is_credited() -> None:
    score = in_mesh(A)
    score.add_peer(B, (), 0.0)
    for number, who in enumerate((A, B)):
        score.validate(who, TOPIC, bytes([number]), 1.0)
        score.deliver(who, TOPIC, bytes([number]), 2.0)
    assert (topic_of(score, A).first_message_deliveries, delivered(score, A)) == (1.0, 1.0)
    assert (topic_of(score, B).first_message_deliveries, delivered(score, B)) == (1.0, 0.0)


@pytest.mark.req("GS11-31")
def test_a_message_is_delivered_once() -> None:
    score = in_mesh(A)
    score.deliver(A, TOPIC, b"1", 1.0)
    score.deliver(A, TOPIC, b"1", 1.0)
    assert topic_of(score, A).first_message_deliveries == 1.0


@pytest.mark.req("GS11-32")
def test_copies_during_validation_count_once_it_ends_well() -> None:
    score = in_mesh(A, B, C)
    score.validate(A, TOPIC, b"1", 0.0)
    score.duplicate(B, TOPIC, b"1", 1.0)
    score.duplicate(B, TOPIC, b"1", 2.0)
    score.duplicate(C, TOPIC, b"1", 50.0)
    assert delivered(score, B) == 0.0
    score.deliver(A, TOPIC, b"1", 60.0)
    assert [delivered(score, each) for each in (A, B, C)] == [1.0, 1.0, 1.0]
    score.duplicate(B, TOPIC, b"1", 60.0)
    assert delivered(score, B) == 1.0, "each peer counts once a message"


@pytest.mark.req("GS11-32")
@pytest.mark.parametrize(("seconds", "counts"), [(0.0, True), (2.0, True), (2.25, False)])
def test_copies_after_validation_count_within_the_window(seconds: float, counts: bool) -> None:
    score = in_mesh(A, B)
    score.validate(A, TOPIC, b"1", 0.0)
    score.deliver(A, TOPIC, b"1", 4.0)
    for _ in range(2):
        score.duplicate(B, TOPIC, b"1", 4.0 + seconds)
    assert delivered(score, B) == float(counts)


@pytest.mark.req("GS11-32")
def test_the_first_sender_gains_nothing_by_sending_again() -> None:
    score = in_mesh(A)
    score.validate(A, TOPIC, b"1", 0.0)
    score.duplicate(A, TOPIC, b"1", 0.0)
    score.deliver(A, TOPIC, b"1", 0.0)
    score.duplicate(A, TOPIC, b"1", 0.0)
    assert delivered(score, A) == 1.0


@pytest.mark.req("GS11-32")
def test_copies_from_outside_of_the_mesh_do_not_count() -> None:
    score = in_mesh(A)
    score.add_peer(B, (), 0.0)
    score.validate(A, TOPIC, b"1", 0.0)
    score.duplicate(B, TOPIC, b"1", 0.0)
    score.deliver(A, TOPIC, b"1", 0.0)
    assert delivered(score, B) == 0.0


@pytest.mark.req("GS11-32")
def test_who_is_forgotten_before_the_verdict_does_not_matter() -> None:
    score = scorer(A, B, topic=replace(QUIET, first_message_deliveries_weight=1.0))
    score.deliver(B, TOPIC, b"1", 0.0)
    score.validate(A, TOPIC, b"2", 0.0)
    score.duplicate(B, TOPIC, b"2", 0.0)
    score.remove_peer(B, 0.0)
    score.deliver(A, TOPIC, b"2", 1.0)
    assert score.score(A) == 1.0
    assert list(score.inspect_all()) == [A]


@pytest.mark.req("GS11-32")
def test_copies_of_own_messages_count() -> None:
    score = in_mesh(A)
    score.deliver(peer("ourselves"), TOPIC, b"1", 0.0)
    score.duplicate(A, TOPIC, b"1", 1.0)
    assert delivered(score, A) == 1.0
    assert list(score.inspect_all()) == [A]


@pytest.mark.req("GS11-41")
def test_messages_that_are_too_old_are_unknown() -> None:
    score = in_mesh(A, B)
    score.validate(A, TOPIC, b"1", 0.0)
    score.reject(A, TOPIC, b"1", reasons.REJECTED, 0.0)
    score.update(119.0)
    score.duplicate(B, TOPIC, b"1", 119.0)
    assert invalid(score, B) == 1.0
    score.update(120.0)
    score.duplicate(B, TOPIC, b"1", 120.0)
    assert invalid(score, B) == 0.5, "it only decayed"


@pytest.mark.req("GS11-41", "GEN-04")
def test_a_flood_of_messages_drops_the_oldest_records() -> None:
    score = scorer(A, B, topic=CHARGING, max_deliveries=2)
    score.validate(A, TOPIC, b"1", 0.0)
    score.reject(A, TOPIC, b"1", reasons.REJECTED, 0.0)
    for message_id in (b"2", b"3"):
        score.validate(A, TOPIC, message_id, 0.0)
    score.duplicate(B, TOPIC, b"1", 0.0)
    assert invalid(score, B) == 0.0


def test_topics_that_are_not_scored_leave_no_trace() -> None:
    score = scorer(A, B, topic=CHARGING)
    score.graft(A, "other", 0.0)
    score.validate(A, "other", b"1", 0.0)
    score.duplicate(B, "other", b"1", 0.0)
    score.reject(A, "other", b"1", reasons.REJECTED, 0.0)
    score.reject(A, "other", b"2", reasons.BAD_SIGNATURE, 0.0)
    score.deliver(A, "other", b"3", 0.0)
    score.prune(A, "other")
    assert all(not shown.topics and shown.score == 0.0 for shown in score.inspect_all().values())


def test_a_copy_in_a_topic_that_is_not_scored_says_nothing_about_the_message() -> None:
    score = in_mesh(A, B)
    score.validate(A, TOPIC, b"1", 0.0)
    score.duplicate(B, "other", b"1", 0.0)
    score.deliver(A, TOPIC, b"1", 0.0)
    assert delivered(score, B) == 0.0


# Verdicts.


@pytest.mark.req("GS11-34")
def test_a_rejected_message_costs_all_that_sent_it() -> None:
    score = scorer(A, B, C, D, topic=CHARGING)
    score.validate(A, TOPIC, b"1", 0.0)
    for who in (B, B, A, C):
        score.duplicate(who, TOPIC, b"1", 0.0)
    score.reject(A, TOPIC, b"1", reasons.REJECTED, 1.0)
    assert [invalid(score, each) for each in (A, B, C, D)] == [1.0, 1.0, 1.0, 0.0]
    assert score.score(A) == -1.0


@pytest.mark.req("GS11-34")
def test_every_copy_of_a_rejected_message_costs() -> None:
    score = scorer(A, B, topic=CHARGING)
    score.reject(A, TOPIC, b"1", reasons.REJECTED, 0.0)
    for who in (A, B, B, B):
        score.duplicate(who, TOPIC, b"1", 1.0)
    assert (invalid(score, A), invalid(score, B)) == (2.0, 3.0)
    assert (score.score(A), score.score(B)) == (-4.0, -9.0)


@pytest.mark.req("GS11-34")
def test_a_verdict_is_given_once() -> None:
    score = scorer(A, topic=CHARGING)
    for reason in (reasons.REJECTED, reasons.REJECTED, reasons.IGNORED):
        score.reject(A, TOPIC, b"1", reason, 0.0)
    score.deliver(A, TOPIC, b"1", 0.0)
    score.duplicate(A, TOPIC, b"1", 0.0)
    assert invalid(score, A) == 2.0
    assert topic_of(score, A).first_message_deliveries == 0.0


@pytest.mark.req("GS11-34")
def test_the_reasons_that_concern_one_copy_are_these() -> None:
    of_one_copy = {
        reasons.BAD_KEY,
        reasons.BAD_SEQNO,
        reasons.BAD_SIGNATURE,
        reasons.BAD_SOURCE,
        reasons.MISSING_SIGNATURE,
        reasons.MISSING_SOURCE,
        reasons.SELF_ORIGIN,
        reasons.UNEXPECTED_AUTH,
        reasons.UNEXPECTED_SIGNATURE,
    }
    assert of_one_copy == SENDER_ONLY


@pytest.mark.req("GS11-34")
@pytest.mark.parametrize("reason", sorted(SENDER_ONLY))
def test_a_bad_copy_costs_its_sender_alone_and_the_message_may_still_be_good(reason: str) -> None:
    score = in_mesh(A, B, C)
    score.validate(A, TOPIC, b"1", 0.0)
    score.duplicate(B, TOPIC, b"1", 0.0)
    score.reject(C, TOPIC, b"1", reason, 0.0)
    assert [invalid(score, each) for each in (A, B, C)] == [0.0, 0.0, 1.0]
    score.deliver(A, TOPIC, b"1", 0.0)
    assert [delivered(score, each) for each in (A, B, C)] == [1.0, 1.0, 0.0]


@pytest.mark.req("GS11-34")
@pytest.mark.parametrize("reason", sorted(reasons.BLAMELESS))
def test_nobody_is_charged_for_other_reasons(reason: str) -> None:
    score = in_mesh(A, B, topic=CHARGING)
    score.validate(A, TOPIC, b"1", 0.0)
    score.duplicate(B, TOPIC, b"1", 0.0)
    score.reject(A, TOPIC, b"1", reason, 0.0)
    score.duplicate(B, TOPIC, b"1", 0.0)
    assert score.score(A) == score.score(B) == 0.0
    score.deliver(A, TOPIC, b"1", 0.0)
    settled = reason in {reasons.IGNORED, reasons.THROTTLED}
    assert delivered(score, A) == delivered(score, B) == float(not settled)


@pytest.mark.req("GS11-34")
def test_invalid_messages_count_in_each_topic_alone() -> None:
    score = scorer(A, topic=CHARGING)
    score.replace_topic("other", replace(CHARGING, topic_weight=0.25))
    for topic, count in ((TOPIC, 2), ("other", 4)):
        for _ in range(count):
            score.reject(A, topic, b"", reasons.BAD_SIGNATURE, 0.0)
    assert score.score(A) == -(2**2) - 0.25 * 4**2


@pytest.mark.req("GS11-41")
@pytest.mark.parametrize("reason", [reasons.REJECTED, reasons.IGNORED, reasons.THROTTLED])
def test_who_sent_a_message_that_was_not_accepted_is_not_kept(reason: str) -> None:
    score = scorer(A, B, C)
    score.validate(A, TOPIC, b"1", 0.0)
    score.duplicate(B, TOPIC, b"1", 0.0)
    record = score._deliveries.get(b"1")
    assert record is not None
    assert record.others == {B}
    score.reject(A, TOPIC, b"1", reason, 0.0)
    score.duplicate(C, TOPIC, b"1", 0.0)
    assert record.others is None


# The sum.


def test_unknown_peers_have_a_score_of_zero_and_nothing_touches_them() -> None:
    score = scorer(topic=CHARGING)
    score.graft(A, TOPIC, 0.0)
    score.prune(A, TOPIC)
    score.add_penalty(A, 3)
    score.set_ips(A, ["192.0.2.1"])
    score.reject(A, TOPIC, b"1", reasons.BAD_SIGNATURE, 0.0)
    score.reject(A, TOPIC, b"2", reasons.REJECTED, 0.0)
    score.duplicate(A, TOPIC, b"2", 0.0)
    score.validate(B, TOPIC, b"3", 0.0)
    score.duplicate(A, TOPIC, b"3", 0.0)
    score.deliver(B, TOPIC, b"3", 0.0)
    score.remove_peer(A, 0.0)
    assert score.score(A) == 0.0
    assert score.inspect_all() == {}


def test_the_cap_limits_what_topics_add_and_not_what_they_cost() -> None:
    topic = replace(CHARGING, first_message_deliveries_weight=1.0)
    score = scorer(A, topic=topic, topic_score_cap=3.0, app_specific_weight=1.0, app_specific_score=lambda _: 2.0)
    for number in range(5):
        score.deliver(A, TOPIC, bytes([number]), 0.0)
    assert score.score(A) == 3.0 + 2.0
    for _ in range(3):
        score.reject(A, TOPIC, b"", reasons.BAD_SIGNATURE, 0.0)
    assert score.score(A) == 5.0 - 9.0 + 2.0


def test_a_cap_of_zero_is_none() -> None:
    score = scorer(A, topic=replace(QUIET, first_message_deliveries_weight=1.0))
    for number in range(5):
        score.deliver(A, TOPIC, bytes([number]), 0.0)
    assert score.score(A) == 5.0


@pytest.mark.req("GS11-35")
@pytest.mark.parametrize(
    ("opinion", "counts"),
    [
        (3.0, 3.0),
        (-3.0, -3.0),
        (math.inf, MAX_NUMBER),
        (-math.inf, -MAX_NUMBER),
        (math.nan, 0.0),
        (-1e300, -MAX_NUMBER),
    ],
)
def test_what_the_application_says_is_kept_finite(opinion: float, counts: float) -> None:
    score = scorer(A, app_specific_weight=0.5, app_specific_score=lambda _: opinion)
    assert score.score(A) == 0.5 * counts
    shown = score.inspect(A)
    assert shown is not None
    assert (shown.app_specific_score, shown.p5_app_specific) == (counts, 0.5 * counts)


@pytest.mark.req("GS11-35")
def test_the_application_may_change_its_mind_at_any_time() -> None:
    opinions = {A: 1.0}
    score = scorer(A, app_specific_weight=2.0, app_specific_score=opinions.__getitem__)
    assert score.score(A) == 2.0
    opinions[A] = -4.0
    assert score.score(A) == -8.0


@pytest.mark.req("GS11-36")
def test_peers_on_one_address_are_charged_once_they_are_too_many() -> None:
    score = scorer(ip_colocation_weight=-2.0, ip_colocation_threshold=2.0)
    scores = []
    for number in range(4):
        score.add_peer(peer(str(number)), ["192.0.2.1"], 0.0)
        scores.append(score.score(peer("0")))
    assert scores == [0.0, 0.0, -2.0, -8.0]
    score.set_ips(peer("3"), ["192.0.2.2", "2001:db8::1"])
    assert score.score(peer("0")) == -2.0
    assert score.score(peer("3")) == 0.0


@pytest.mark.req("GS11-36")
def test_ipv6_peers_of_one_64_are_charged() -> None:
    score = scorer(ip_colocation_weight=-1.0, ip_colocation_threshold=1.0, ip_colocation_whitelist=("2001:db8:1::/48",))
    for number in range(3):
        score.add_peer(peer(f"near {number}"), [f"2001:db8::{number + 1}"], 0.0)
        score.add_peer(peer(f"own {number}"), [f"2001:db8:1::{number + 1}"], 0.0)
    assert score.score(peer("near 0")) == -4.0
    assert score.score(peer("own 0")) == 0.0


@pytest.mark.req("GS11-37")
def test_faults_beyond_the_threshold_are_squared() -> None:
    score = scorer(A, behaviour_penalty_weight=-0.5, behaviour_penalty_threshold=2.0)
    scores = []
    for count in (1, 1, 1, 3):
        score.add_penalty(A, count)
        scores.append(score.score(A))
    assert scores == [0.0, 0.0, -0.5, -8.0]
    score.refresh(1.0)
    assert score.score(A) == -0.5
    score.refresh(2.0)
    assert score.score(A) == 0.0


# Time.


@pytest.mark.req("GS11-38")
def test_counters_decay_at_each_interval() -> None:
    score = scorer(A, decay_interval=12.0)
    assert score.next_timeout() == 12.0
    score.add_penalty(A, 8)

    def faults_at(now: float) -> float:
        score.update(now)
        shown = score.inspect(A)
        assert shown is not None
        return shown.behaviour_penalty

    assert [faults_at(now) for now in (11.9, 12.0, 12.0, 23.9, 24.5)] == [8.0, 4.0, 4.0, 4.0, 2.0]
    assert score.next_timeout() == 36.0
    assert faults_at(80.0) == 1.0, "decays that were missed are not made up for"
    assert score.next_timeout() == 84.0


@pytest.mark.req("GS11-38")
@given(st.lists(st.floats(0.001, 30), min_size=1, max_size=30), st.floats(1, 20))
def test_the_next_decay_is_always_ahead(pauses: list[float], interval: float) -> None:
    score = scorer(decay_interval=interval)
    now = 0.0
    for pause in pauses:
        now += pause
        score.update(now)
        assert now < score.next_timeout() <= now + interval * 1.000001


@pytest.mark.req("GS11-40")
def test_a_topic_with_lower_caps_lowers_what_was_counted() -> None:
    topic = replace(QUIET, first_message_deliveries_weight=1.0)
    score = scorer(A, B, topic=topic)
    for number in range(10):
        score.deliver(A, TOPIC, bytes([number]), 0.0)
    assert score.score(A) == 10.0
    score.replace_topic(TOPIC, replace(topic, first_message_deliveries_cap=4.0))
    assert score.score(A) == 4.0
    assert score.score(B) == 0.0
    score.replace_topic(TOPIC, replace(topic, first_message_deliveries_weight=2.0))
    assert score.score(A) == 8.0
    assert score.config.topics[TOPIC] is topic, "the configuration itself does not change"


# Peers that left.


def owing(score: PeerScore, who: PeerId) -> None:
    """Let a peer owe all deliveries of the topic, at 11.0."""
    score.graft(who, TOPIC, 0.0)
    score.refresh(11.0)


@pytest.mark.req("GS11-39")
def test_a_good_peer_is_forgotten_at_once() -> None:
    score = scorer(A, topic=replace(QUIET, first_message_deliveries_weight=1.0))
    score.deliver(A, TOPIC, b"1", 0.0)
    score.remove_peer(A, 0.0)
    assert score.inspect(A) is None


@pytest.mark.req("GS11-39")
def test_the_score_before_leaving_decides() -> None:
    """P3b, which comes with leaving, does not: a peer with credit is forgotten with what it owes."""
    score = scorer(A, topic=replace(QUIET, first_message_deliveries_weight=1.0, mesh_failure_penalty_weight=-1.0))
    owing(score, A)
    score.deliver(A, TOPIC, b"1", 11.0)
    assert score.score(A) == 1.0
    score.remove_peer(A, 11.0)
    assert score.inspect(A) is None


@pytest.mark.req("GS11-39")
def test_a_peer_without_credit_is_kept_as_it_left() -> None:
    topic = replace(CHARGING, first_message_deliveries_weight=1.0, mesh_failure_penalty_weight=-1.0)
    score = scorer(A, topic=topic)
    owing(score, A)
    score.deliver(A, TOPIC, b"1", 11.0)
    for _ in range(2):
        score.reject(A, TOPIC, b"", reasons.BAD_SIGNATURE, 11.0)
    assert score.score(A) == 1.0 - 4.0
    score.remove_peer(A, 11.0)
    assert score.score(A) == 0.0 - 9.0 - 4.0, "no credit any more, and three deliveries were missing"
    assert not topic_of(score, A).in_mesh
    for now in (12.0, 20.0, 41.0):
        score.refresh(now)
        assert score.score(A) == -13.0, "nothing decays"
    score.remove_peer(A, 41.0)
    score.refresh(41.5)
    assert score.inspect(A) is None, "it did not leave a second time"


@pytest.mark.req("GS11-39")
def test_who_comes_back_has_its_score_again() -> None:
    score = scorer(A, behaviour_penalty_weight=-1.0)
    score.add_penalty(A, 4)
    score.remove_peer(A, 0.0)
    score.add_peer(A, (), 30.0)
    assert score.score(A) == -16.0
    score.refresh(31.0)
    assert score.score(A) == -4.0, "it decays again"
    score.remove_peer(A, 31.0)
    score.add_peer(A, (), 61.5)
    assert score.score(A) == 0.0, "its time was over, though no decay came between"


@pytest.mark.req("GS11-39")
def test_connecting_twice_is_connecting_once() -> None:
    score = scorer(A, behaviour_penalty_weight=-1.0, ip_colocation_weight=-1.0, ip_colocation_threshold=1.0)
    score.add_penalty(A, 2)
    for _ in range(2):
        score.add_peer(A, ["192.0.2.1"], 0.0)
    assert score.score(A) == -4.0
    shown = score.inspect(A)
    assert shown is not None
    assert shown.peers_by_ip == {"192.0.2.1": 1}


@pytest.mark.req("GS11-36", "GS11-39")
def test_the_address_of_a_peer_that_left_still_counts_until_it_is_forgotten() -> None:
    score = scorer(ip_colocation_weight=-1.0, ip_colocation_threshold=1.0)
    score.add_peer(A, ["192.0.2.1"], 0.0)
    score.add_peer(B, ["192.0.2.1"], 0.0)
    score.remove_peer(A, 0.0)
    assert score.score(B) == -1.0
    score.refresh(30.5)
    assert score.score(B) == 0.0
    assert score.inspect(A) is None


@pytest.mark.req("GS11-39")
def test_verdicts_on_a_peer_that_left_may_charge_but_not_credit_it() -> None:
    topic = replace(CHARGING, first_message_deliveries_weight=1.0)
    score = scorer(A, B, topic=topic)
    score.graft(A, TOPIC, 0.0)
    for who, message_id in ((A, b"1"), (A, b"2"), (B, b"3")):
        score.validate(who, TOPIC, message_id, 0.0)
    score.duplicate(A, TOPIC, b"3", 0.0)
    score.remove_peer(A, 0.0)
    score.deliver(A, TOPIC, b"1", 1.0)
    score.deliver(B, TOPIC, b"3", 1.0)
    assert (score.score(A), score.score(B)) == (0.0, 1.0)
    score.reject(A, TOPIC, b"2", reasons.REJECTED, 1.0)
    score.graft(A, TOPIC, 1.0)
    assert score.score(A) == -1.0
    assert (topic_of(score, A).in_mesh, delivered(score, A)) == (False, 0.0)


@pytest.mark.req("GS11-39", "GEN-04")
def test_a_flood_of_peers_that_leave_is_bounded_and_spares_the_worst() -> None:
    score = scorer(A, behaviour_penalty_weight=-1.0, max_retained=3)
    score.add_penalty(A, 5)
    score.remove_peer(A, 0.0)
    for number in range(50):
        score.add_peer(peer(str(number)), ["192.0.2.1"], 0.0)
        score.remove_peer(peer(str(number)), 0.0)
    assert len(score.inspect_all()) == 3
    assert score.score(A) == -25.0


def test_with_no_room_nobody_is_kept() -> None:
    score = scorer(A, behaviour_penalty_weight=-1.0, max_retained=0)
    score.add_penalty(A, 5)
    score.remove_peer(A, 0.0)
    assert score.inspect_all() == {}


# Whatever happens.

EVERYTHING = TopicScoreConfig(
    topic_weight=0.5,
    time_in_mesh_weight=0.25,
    time_in_mesh_quantum=1.0,
    time_in_mesh_cap=20.0,
    first_message_deliveries_weight=1.5,
    first_message_deliveries_cap=5.0,
    mesh_message_deliveries_weight=-0.25,
    mesh_message_deliveries_cap=8.0,
    mesh_message_deliveries_threshold=4.0,
    mesh_message_deliveries_window=2.0,
    mesh_failure_penalty_weight=-0.125,
    invalid_message_deliveries_weight=-10.0,
)

PEERS = [peer(str(number)) for number in range(6)]
TOPICS = [TOPIC, "other", "not scored"]
MESSAGES = [bytes([number]) for number in range(8)]
ALL_REASONS = [reasons.REJECTED, reasons.BAD_SIGNATURE, *sorted(reasons.BLAMELESS)]
IPS = ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "127.0.0.1"]

Step = Callable[[PeerScore, float], None]


def steps() -> st.SearchStrategy[Step]:
    peers, topics, messages = st.sampled_from(PEERS), st.sampled_from(TOPICS), st.sampled_from(MESSAGES)
    ips = st.lists(st.sampled_from(IPS), max_size=3)
    return st.one_of(
        st.builds(lambda p, i: lambda s, now: s.add_peer(p, i, now), peers, ips),
        st.builds(lambda p: lambda s, now: s.remove_peer(p, now), peers),
        st.builds(lambda p, i: lambda s, _: s.set_ips(p, i), peers, ips),
        st.builds(lambda p, t: lambda s, now: s.graft(p, t, now), peers, topics),
        st.builds(lambda p, t: lambda s, _: s.prune(p, t), peers, topics),
        st.builds(lambda p, t, m: lambda s, now: s.validate(p, t, m, now), peers, topics, messages),
        st.builds(lambda p, t, m: lambda s, now: s.deliver(p, t, m, now), peers, topics, messages),
        st.builds(lambda p, t, m: lambda s, now: s.duplicate(p, t, m, now), peers, topics, messages),
        st.builds(
            lambda p, t, m, r: lambda s, now: s.reject(p, t, m, r, now),
            peers, topics, messages, st.sampled_from(ALL_REASONS),
        ),
        st.builds(lambda p, c: lambda s, _: s.add_penalty(p, c), peers, st.integers(0, 5)),
        st.builds(lambda t: lambda s, _: s.replace_topic(t, EVERYTHING), st.sampled_from(TOPICS[:2])),
        st.just(lambda s, now: s.update(now)),
    )  # fmt: skip


def eventful() -> PeerScore:
    return scorer(
        *PEERS[:3],
        topic=EVERYTHING,
        topic_score_cap=6.0,
        app_specific_weight=2.0,
        app_specific_score={each: number - 2.0 for number, each in enumerate(PEERS)}.__getitem__,
        ip_colocation_weight=-7.0,
        ip_colocation_threshold=1.0,
        behaviour_penalty_weight=-1.25,
        behaviour_penalty_threshold=1.0,
        max_deliveries=4,
        max_retained=2,
    )


@settings(max_examples=300)
@given(st.lists(st.tuples(steps(), st.sampled_from([0.0, 0.5, 1.0, 6.0, 40.0])), max_size=40))
def test_the_score_is_finite_up_to_date_and_the_memory_bounded(story: list[tuple[Step, float]]) -> None:
    score = eventful()
    now = 0.0
    for step, pause in story:
        now += pause
        step(score, now)
        before = {each: score.score(each) for each in PEERS}
        shown = score.inspect_all()
        for each, quick in before.items():
            assert math.isfinite(quick)
            # The sum that is kept between changes is the one that is worked out anew for a snapshot.
            assert quick == pytest.approx(shown[each].score if each in shown else 0.0, abs=1e-9)
        assert sum(not each.connected for each in shown.values()) <= 2
        assert len(score._deliveries) <= 4
        counted = {name: size for each in shown.values() for name, size in each.peers_by_ip.items()}
        assert len(score._colocation) == len(counted)
        for name, size in counted.items():
            assert size == sum(name in each.peers_by_ip for each in shown.values())


@pytest.mark.req("GS11-38")
@given(st.lists(st.tuples(steps(), st.sampled_from([0.0, 0.5, 1.0])), max_size=40))
def test_what_is_left_alone_decays_to_nothing(story: list[tuple[Step, float]]) -> None:
    score = eventful()
    now = 0.0
    for step, pause in story:
        now += pause
        step(score, now)
    for each in PEERS:
        for topic in TOPICS:
            score.prune(each, topic)

    def counters() -> list[float]:
        values = []
        for each in PEERS:
            shown = score.inspect(each)
            if shown is None or not shown.connected:
                continue
            values.append(shown.behaviour_penalty)
            for topic in shown.topics.values():
                values += [
                    topic.first_message_deliveries,
                    topic.mesh_message_deliveries,
                    topic.mesh_failure_penalty,
                    topic.invalid_message_deliveries,
                ]
        return values

    before = counters()
    for tick in range(20):
        score.refresh(now + tick)
        after = counters()
        assert all(new < old or new == old == 0.0 for new, old in zip(after, before, strict=True))
        before = after
    assert not any(before)
    for shown in score.inspect_all().values():
        if shown.connected:
            assert shown.score == pytest.approx(shown.p5_app_specific + shown.p6_ip_colocation)


@given(st.lists(st.floats(0, 1e12, exclude_min=True), min_size=4, max_size=4))
def test_the_largest_numbers_do_not_overflow(weights: list[float]) -> None:
    topic = replace(
        EVERYTHING,
        topic_weight=MAX_NUMBER,
        mesh_message_deliveries_weight=-weights[0],
        mesh_failure_penalty_weight=-weights[1],
        invalid_message_deliveries_weight=-weights[2],
        mesh_message_deliveries_threshold=MAX_NUMBER,
        mesh_message_deliveries_cap=MAX_NUMBER,
    )
    score = scorer(
        A,
        topic=topic,
        behaviour_penalty_weight=-weights[3],
        app_specific_weight=-MAX_NUMBER,
        app_specific_score=lambda _: math.inf,
    )
    for start in (0.0, 100.0, 200.0):
        score.graft(A, TOPIC, start)
        score.reject(A, TOPIC, b"", reasons.BAD_SIGNATURE, start)
        score.add_penalty(A, 1e300)
        score.refresh(start + 50.0)
        score.prune(A, TOPIC)
        assert math.isfinite(score.score(A))
        assert score.score(A) < -1e20
