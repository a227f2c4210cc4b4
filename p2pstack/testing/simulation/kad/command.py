"""``python -m p2pstack.testing dht``: figures of the lookups in a simulated DHT, and a chart of them in a file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

from p2pstack.errors import ConfigError
from p2pstack.kad.config import KadConfig
from p2pstack.testing.simulation.kad.attackers import replace_by_liars
from p2pstack.testing.simulation.kad.chart import lookup_chart
from p2pstack.testing.simulation.kad.figures import dht_figures_of
from p2pstack.testing.simulation.kad.network import DhtNetwork
from p2pstack.testing.simulation.kad.scenarios import find_some, leave

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
    parser.add_argument("--gone", type=float, default=0.0, help="share of nodes that go just before, 0 to 0.9")
    parser.add_argument("--liars", type=float, default=0.0, help="share of nodes that name 10,000 peers of nobody")
    parser.add_argument("--latency", default="10-150", help="one way, in ms: 50, or 10-150 for places on a map")
    parser.add_argument("--encoded", action="store_true", help="messages pass as bytes, through the codec")
    parser.add_argument("--svg", type=Path, default=Path("dht.svg"), metavar="FILE", help="the chart")


def run_dht(options: argparse.Namespace, parse_latency: Callable[[str, int], Latency], out: TextIO) -> None:
    """Run the command.

    Raises:
        ConfigError: its arguments can't work.
    """
    if options.nodes < 2 or options.lookups < 1 or not 0 <= options.gone <= 0.9 or not 0 <= options.liars <= 0.9:
        raise ConfigError("it takes 2 nodes and 1 lookup at least, and shares from 0 to 0.9")
    network = DhtNetwork(
        seed=options.seed,
        config=KadConfig(alpha=options.alpha, paths=options.paths),
        latency=parse_latency(options.latency, options.seed),
        encoded=options.encoded,
    )
    network.add_nodes(options.nodes)
    network.settle()
    leave(network, options.gone)
    replace_by_liars(network, options.liars)
    traces = find_some(network, options.lookups)
    out.writelines(f"{line}\n" for line in dht_figures_of(network, traces).lines())
    title = f"{options.nodes} nodes, seed {options.seed}, {options.lookups} lookups"
    options.svg.write_text(lookup_chart(traces, title), encoding="utf-8")
    out.write(f"chart      {options.svg}\n")
