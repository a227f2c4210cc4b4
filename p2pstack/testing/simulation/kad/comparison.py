"""``python -m p2pstack.testing dht-compare``: the tables of specs/kad.md and their chart, trial after trial."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TextIO

from p2pstack.testing.simulation.kad.comparison_chart import Curve, Size, comparison_chart
from p2pstack.testing.simulation.kad.figures import DhtFigures
from p2pstack.testing.simulation.kad.trial import Trial

__all__ = ["add_compare_arguments", "run_compare", "siege_trials", "size_trials", "trials"]

_SIZES = (100, 300, 1_000, 3_000)

_SYBILS = 40

_HEADS = ("", "tables", "found", "hops", "until all 20", "requests", "time, p50 and p99", "address")


def add_compare_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same figures")
    parser.add_argument("--lookups", type=int, default=1_000, help="in each trial")
    parser.add_argument("--svg", type=Path, default=Path("kad-lookups.svg"), metavar="FILE", help="the chart")


def size_trials(base: Trial) -> list[tuple[str, Trial]]:
    """Return trials of smaller networks."""
    return [(f"{nodes:,} nodes", replace(base, nodes=nodes)) for nodes in _SIZES if nodes < base.nodes]


def trials(base: Trial) -> list[tuple[str, Trial]]:
    """Return what is put to the network, and its name."""
    return [
        (f"{base.nodes:,} nodes", base),
        ("alpha 3, as rust", replace(base, alpha=3)),
        ("sessions of 2 h", replace(base, churn=2.0)),
        ("sessions of 2 h, as go", replace(base, churn=2.0, go=True)),
        ("sessions of 30 min", replace(base, churn=0.5)),
        ("sessions of 30 min, as go", replace(base, churn=0.5, go=True)),
        ("30 % gone", replace(base, gone=0.3)),
        ("10 % liars", replace(base, liars=0.1)),
    ]


def siege_trials(base: Trial) -> list[tuple[str, Trial]]:
    """Return trials with sybils around a key, and their names."""
    besieged, limited = (replace(base, sybils=_SYBILS, limits=limits) for limits in (False, True))
    return [
        ("in 1 IP group", besieged),
        ("in 1 IP group, limits", limited),
        ("in 2 IP groups, limits", replace(limited, sybil_groups=2)),
        ("in 3 IP groups, limits", replace(limited, sybil_groups=3)),
        ("in 40 IP groups, limits", replace(limited, sybil_groups=_SYBILS)),
    ]


def run_compare(options: argparse.Namespace, out: TextIO) -> None:
    """Run all trials, and write the tables as they come.

    Raises:
        ConfigError: the arguments can't work.
    """
    base = Trial(nodes=options.nodes, seed=options.seed, lookups=options.lookups)
    curves, sizes = [], []
    out.write(f"| {' | '.join(_HEADS)} |\n{'|---' * len(_HEADS)}|\n")
    for name, trial in [*size_trials(base), *trials(base)]:
        figures, traces = trial.run()
        out.write(f"| {name} | {' | '.join(_cells(figures))} |\n")
        out.flush()
        if trial == replace(base, nodes=trial.nodes):
            sizes.append(Size(trial.nodes, figures.hops_mean, figures.hops_expected))
        if trial.nodes == base.nodes:
            curves.append(Curve(name, tuple(sorted(trace.seconds for trace in traces))))
    out.write(f"\n| {_SYBILS} sybils around a key | lookups of it captured |\n|---|---|\n")
    for name, trial in siege_trials(base):
        out.write(f"| {name} | {trial.run().figures.captured_share:.1f} % |\n")
        out.flush()
    title = f"Lookups in a simulated DHT of {base.nodes:,} nodes"
    options.svg.write_text(comparison_chart(curves, sizes, title), encoding="utf-8")
    out.write(f"\nchart: {options.svg}\n")


def _cells(figures: DhtFigures) -> Iterator[str]:
    yield f"{figures.table_mean:.0f}, gone {100 * figures.stale:.1f} %"
    yield f"{figures.found} of {figures.lookups}, {100 * figures.recall:.1f} % of the {figures.k}"
    yield f"mean {figures.hops_mean:.2f}, max {max(figures.hops, default=0)}"
    yield f"p50 {figures.hops_all_p50}, p95 {figures.hops_all_p95}"
    yield f"mean {figures.requests_mean:.1f}, p99 {figures.requests_p99:.0f}"
    yield f"{figures.seconds_p50:.1f} s, {figures.seconds_p99:.1f} s"
    yield f"{figures.heard_p50:.2f} s"
