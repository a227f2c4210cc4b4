from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.gossipsub.score.counters import PeerCounters, TopicCounters, decayed, topic_terms
from tests.gossipsub.score.driving import QUIET, TOPIC


@pytest.mark.req("GS11-38")
@pytest.mark.parametrize(
    ("counter", "left"), [(8.0, 4.0), (0.04, 0.02), (0.02, 0.01), (0.0199, 0.0), (0.0, 0.0)]
)  # fmt: skip
def test_a_counter_below_decay_to_zero_is_zero(counter: float, left: float) -> None:
    assert decayed(counter, 0.5, 0.01) == left


@pytest.mark.req("GS11-38")
@given(st.floats(0, 1e12), st.floats(0.001, 0.999), st.floats(0.001, 0.999))
def test_every_counter_falls_to_zero(counter: float, factor: float, to_zero: float) -> None:
    for _ in range(60_000):
        before, counter = counter, decayed(counter, factor, to_zero)
        assert counter <= before
        if not counter:
            break
    assert counter == 0.0


@pytest.mark.req("GS11-30")
@pytest.mark.parametrize(
    ("seconds", "p1"),
    [(0.0, 0.0), (1.9, 0.0), (2.0, 0.25), (7.999, 0.75), (200.0, 25.0), (201.9, 25.0), (1e9, 25.0)],
)
def test_p1_counts_whole_quanta_up_to_its_cap(seconds: float, p1: float) -> None:
    topic = replace(QUIET, time_in_mesh_weight=0.25, time_in_mesh_quantum=2.0, time_in_mesh_cap=100.0)
    counters = TopicCounters()
    counters.graft(1000.0)
    assert topic_terms(counters, topic)[0] == 0.0
    counters.decay(topic, 0.01, 1000.0 + seconds)
    assert topic_terms(counters, topic) == (p1, 0.0, 0.0, 0.0, 0.0)
    counters.prune(topic)
    assert topic_terms(counters, topic)[0] == 0.0, "only in the mesh"


@pytest.mark.req("GS11-31")
def test_p2_counts_first_deliveries_up_to_its_cap_in_the_mesh_or_not() -> None:
    topic = replace(QUIET, first_message_deliveries_weight=1.5, first_message_deliveries_cap=3.0)
    counters = TopicCounters()
    terms = []
    for _ in range(4):
        counters.credit_first(topic)
        terms.append(topic_terms(counters, topic)[1])
    assert terms == [1.5, 3.0, 4.5, 4.5]
    assert counters.mesh == 0.0, "it was not in the mesh"


OWED = replace(QUIET, mesh_message_deliveries_weight=-0.5, mesh_failure_penalty_weight=-0.25)
"""10 s after GRAFT 4 deliveries are owed."""


@pytest.mark.req("GS11-32")
def test_p3_counts_after_the_activation_and_only_then() -> None:
    counters = TopicCounters()
    counters.graft(0.0)
    counters.decay(OWED, 0.01, 10.0)
    assert not counters.owing, "strictly later than the activation"
    assert topic_terms(counters, OWED)[2] == 0.0
    counters.decay(OWED, 0.01, 10.5)
    assert counters.owing
    assert topic_terms(counters, OWED)[2] == -0.5 * 4**2
    counters.graft(11.0)
    assert topic_terms(counters, OWED)[2] == 0.0


@pytest.mark.req("GS11-32")
@pytest.mark.parametrize(("copies", "p3"), [(0, -8.0), (1, -4.5), (3, -0.5), (4, 0.0), (5, 0.0)])
def test_p3_is_the_square_of_what_is_missing(copies: int, p3: float) -> None:
    counters = TopicCounters()
    counters.graft(0.0)
    counters.decay(OWED, 0.01, 11.0)
    for _ in range(copies):
        counters.credit_copy(OWED)
    assert topic_terms(counters, OWED) == (0.0, 0.0, p3, 0.0, 0.0)


@pytest.mark.req("GS11-32")
def test_deliveries_count_in_the_mesh_up_to_the_cap_and_outlast_prune_and_graft() -> None:
    counters = TopicCounters()
    counters.credit_copy(OWED)
    assert counters.mesh == 0.0
    counters.graft(0.0)
    for _ in range(5):
        counters.credit_copy(OWED)
        counters.credit_first(OWED)
    assert counters.mesh == 8.0
    counters.prune(OWED)
    counters.graft(1.0)
    assert counters.mesh == 8.0


@pytest.mark.req("GS11-33")
def test_p3b_keeps_what_was_owed_at_prune_and_p3_ends() -> None:
    counters = TopicCounters()
    for leave, p3b in ((11.0, -0.25 * 16), (22.0, -0.25 * (8 + 16))):
        counters.graft(leave - 11.0)
        counters.decay(OWED, 0.01, leave)
        counters.prune(OWED)
        assert not counters.in_mesh
        assert not counters.owing
        assert topic_terms(counters, OWED) == (0.0, 0.0, 0.0, p3b, 0.0)
    counters.prune(OWED)
    assert counters.failures == 24.0, "who is not in the mesh owes nothing"


@pytest.mark.req("GS11-33")
def test_p3b_is_not_charged_before_the_activation_nor_without_a_deficit() -> None:
    counters = TopicCounters()
    counters.graft(0.0)
    counters.decay(OWED, 0.01, 9.0)
    counters.prune(OWED)
    assert counters.failures == 0.0
    counters.graft(9.0)
    counters.decay(OWED, 0.01, 20.0)
    for _ in range(4):
        counters.credit_copy(OWED)
    counters.prune(OWED)
    assert counters.failures == 0.0


@pytest.mark.req("GS11-34")
@pytest.mark.parametrize(("invalid", "p4"), [(0, 0.0), (1, -10.0), (3, -90.0), (0.5, -2.5)])
def test_p4_is_the_square_of_the_invalid_messages(invalid: float, p4: float) -> None:
    counters = TopicCounters()
    counters.invalid = invalid
    topic = replace(QUIET, invalid_message_deliveries_weight=-10.0)
    assert topic_terms(counters, topic) == (0.0, 0.0, 0.0, 0.0, p4)


@pytest.mark.req("GS11-38")
def test_each_counter_has_its_own_factor_and_mesh_time_comes_last() -> None:
    topic = replace(
        QUIET,
        first_message_deliveries_decay=0.9,
        mesh_message_deliveries_decay=0.8,
        mesh_failure_penalty_decay=0.7,
        invalid_message_deliveries_decay=0.6,
    )
    counters = TopicCounters()
    counters.graft(0.0)
    counters.first = counters.mesh = counters.failures = counters.invalid = 10.0
    counters.decay(topic, 0.01, 3.0)
    assert (counters.first, counters.mesh, counters.failures, counters.invalid) == (9.0, 8.0, 7.0, 6.0)
    assert counters.mesh_time == 3.0
    counters.prune(topic)
    counters.decay(topic, 0.01, 4.0)
    assert counters.mesh_time == 3.0


@pytest.mark.req("GS11-40")
def test_lower_caps_lower_the_counters() -> None:
    counters = TopicCounters()
    counters.first, counters.mesh, counters.failures = 9.0, 7.0, 50.0
    counters.recap(replace(QUIET, first_message_deliveries_cap=5.0, mesh_message_deliveries_cap=6.0))
    assert (counters.first, counters.mesh, counters.failures) == (5.0, 6.0, 50.0)
    counters.recap(QUIET)
    assert (counters.first, counters.mesh) == (5.0, 6.0)


def test_a_peer_has_one_set_of_counters_a_topic() -> None:
    peer = PeerCounters()
    assert peer.connected
    assert not peer.stale
    counters = peer.topic(TOPIC)
    assert peer.stale
    assert peer.topic(TOPIC) is counters
    assert peer.topic("other") is not counters
    assert set(peer.topics) == {TOPIC, "other"}
