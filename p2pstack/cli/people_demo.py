"""``p2pstack demo``: three Shinkai nodes in this terminal, or with ``--libp2p`` two hosts without Shinkai."""

from __future__ import annotations

import argparse

from p2pstack.cli.arguments import CommandError, Commands, add_common, add_loop, size
from p2pstack.cli.later import later
from p2pstack.cli.output import Output

__all__ = ["DEFAULT_SIZE", "add_commands"]

DEFAULT_SIZE = 200_000_000


def add_commands(commands: Commands) -> None:
    """Add ``demo``."""
    parser = commands.add_parser(
        "demo",
        help="three Shinkai nodes in this terminal: see what they do",
        description="Runs nodes in this process, on 127.0.0.1 alone, and lets them write to each other. Nothing that "
        "other machines could reach is listened on, and nothing is left behind.",
    )
    parser.add_argument("--libp2p", action="store_true", help="show the layers below instead: two libp2p hosts")
    parser.add_argument("--size", type=size, help="with --libp2p: of the transfer, each way (default: 200M)")
    parser.set_defaults(run=_demo)
    add_common(parser)
    add_loop(parser)


def _demo(options: argparse.Namespace, output: Output) -> int:
    if options.libp2p:
        options.size = DEFAULT_SIZE if options.size is None else options.size
        return later("demo_libp2p", "demo")(options, output)
    if options.size is not None:
        raise CommandError("--size goes with --libp2p")
    return later("demo_shinkai", "demo")(options, output)
