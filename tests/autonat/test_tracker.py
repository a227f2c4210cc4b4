from __future__ import annotations

from math import inf

import pytest

from p2pstack.autonat.config import ConfidenceConfig
from p2pstack.autonat.reachability import Reachability
from p2pstack.autonat.tracker import ReachabilityTracker, Subject
from p2pstack.identity.multiaddrs import parse

CONFIG = ConfidenceConfig(confirmations=2, max_addresses=3)
A, B, C, D = (parse(f"/ip4/5.10.0.{number}/tcp/4001") for number in range(1, 5))
UNKNOWN, PUBLIC, PRIVATE = Reachability.UNKNOWN, Reachability.PUBLIC, Reachability.PRIVATE


def tracker(*addresses: object) -> ReachabilityTracker:
    made = ReachabilityTracker(CONFIG)
    made.follow(addresses, 0.0)  # type: ignore[arg-type]
    return made


def settle(made: ReachabilityTracker, subject: Subject, *, reachable: bool, now: float = 0.0) -> None:
    for group in ("a", "b"):
        made.answer(subject, group, reachable=reachable, now=now, jitter=0.0)


@pytest.mark.req("AUTONAT2-03")
def test_addresses_are_judged_each_by_itself() -> None:
    made = tracker(A, B)
    settle(made, A, reachable=True)
    settle(made, B, reachable=False)
    assert (made.reachability_of(A), made.reachability_of(B), made.reachability_of(C)) == (PUBLIC, PRIVATE, UNKNOWN)
    assert made.public == (A,)
    assert made.reachability is PUBLIC


def test_a_host_is_private_once_all_its_addresses_are_and_stays_so_while_one_is() -> None:
    made = tracker(A, B)
    settle(made, A, reachable=False)
    assert made.reachability is UNKNOWN
    settle(made, B, reachable=False)
    assert made.reachability is PRIVATE
    made.follow([B, C], 0.0)
    assert made.reachability is PRIVATE
    made.follow([C], 0.0)
    assert made.reachability is UNKNOWN
    settle(made, C, reachable=True)
    assert made.reachability is PUBLIC


def test_without_addresses_the_answers_about_the_host_decide() -> None:
    made = tracker()
    assert made.reachability is UNKNOWN
    assert made.next_at() == inf
    assert made.host_wanted(0.0)
    settle(made, None, reachable=False)
    assert made.reachability is PRIVATE
    assert not made.host_wanted(0.0)
    assert made.host_next_at() == CONFIG.recheck_interval
    settle(made, None, reachable=True)  # but where, nobody has proven
    assert made.reachability is UNKNOWN


def test_only_so_many_addresses_are_followed() -> None:
    made = tracker(A, B, A, C, D)
    assert made.addresses == (A, B, C)
    made.answer(D, "a", reachable=True, now=0.0, jitter=0.0)
    made.begin(D)
    made.end(D)
    assert made.reachability_of(D) is UNKNOWN


def test_what_a_group_has_not_spoken_of_comes_first_then_what_misses_most_answers() -> None:
    made = tracker(A, B, C)
    made.answer(A, "a", reachable=True, now=0.0, jitter=0.0)
    settle(made, C, reachable=True)
    assert made.wanted(0.0) == [A, B]
    assert made.next_at() == -inf
    assert made.ordered([A, B], "b", 0.0) == [B, A]
    made.begin(B)
    assert made.ordered([A, B], "b", 0.0) == [A, B]
    assert made.ordered([A, B], "a", 0.0) == [B, A]
    made.end(B)
    settle(made, A, reachable=True)
    settle(made, B, reachable=True)
    assert made.wanted(0.0) == []
    assert made.next_at() == CONFIG.recheck_interval


def test_an_end_without_a_beginning_changes_nothing() -> None:
    made = tracker(A)
    made.end(A)  # it was forgotten and found again meanwhile
    settle(made, A, reachable=True)
    assert made.wanted(CONFIG.recheck_interval) == [A]
    made.begin(A)
    assert made.wanted(CONFIG.recheck_interval) == []


def test_what_is_public_is_followed_on_until_it_has_been_disproved() -> None:
    made = tracker(A)
    settle(made, A, reachable=True)
    made.follow([B, C, D], 0.0)
    assert made.addresses == (A, B, C)
    settle(made, A, reachable=False)
    made.follow([B, C, D], 0.0)
    assert made.addresses == (B, C, D)


def test_old_answers_are_forgotten_when_addresses_are_looked_at() -> None:
    made = tracker(A)
    settle(made, A, reachable=True)
    made.follow([A], CONFIG.answer_ttl)
    assert made.reachability is UNKNOWN
    assert made.public == ()
