"""``python -m p2pstack.testing dht``: figures of the lookups in a simulated DHT, and a chart of them in a file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from p2pstack.testing.simulation.kad.chart import lookup_chart
from p2pstack.testing.simulation.kad.trial import Trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from p2pstack.testing.simulation.links import Latency

__all__ = ["add_dht_arguments", "run_dht"]


def add_dht_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument("--nodes", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=7, help="the same seed gives the same figures")
    parser.add_argument("--lookups", type=int, default=1_000, help="of nodes by chance, by nodes chosen by chance")
    parser.add_argument("--alpha", type=int, default=10, help="requests of a lookup that are under way at once")
    parser.add_argument("--paths", type=int, default=1, help="disjoint paths of a lookup")
    parser.add_argument("--go", action="store_true", help="lookups as go's, which wait for peers that are slow")
    parser.add_argument("--gone", type=float, default=0.0, help="share of nodes that go just before, 0 to 0.9")
    parser.add_argument(
        "--churn",
        type=float,
        default=0.0,
        metavar="HOURS",
        help="median session of nodes that come and go, all the time",
    )
    parser.add_argument("--liars", type=float, default=0.0, help="share of nodes that name 10,000 peers of nobody")
    parser.add_argument("--sybils", type=int, default=0, help="attackers around one key, which is then looked up too")
    parser.add_argument("--sybil-groups", type=int, default=1, metavar="N", help="IP groups they live in; 0: any")
    parser.add_argument("--limits", action="store_true", help="few peers of one IP group, as in the public network")
    parser.add_argument("--latency", default="10-150", help="one way, in ms: 50, or 10-150 for places on a map")
    parser.add_argument("--encoded", action="store_true", help="messages pass as bytes, through the codec")
    parser.add_argument("--svg", type=Path, default=Path("dht.svg"), metavar="FILE", help="the chart")


def run_dht(options: argparse.Namespace, parse_latency: Callable[[str, int], Latency], out: TextIO) -> None:
    """Run the command.

    Raises:
        ConfigError: its arguments can't work.
    """
    trial = Trial(
        nodes=options.nodes,
        seed=options.seed,
        lookups=options.lookups,
        alpha=options.alpha,
        paths=options.paths,
        go=options.go,
        limits=options.limits,
        gone=options.gone,
        churn=options.churn,
        liars=options.liars,
        sybils=options.sybils,
        sybil_groups=options.sybil_groups,
        latency=parse_latency(options.latency, options.seed),
        encoded=options.encoded,
    )
    figures, traces = trial.run()
    out.writelines(f"{line}\n" for line in figures.lines())
    title = f"{options.nodes} nodes, seed {options.seed}, {options.lookups} lookups"
    options.svg.write_text(lookup_chart(traces, title), encoding="utf-8")
    out.write(f"chart      {options.svg}\n")
