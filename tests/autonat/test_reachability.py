from __future__ import annotations

from math import inf

import pytest

from p2pstack.autonat.config import ConfidenceConfig
from p2pstack.autonat.reachability import Confidence, Reachability

CONFIG = ConfidenceConfig(confirmations=4, recheck_interval=900.0, recheck_spread=0.5, answer_ttl=3600.0, max_answers=6)
UNKNOWN, PUBLIC, PRIVATE = Reachability.UNKNOWN, Reachability.PUBLIC, Reachability.PRIVATE


def told(confidence: Confidence, groups: str, *, reachable: bool, now: float = 0.0, jitter: float = 0.0) -> None:
    for group in groups:
        confidence.record(group, reachable=reachable, now=now, jitter=jitter)


@pytest.mark.req("AUTONAT1-04")
@pytest.mark.parametrize(("reachable", "belief"), [(True, PUBLIC), (False, PRIVATE)])
def test_more_than_three_agreeing_groups_decide(*, reachable: bool, belief: Reachability) -> None:
    confidence = Confidence(CONFIG)
    told(confidence, "abc", reachable=reachable)
    assert confidence.reachability is UNKNOWN
    told(confidence, "d", reachable=reachable)
    assert confidence.reachability is belief


@pytest.mark.req("AUTONAT1-04")
def test_one_group_has_one_voice_however_often_it_speaks() -> None:
    confidence = Confidence(CONFIG)
    for _ in range(100):
        told(confidence, "a", reachable=True)
    assert confidence.reachability is UNKNOWN
    assert confidence.missing(0.0) == 3


def test_a_liar_among_honest_servers_delays_and_does_not_decide() -> None:
    confidence = Confidence(CONFIG)
    told(confidence, "x", reachable=False)
    told(confidence, "abcd", reachable=True)
    assert confidence.reachability is UNKNOWN
    told(confidence, "e", reachable=True)
    assert confidence.reachability is PUBLIC


def test_a_belief_lasts_until_half_of_its_lead_is_gone() -> None:
    confidence = Confidence(CONFIG)
    told(confidence, "abcd", reachable=True)
    told(confidence, "a", reachable=False)  # 3 : 1
    assert confidence.reachability is PUBLIC
    told(confidence, "b", reachable=False)  # 2 : 2
    assert confidence.reachability is UNKNOWN
    told(confidence, "cdef", reachable=False)
    assert confidence.reachability is PRIVATE
    told(confidence, "ab", reachable=True)  # 2 : 4
    assert confidence.reachability is PRIVATE
    told(confidence, "c", reachable=True)
    assert confidence.reachability is UNKNOWN


@pytest.mark.req("AUTONAT1-04")
def test_a_settled_address_is_asked_about_again_later_and_not_all_at_once() -> None:
    early, late = Confidence(CONFIG), Confidence(CONFIG)
    assert early.missing(0.0) == 4
    assert early.next_at() == -inf
    told(early, "abcd", reachable=True, now=100.0)
    told(late, "abcd", reachable=True, now=100.0, jitter=1.0)
    assert early.next_at() == 1000.0
    assert late.next_at() == 100.0 + 900.0 * 1.5
    assert (early.missing(999.0), early.missing(1000.0), late.missing(1000.0)) == (0, 1, 0)


def test_an_answer_against_the_belief_calls_for_others() -> None:
    confidence = Confidence(CONFIG)
    told(confidence, "abcd", reachable=True)
    told(confidence, "a", reachable=False, now=900.0)
    assert confidence.missing(900.0) == 2


def test_questions_under_way_count_but_never_keep_others_from_being_asked() -> None:
    confidence = Confidence(CONFIG)
    for asking, missing in ((0, 4), (2, 2), (3, 1), (9, 1)):
        confidence.asking = asking
        assert confidence.missing(0.0) == missing
    told(confidence, "abcd", reachable=True)
    assert confidence.missing(900.0) == 0
    confidence.asking = 0
    assert confidence.missing(900.0) == 1


def test_answers_grow_old() -> None:
    confidence = Confidence(CONFIG)
    told(confidence, "ab", reachable=True, now=0.0)
    told(confidence, "cd", reachable=True, now=1000.0)
    confidence.expire(3599.0)
    assert confidence.reachability is PUBLIC
    confidence.expire(3600.0)  # two of four are left: half of the lead
    assert confidence.reachability is PUBLIC
    assert confidence.missing(3600.0) == 2
    confidence.expire(4600.0)
    assert confidence.reachability is UNKNOWN
    assert confidence.missing(4600.0) == 4


def test_only_so_many_answers_are_kept() -> None:
    confidence = Confidence(CONFIG)
    told(confidence, "ab", reachable=False)
    told(confidence, "cdefgh", reachable=True)  # a and b have made room
    assert confidence.reachability is PUBLIC
    told(confidence, "gh", reachable=False)  # 4 : 2, as nobody was counted twice
    assert confidence.reachability is PUBLIC
    assert confidence.missing(0.0) == 2
