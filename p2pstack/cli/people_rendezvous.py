"""The commands ``p2pstack rendezvous …``: their arguments; what they do is loaded when one runs."""

from __future__ import annotations

import argparse

from p2pstack.cli.arguments import Commands, Parser, count, seconds
from p2pstack.cli.later import later
from p2pstack.cli.people_host import add_host_options

__all__ = ["add_commands"]


def add_commands(commands: Commands) -> None:
    """Add ``rendezvous`` and what it can do."""
    parser = commands.add_parser(
        "rendezvous",
        help="be found by a name, and find others by it",
        description="Peers register under a name, their namespace, at a rendezvous point that all know; others ask "
        "the point who is there.",
    )
    verbs = parser.add_subparsers(required=True, metavar="WHAT", parser_class=Parser)
    serve = _add(verbs, "serve", "be a rendezvous point, until Ctrl-C", "serve_point")
    _add_listen(serve)
    register = _add(verbs, "register", "be found under a name, until Ctrl-C", "register")
    register.add_argument("namespace", metavar="NAMESPACE")
    register.add_argument("--ttl", type=count, metavar="S", help="for how long each time (default: as the point says)")
    _add_listen(register)
    discover = _add(verbs, "discover", "show who has registered", "discover")
    discover.add_argument("namespace", nargs="?", default="", metavar="NAMESPACE", help="default: under any name")
    for verb in (register, discover):
        verb.add_argument("--at", action="append", required=True, metavar="ADDR", help="a point, with /p2p/ID")
        verb.add_argument("--timeout", type=seconds, default=15.0, metavar="S", help="for a point (default: 15)")


def _add(verbs: Commands, name: str, text: str, function: str) -> argparse.ArgumentParser:
    verb = verbs.add_parser(name, help=text)
    add_host_options(verb)
    verb.set_defaults(run=later("rendezvous_command", function))
    return verb


def _add_listen(verb: argparse.ArgumentParser) -> None:
    verb.add_argument(
        "--listen", action="append", metavar="ADDR", help="default: /ip4/0.0.0.0/tcp/0, a free port of all interfaces"
    )
