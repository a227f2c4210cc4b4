"""The comparison: rounds of all rows over all stacks, interleaved, so that the machine's moods hit all alike."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks import machine, plots, table
from benchmarks.figures import Cell, Metric, Sample, summarise
from benchmarks.processes import RunFailed
from benchmarks.rows import Row, Session, chosen, measured
from benchmarks.stacks import Options, Stack, find_stacks, own_stack

__all__ = ["RESULTS", "compare", "order"]

RESULTS = Path(__file__).resolve().parent / "results"

Samples = dict[str, dict[str, list[Sample]]]
"""By metric name, then by stack, one sample a round."""


def order(stacks: Sequence[Stack], number: int) -> list[Stack]:
    """The stacks of one round; each round begins with the next one, so that none always runs first."""
    start = number % max(len(stacks), 1)
    return [*stacks[start:], *stacks[:start]]


def compare(options: Options, rows: Sequence[str], rounds: int, name: str) -> bool:
    """Measure, print the table, write `results/<name>.json` and `.svg`; True when nothing failed.

    Raises ValueError for an unknown row or stack.
    """
    selected = chosen(rows)
    stacks, missing = find_stacks(options)
    metrics = [metric for row in selected for metric in row.metrics]
    samples: Samples = {metric.name: {} for metric in metrics}
    for row, absent in itertools.product(selected, missing):
        if row.is_for(absent):
            for metric in row.metrics:
                samples[metric.name][absent] = [Sample(None, missing[absent])] * rounds
    session = Session(endpoints=own_stack(options))
    for number in range(rounds):
        for row in selected:
            for stack in order(stacks, number):
                _measure(row, stack, session, samples, f"round {number + 1} of {rounds}")
    columns = [*options.stacks, *(stack.name for stack in stacks if stack.name not in options.stacks)]
    cells = {metric.name: summarise(metric, samples[metric.name]) for metric in metrics}
    print(table.comparison(metrics, columns, cells))
    _write(options, stacks, rounds, name, metrics, samples, cells)
    title = f"p2pstack beside its peers, medians of {rounds} rounds"
    if bars := plots.ratio_bars(metrics, columns, cells):
        plots.draw_ratios(bars, columns, title, RESULTS / f"{name}.svg")
    return not any(sample.failure for by_stack in samples.values() for found in by_stack.values() for sample in found)


def _measure(row: Row, stack: Stack, session: Session, samples: Samples, label: str) -> None:
    if not row.is_for(stack.name):
        return
    try:
        found = {metric: Sample(value) for metric, value in measured(row, stack, session).items()}
    except RunFailed as error:
        found = {metric.name: Sample(None, str(error)) for metric in row.metrics}
    for metric, sample in found.items():
        samples[metric].setdefault(stack.name, []).append(sample)
        shown = f"failed: {sample.failure}" if sample.value is None else table.number(sample.value)
        print(f"{label}: {metric}, {stack.name}: {shown}", file=sys.stderr, flush=True)


def _write(
    options: Options,
    stacks: Sequence[Stack],
    rounds: int,
    name: str,
    metrics: Sequence[Metric],
    samples: Samples,
    cells: Mapping[str, Mapping[str, Cell]],
) -> None:
    document = {
        "machine": machine.describe(),
        "settings": {
            "rounds": rounds,
            "quick": options.quick,
            "loop": options.loop or "default",
            "spin_us": "default" if options.spin is None else options.spin,
        },
        "stacks": {stack.name: {"version": stack.version, "sizes": asdict(stack.sizes)} for stack in stacks},
        "metrics": [
            {
                "name": metric.name,
                "unit": metric.unit,
                "higher_is_better": metric.higher_is_better,
                "stacks": {
                    stack: {
                        "samples": [_plain(sample) for sample in found],
                        "median": cells[metric.name][stack].median,
                        "ratio": cells[metric.name][stack].ratio,
                        "ratio_to": dict(cells[metric.name][stack].ratio_to),
                    }
                    for stack, found in samples[metric.name].items()
                },
            }
            for metric in metrics
        ],
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")


def _plain(sample: Sample) -> object:
    return {"failed": sample.failure} if sample.value is None else round(sample.value, 4)
