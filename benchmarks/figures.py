"""The arithmetic of the benchmarks, without any I/O: samples, medians, ratios and growth.

A sample is what one run of one stack gave for one metric: a value or the reason of its failure. Ratios are always
"times as good as the reference": 2.0 is twice the throughput or half the time, whichever way the metric points.
"""

from __future__ import annotations

import itertools
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

__all__ = ["REFERENCES", "Cell", "Metric", "Sample", "growth", "percentile", "ratio", "round_ratios", "summarise"]

REFERENCES = ("go", "rust")
"""The stacks against which all others are judged."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One line of the table: its name, its unit, and which way is better.

    What is not `compared` has no ratios: of a share that is 0 at its best, there are none.
    """

    name: str
    unit: str
    higher_is_better: bool
    compared: bool = True


@dataclass(frozen=True, slots=True)
class Sample:
    """The outcome of one run: `value` in the metric's unit, or None and the reason why there is none."""

    value: float | None
    failure: str = ""


@dataclass(frozen=True, slots=True)
class Cell:
    """One cell of the table: medians over the rounds, and what went wrong in how many of them.

    `median` is None when every round failed. `ratio` is None without a reference in the same rounds, and `ratio_to`
    holds the ratio to each single reference.
    """

    median: float | None
    ratio: float | None
    ratio_to: Mapping[str, float]
    failures: tuple[str, ...]
    rounds: int


def percentile(values: Sequence[float], fraction: float) -> float:
    """The value below which `fraction` (0 to 1) of `values` lie, between neighbours by a straight line.

    Raises ValueError when there are no values or the fraction is outside 0 to 1.
    """
    if not values or not 0 <= fraction <= 1:
        raise ValueError("percentile of nothing, or a fraction outside 0 to 1")
    ordered = sorted(values)
    position = fraction * (len(ordered) - 1)
    below = int(position)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (position - below)


def ratio(metric: Metric, value: float, reference: float) -> float:
    """How many times as good as `reference` a value is; ValueError when either is not positive."""
    if value <= 0 or reference <= 0:
        raise ValueError("a ratio needs two positive values")
    return value / reference if metric.higher_is_better else reference / value


def round_ratios(
    metric: Metric, samples: Sequence[Sample], references: Mapping[str, Sequence[Sample]]
) -> tuple[list[float], dict[str, list[float]]]:
    """The ratios within each round: to the better of the references, and to each of them.

    Only rounds in which the stack and all references gave a value count for the better one, since the better of the
    stacks that happened to work is another yardstick.
    """
    best: list[float] = []
    single: dict[str, list[float]] = {name: [] for name in references}
    for number, sample in enumerate(samples):
        if sample.value is None or sample.value <= 0:
            continue
        ratios = []
        for name, others in references.items():
            other = others[number].value if number < len(others) else None
            if other is not None and other > 0:
                ratios.append(ratio(metric, sample.value, other))
                single[name].append(ratios[-1])
        if ratios and len(ratios) == len(references):
            best.append(min(ratios))
    return best, {name: found for name, found in single.items() if found}


def summarise(metric: Metric, by_stack: Mapping[str, Sequence[Sample]]) -> dict[str, Cell]:
    """One cell a stack: the median of its values and the medians of its ratios within each round."""
    references = {name: by_stack[name] for name in REFERENCES if metric.compared and by_stack.get(name)}
    cells = {}
    for name, samples in by_stack.items():
        best, single = round_ratios(metric, samples, references)
        values = [sample.value for sample in samples if sample.value is not None]
        cells[name] = Cell(
            median=statistics.median(values) if values else None,
            ratio=statistics.median(best) if best else None,
            ratio_to={reference: statistics.median(found) for reference, found in single.items()},
            failures=tuple(sample.failure for sample in samples if sample.value is None),
            rounds=len(samples),
        )
    return cells


def growth(counts: Sequence[float], costs: Sequence[float], floor: float = 0.0) -> list[float]:
    """How the cost of a unit changes from each step to the next: 1 is linear, above 1 is worse.

    `costs` are totals (bytes, seconds) at `counts` units; a fixed cost only lowers the figures. ValueError when the
    lengths differ, counts do not grow, or a count is not positive. A step from a cost of `floor` or less (nothing
    measurable) is given as 1.
    """
    if len(counts) != len(costs) or any(b <= a for a, b in itertools.pairwise(counts)):
        raise ValueError("growth needs as many costs as counts, and counts that grow")
    if counts and counts[0] <= 0:
        raise ValueError("counts are positive")
    steps = itertools.pairwise(zip(counts, costs, strict=True))
    return [
        (after / more) / (before / count) if before > max(floor, 0) else 1.0 for (count, before), (more, after) in steps
    ]
