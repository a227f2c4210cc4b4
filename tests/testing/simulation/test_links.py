from __future__ import annotations

import pytest

from p2pstack.errors import ConfigError
from p2pstack.testing.simulation.chance import seeded
from p2pstack.testing.simulation.links import Constant, Jitter, Links, Plane


def test_jitter_fills_its_range() -> None:
    jitter = Jitter(0.01, 0.02, seeded(1, "jitter"))
    drawn = [jitter(0, 1) for _ in range(1_000)]
    assert 0.01 <= min(drawn) < 0.0101
    assert 0.0199 < max(drawn) <= 0.02


def test_places_are_as_far_from_each_other_tomorrow() -> None:
    plane = Plane(0.01, 0.15, seeded(1, "places"))
    pairs = [(one, other) for one in range(30) for other in range(30) if one != other]
    first = [plane(*pair) for pair in pairs]
    assert first == [plane(*pair) for pair in pairs] == [plane(other, one) for one, other in pairs]
    assert 0.01 < min(first) < 0.03
    assert 0.09 < max(first) < 0.15
    assert plane(3, 3) == 0.01
    a_way_round = [plane(0, 1) + plane(1, 2) - plane(0, 2)]
    assert min(a_way_round) >= 0


def test_loss_is_a_share_and_spares_what_is_reliable() -> None:
    links = Links(Constant(0.05), seeded(1, "loss"), loss=0.25)
    lost = sum(links.delay(0, 1) is None for _ in range(10_000))
    assert 2_300 < lost < 2_700
    assert all(links.delay(0, 1, reliable=True) == 0.05 for _ in range(100))
    assert all(Links(Constant(0.05), seeded(1, "loss")).delay(0, 1) == 0.05 for _ in range(100))


@pytest.mark.parametrize("loss", [-0.1, 1.1, float("nan")])
def test_loss_is_from_0_to_1(loss: float) -> None:
    with pytest.raises(ConfigError):
        Links(Constant(0), seeded(1, "loss"), loss=loss)


def test_nothing_passes_a_cut() -> None:
    links = Links(Constant(0.05), seeded(1, "loss"))
    links.split([0, 1], [2, 3])
    assert links.joined(0, 1)
    assert links.joined(2, 3)
    assert links.joined(4, 5)  # of no side, so of one side together
    assert not links.joined(0, 2)
    assert not links.joined(3, 4)
    assert links.delay(0, 2, reliable=True) is None
    assert links.delay(0, 1) == 0.05
    links.heal()
    assert links.delay(0, 2) == 0.05
