"""``python -m p2pstack.testing gossip``: a simulated network's figures, and its propagation curve in a file.

``dht`` does the same for a DHT (:mod:`p2pstack.testing.simulation.kad.command`), ``dht-compare`` puts several of them
beside each other (:mod:`p2pstack.testing.simulation.kad.comparison`).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from p2pstack.errors import ConfigError
from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.testing.simulation.chance import seeded
from p2pstack.testing.simulation.chart import propagation_curve
from p2pstack.testing.simulation.figures import figures_of
from p2pstack.testing.simulation.kad.command import add_dht_arguments, run_dht
from p2pstack.testing.simulation.kad.comparison import add_compare_arguments, run_compare
from p2pstack.testing.simulation.links import Constant, Latency, Plane
from p2pstack.testing.simulation.network import Network
from p2pstack.testing.simulation.node import NodeConfig
from p2pstack.testing.simulation.scenarios import spread

__all__ = ["main", "parse_latency"]


def parse_latency(text: str, seed: int) -> Latency:
    """Read ``50`` or ``10-150``, in milliseconds: the same between all, or by places on a map.

    Raises:
        ConfigError: it is neither.
    """
    low, dash, high = text.partition("-")
    try:
        first, last = float(low) / 1000, float(high if dash else low) / 1000
    except ValueError:
        raise ConfigError(f"{text!r} is no latency: 50 or 10-150, in milliseconds") from None
    if not 0 <= first <= last < 3_600:
        raise ConfigError(f"{text!r} is no latency: not negative, and the lower one first")
    return Plane(first, last, seeded(seed, "places")) if dash else Constant(first)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m p2pstack.testing", description="Simulated networks.")
    commands = parser.add_subparsers(dest="command", required=True)
    gossip = commands.add_parser("gossip", help="a gossipsub network; prints its figures")
    gossip.add_argument("--nodes", type=int, default=1_000)
    gossip.add_argument("--seed", type=int, default=7, help="the same seed gives the same figures")
    gossip.add_argument("--degree", type=int, default=20, help="connections of a node, in the mean")
    gossip.add_argument("--messages", type=int, default=10, help="published by nodes chosen by chance")
    gossip.add_argument("--size", type=int, default=64, help="bytes of a message; IDONTWANT is sent from 1024 on")
    gossip.add_argument("--latency", default="10-150", help="one way, in ms: 50, or 10-150 for places on a map")
    gossip.add_argument("--loss", type=float, default=0.0, help="share of RPCs that is lost, 0 to 1")
    gossip.add_argument("--validation", type=float, default=0.0, help="ms that a node takes to judge a message")
    gossip.add_argument("--mesh-only", action="store_true", help="own messages go to the mesh alone")
    gossip.add_argument("--encoded", action="store_true", help="RPCs pass as bytes, which are counted")
    gossip.add_argument("--svg", type=Path, metavar="FILE", help="write the propagation curve there")
    add_dht_arguments(commands.add_parser("dht", help="a Kademlia DHT; prints the figures of its lookups"))
    add_compare_arguments(commands.add_parser("dht-compare", help="DHTs with churn, liars, sybils; prints tables"))
    return parser


def main(argv: Sequence[str] | None = None, out: TextIO | None = None) -> int:
    """Run the command; 2 when its arguments can't work."""
    out = out or sys.stdout
    parser = _parser()
    options = parser.parse_args(argv)
    if options.command != "gossip":
        try:
            if options.command == "dht":
                run_dht(options, parse_latency, out)
            else:
                run_compare(options, out)
        except ConfigError as error:
            parser.error(str(error))
        return 0
    if options.nodes < 2 or options.messages < 1 or options.degree < 1 or options.size < 8:
        parser.error("it takes 2 nodes, 1 message, a degree of 1, and 8 bytes at least")
    try:
        network = Network(
            seed=options.seed,
            latency=parse_latency(options.latency, options.seed),
            loss=options.loss,
            encoded=options.encoded,
            config=NodeConfig(
                gossipsub=GossipsubConfig(flood_publish=not options.mesh_only),
                validation_delay=options.validation / 1000,
            ),
        )
    except ConfigError as error:
        parser.error(str(error))
    spread(network, options.nodes, degree=options.degree, messages=options.messages, size=options.size)
    for line in figures_of(network).lines():
        out.write(f"{line}\n")
    if options.svg is not None:
        title = f"{options.nodes} nodes, seed {options.seed}, {options.messages} messages"
        options.svg.write_text(propagation_curve(list(network.record.traces.values()), title), encoding="utf-8")
        out.write(f"curve              {options.svg}\n")
    return 0
