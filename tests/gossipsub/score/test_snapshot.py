from __future__ import annotations

from dataclasses import replace

import pytest

from p2pstack.gossipsub import reasons
from p2pstack.gossipsub.score.snapshot import ScoreSnapshot, TopicSnapshot
from tests.gossipsub.score.driving import QUIET, TOPIC, A, B, C, scorer

EVERYTHING = replace(
    QUIET,
    topic_weight=0.5,
    time_in_mesh_weight=0.25,
    first_message_deliveries_weight=2.0,
    mesh_message_deliveries_weight=-1.0,
    mesh_failure_penalty_weight=-0.5,
    invalid_message_deliveries_weight=-3.0,
)


def test_a_snapshot_shows_every_term_and_every_counter() -> None:
    score = scorer(
        topic=EVERYTHING,
        app_specific_score={A: 7.0, B: 0.0, C: 0.0}.__getitem__,
        app_specific_weight=0.5,
        ip_colocation_weight=-0.25,
        ip_colocation_threshold=1.0,
        behaviour_penalty_weight=-0.125,
        behaviour_penalty_threshold=1.0,
    )
    for each in (A, B, C):
        score.add_peer(each, ["192.0.2.1"], 0.0)
    score.graft(A, TOPIC, 0.0)
    score.refresh(11.0)  # P3 counts from now on: 4 are owed, and A has 0
    score.prune(A, TOPIC)  # P3b: 16
    score.graft(A, TOPIC, 11.0)
    score.deliver(A, TOPIC, b"1", 11.0)
    score.deliver(A, TOPIC, b"2", 11.0)
    score.reject(A, TOPIC, b"3", reasons.BAD_SIGNATURE, 11.0)
    score.add_penalty(A, 6)
    score.refresh(23.5)  # every counter halves; A is in the mesh for 12.5 s

    assert score.inspect(A) == ScoreSnapshot(
        peer=A,
        connected=True,
        retained_until=None,
        score=-4.375 + 3.5 - 1.0 - 0.5,
        topics={
            TOPIC: TopicSnapshot(
                in_mesh=True,
                mesh_time=12.5,
                deliveries_owed=True,
                first_message_deliveries=1.0,
                mesh_message_deliveries=1.0,
                mesh_failure_penalty=8.0,
                invalid_message_deliveries=0.5,
                p1_time_in_mesh=3.0,
                p2_first_message_deliveries=2.0,
                p3_mesh_message_deliveries=-9.0,
                p3b_mesh_failure_penalty=-4.0,
                p4_invalid_message_deliveries=-0.75,
                score=-4.375,
            )
        },
        topic_score=-4.375,
        app_specific_score=7.0,
        p5_app_specific=3.5,
        peers_by_ip={"192.0.2.1": 3},
        p6_ip_colocation=-1.0,
        behaviour_penalty=3.0,
        p7_behaviour_penalty=-0.5,
    )


def test_a_snapshot_of_a_peer_that_left_says_until_when_it_is_kept() -> None:
    score = scorer(A, B, behaviour_penalty_weight=-1.0)
    score.add_penalty(A, 2)
    score.remove_peer(A, 5.0)
    shown = score.inspect_all()
    assert list(shown) == [A, B]
    assert (shown[A].connected, shown[A].retained_until, shown[A].score) == (False, 35.0, -4.0)
    assert (shown[B].connected, shown[B].retained_until, shown[B].score) == (True, None, 0.0)
    assert score.inspect(C) is None


@pytest.mark.parametrize("field", ["score", "peers_by_ip"])
def test_a_snapshot_does_not_change(field: str) -> None:
    score = scorer(A)
    shown = score.inspect(A)
    before = getattr(shown, field)
    score.add_penalty(A, 1)
    score.set_ips(A, ["192.0.2.1"])
    assert getattr(shown, field) == before
