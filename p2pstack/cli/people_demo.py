"""``p2pstack demo``: Shinkai nodes of this machine, or with ``--libp2p`` hosts without Shinkai; behind NATs, too."""

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
        "other machines could reach is listened on, and nothing is left behind. With --nat they are processes in a net "
        "of network namespaces (Linux, root).",
    )
    parser.add_argument("--libp2p", action="store_true", help="show the layers below instead: two libp2p hosts")
    parser.add_argument("--nat", action="store_true", help="two behind routers, who meet through a relay and go direct")
    parser.add_argument(
        "--symmetric", action="store_true", help="with --nat --libp2p: bob's router gives nobody the same port twice"
    )
    parser.add_argument("--size", type=size, help="with --libp2p: of the transfer, each way (default: 200M)")
    parser.set_defaults(run=_demo)
    add_common(parser)
    add_loop(parser)


def _demo(options: argparse.Namespace, output: Output) -> int:
    if options.symmetric and not (options.nat and options.libp2p):
        raise CommandError("--symmetric goes with --nat --libp2p")
    if options.nat:
        if options.size is not None:
            raise CommandError("--size does not go with --nat")
        return later("demo_nat", "demo")(options, output)
    if options.libp2p:
        options.size = DEFAULT_SIZE if options.size is None else options.size
        return later("demo_libp2p", "demo")(options, output)
    if options.size is not None:
        raise CommandError("--size goes with --libp2p")
    return later("demo_shinkai", "demo")(options, output)
