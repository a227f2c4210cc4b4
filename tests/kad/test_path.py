from __future__ import annotations

from p2pstack.kad.config import KadConfig
from p2pstack.kad.path import Candidate, Path, State
from tests.kad.making import contact

CONFIG = KadConfig(k=3, beta=2, alpha=2, max_candidates=4)


def path_of(*distances: int) -> tuple[Path, dict[int, Candidate]]:
    path = Path(CONFIG)
    candidates = {}
    for distance in distances:
        candidates[distance] = candidate = Candidate(contact(distance), distance, 0, path)
        assert path.hear(candidate) is None
    return path, candidates


def following(path: Path) -> int | None:
    candidate = path.next(lambda _: True)
    return None if candidate is None else candidate.distance


def test_the_nearest_is_asked_first_and_nobody_behind_the_k_nearest() -> None:
    path, candidates = path_of(5, 1, 9, 3)
    assert [each.distance for each in path] == [1, 3, 5, 9]
    for distance in (1, 3, 5):
        assert following(path) == distance
        path.ask(candidates[distance], 0.0)
    assert following(path) is None
    assert not path.done
    path.settle(candidates[3], answered=False)
    assert following(path) == 9


def test_it_is_settled_when_the_beta_nearest_have_answered() -> None:
    path, candidates = path_of(1, 2, 3, 4)
    for distance in (1, 2):
        path.ask(candidates[distance], 0.0)
    path.settle(candidates[2], answered=True)
    path.review()
    assert not path.settled
    path.settle(candidates[1], answered=True)
    path.review()
    assert path.settled
    assert following(path) == 3  # the rest of the k nearest is still asked
    path.ask(candidates[3], 0.0)
    assert not path.done
    path.settle(candidates[3], answered=True)
    path.review()
    assert following(path) is None
    assert path.done


def test_fewer_than_beta_never_settle_it() -> None:
    path, candidates = path_of(1)
    path.ask(candidates[1], 0.0)
    path.settle(candidates[1], answered=True)
    path.review()
    assert not path.settled
    assert path.done
    assert Path(CONFIG).done


def test_those_under_way_behind_the_k_nearest_are_not_waited_for() -> None:
    path, candidates = path_of(10, 11, 12)
    for each in candidates.values():
        path.ask(each, 0.0)
    path.settle(candidates[10], answered=True)
    nearer = [Candidate(contact(distance), distance, 1, path) for distance in (1, 2)]
    for each in nearer:
        path.hear(each)
        path.ask(each, 0.0)
        path.settle(each, answered=True)
    path.review()
    assert path.settled
    assert path.under_way == 2
    assert path.done


def test_one_that_may_not_be_asked_counts_as_failed() -> None:
    path, candidates = path_of(1, 2)
    found = path.next(lambda each: each.distance != 1)
    assert found is candidates[2]
    assert candidates[1].state is State.FAILED


def test_the_farthest_that_waits_is_forgotten() -> None:
    path, candidates = path_of(1, 2, 8, 9)
    path.ask(candidates[9], 0.0)
    assert path.hear(Candidate(contact(3), 3, 1, path)) is None
    assert path.hear(Candidate(contact(4), 4, 1, path)) is candidates[8]
    far = Candidate(contact(7), 7, 1, path)
    assert path.hear(far) is far
    assert [each.distance for each in path] == [1, 2, 3, 4, 9]
