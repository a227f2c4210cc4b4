"""The command ``p2pstack relay``: its arguments; what it does is loaded when it runs."""

from __future__ import annotations

import argparse
from pathlib import Path

from p2pstack.cli.arguments import Commands, add_common, add_loop, count, seconds, size
from p2pstack.cli.later import later

__all__ = ["DEFAULT_DATA", "add_commands"]

DEFAULT_DATA = "relay"
"""The folder of a relay."""


def add_commands(commands: Commands) -> None:
    """Add ``relay``."""
    relay = commands.add_parser(
        "relay",
        help="run a relay for Shinkai nodes",
        description="Runs a relay until Ctrl-C or SIGTERM: nodes that can't be reached from outside reserve with it, "
        "and registered nodes send each other messages through it. What is not given here is taken from the "
        "environment variables of the original, such as NODE_NAME, and from the file .secret in its folder.",
    )
    relay.add_argument("--name", metavar="NAME", help="its name, such as @@relay.shinkai (NODE_NAME)")
    relay.add_argument("--listen", metavar="HOST:PORT", help="default: 0.0.0.0:8080 (PORT)")
    relay.add_argument(
        "--external", action="append", default=[], metavar="ADDR", help="where it is reached, if not where it listens"
    )
    relay.add_argument(
        "--data", type=Path, default=Path(DEFAULT_DATA), metavar="DIR", help=f"its folder (default: ./{DEFAULT_DATA})"
    )
    where = relay.add_mutually_exclusive_group()
    where.add_argument(
        "--directory", type=Path, metavar="FILE", help="who is who, as JSON (default: directory.json in its folder)"
    )
    where.add_argument(
        "--rpc-url",
        action="append",
        metavar="URL",
        help="ask the registry on chain through this server instead (RPC_URL); `public`: those of the original",
    )
    relay.add_argument(
        "--dht",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="answer nodes that ask where others are (default: yes)",
    )
    relay.add_argument(
        "--bootstrap", action="append", default=[], metavar="ADDR", help="a multiaddr of another relay of the network"
    )
    relay.add_argument("--dht-protocol", metavar="ID", help="the DHT's name (default: /shinkai/kad/1.0.0)")
    relay.add_argument("--metrics", type=count, metavar="PORT", help="serve figures for Prometheus on 127.0.0.1:PORT")
    relay.add_argument("--log", choices=("debug", "info", "warning", "error"), help="default: warning (RUST_LOG)")
    relay.set_defaults(run=later("shinkai_relay", "run_relay"))
    _add_limits(relay.add_argument_group("limits; the defaults are the original's where it has any"))
    add_common(relay)
    add_loop(relay)


def _add_limits(group: argparse._ArgumentGroup) -> None:
    numbers = {
        "--max-connections": "connections (MAX_CONNECTIONS; default: 2048)",
        "--max-connections-per-ip": "connections of one address (default: 64)",
        "--max-named": "nodes registered by name (default: 1024)",
        "--max-local": "nodes registered without a name (default: 256)",
        "--max-reservations": "reservations (default: 1024)",
        "--max-reservations-per-ip": "of those, by one address (default: 1024)",
        "--max-circuits": "circuits at once (default: 1024)",
        "--max-circuits-per-peer": "of those, with the same peer (default: 16)",
        "--reservation-seconds": "how long a reservation holds (default: 1800)",
        "--circuit-seconds": "how long a circuit lasts (default: 3600)",
        "--messages-per-second": "messages of one peer (default: 100)",
    }
    for name, text in numbers.items():
        group.add_argument(name, type=count, metavar="N", help=text)
    sizes = {
        "--circuit-bytes": "bytes that pass a circuit, each way (default: 1GiB)",
        "--bandwidth": "bytes of messages a second from each peer, and to it (default: 4MiB)",
    }
    for name, text in sizes.items():
        group.add_argument(name, type=size, metavar="SIZE", help=text)
    group.add_argument(
        "--ping-interval", type=seconds, metavar="S", help="between pings; 0: none (PING_INTERVAL_SECS; default: 10)"
    )
