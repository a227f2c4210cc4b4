from __future__ import annotations

import pytest

from benchmarks.scaling import Curve, verdict


def test_a_linear_curve_is_called_linear() -> None:
    curve = Curve("memory", (10, 100, 1000), (10.0, 10.5, 9.0), 0)
    assert curve.steps() == [pytest.approx(1.05), pytest.approx(9 / 10.5)]
    assert verdict(curve) == "memory: no step is worse than linear (cost of a unit at most x1.05 of the step before)"


def test_the_worst_step_is_named() -> None:
    curve = Curve("memory", (10, 1000, 5000), (10.0, 10.0, 40.0), 0)
    assert verdict(curve) == "memory: WORSE THAN LINEAR from 1,000 to 5,000 (x4.00)"


def test_what_is_too_small_to_measure_is_not_judged() -> None:
    assert Curve("memory", (10, 1000), (0.1, 10.0), 1024).steps() == [1.0]


def test_a_curve_of_one_point_or_none_has_no_steps() -> None:
    assert Curve("memory", (10,), (1.0,), 0).steps() == []
    assert "no step is worse" in verdict(Curve("memory", (), (), 0))
