"""The program: which commands there are, and what becomes of their errors.

Every error is one line on stderr (of ``p2pstack peer``: one event on stdout) and exit status 1. Ctrl-C is 130.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence

from p2pstack.cli import (
    harness_gossip,
    harness_hole_punch,
    harness_perf,
    harness_transport,
    peer,
    people_decode,
    people_demo,
    people_dht,
    people_discover,
    people_key,
    people_measure,
    people_nodes,
    people_pubsub,
    people_relay,
    people_rendezvous,
    people_shinkai,
    people_trace,
)
from p2pstack.cli.arguments import CommandError, Parser
from p2pstack.cli.output import Output, OutputGone, printable
from p2pstack.errors import P2PError
from p2pstack.host.config import HostConfig

__all__ = ["gossipsub_interop", "hole_punch_interop", "main", "perf_interop", "transport_interop"]

INTERRUPTED = 130
"""The exit status of a program that Ctrl-C has ended, as shells have it: 128 and the number of the signal."""

EXPECTED = (CommandError, OSError, P2PError)
"""What a command may end with; everything else is a fault of the program."""

MAX_MESSAGE = 2_000
"""Characters of an error that are printed: a dial lists what came of each address."""

DESCRIPTION = "Shinkai nodes and libp2p for Python, from the command line."
EPILOG = "Start with `p2pstack demo`. `p2pstack COMMAND --help` tells more of each."


def _parser() -> Parser:
    parser = Parser(prog="p2pstack", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("--version", action="version", version=HostConfig().agent_version.replace("/", " "))
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    for module in (
        people_demo, people_shinkai, people_relay, people_nodes, people_discover, people_dht,
        people_rendezvous, people_measure, people_pubsub, people_key, people_decode, people_trace, peer, harness_gossip,
        harness_transport, harness_hole_punch, harness_perf,
    ):  # fmt: skip
        module.add_commands(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command ``argv`` (default: the process's arguments) and return the exit status."""
    try:
        return _run(list(sys.argv[1:] if argv is None else argv))
    except SystemExit as done:  # argparse, behind --help and --version
        return int(done.code or 0)
    except KeyboardInterrupt:
        return INTERRUPTED
    except OutputGone:
        # Whoever read our output has gone. What is still buffered goes nowhere, instead of failing once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1


def gossipsub_interop() -> int:
    """Run as the client of the gossipsub-interop tests, which start a program of its own with ``--params FILE``."""
    return main(["gossipsub-interop", *sys.argv[1:]])


def transport_interop() -> int:
    """Run as listener or dialer of the transport-interop tests, which tell by the environment what they want."""
    return main(["transport-interop", *sys.argv[1:]])


def hole_punch_interop() -> int:
    """Run as a client of the hole-punch-interop tests, which tell by the environment what they want."""
    return main(["hole-punch-interop", *sys.argv[1:]])


def perf_interop() -> int:
    """Run as client or server of the perf benchmarks, which start a program of its own."""
    return main(["perf-interop", *sys.argv[1:]])


def _run(arguments: list[str]) -> int:
    """Run a command and report its errors; those that nobody expected come out as they are."""
    fail = peer.report_error if arguments[:1] == ["peer"] else _report_error
    try:
        options = _parser().parse_args(arguments)
        status: int = options.run(options, Output(as_json=getattr(options, "json", False)))
    except EXPECTED as error:
        fail(_message(error))
    except ExceptionGroup as group:
        if group.split(EXPECTED)[1] is not None:
            raise
        fail(_message(_first(group)))
    else:
        return status
    return 1


def _first(error: BaseException) -> BaseException:
    """Return the first error in a group of them, however deep."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _message(error: BaseException) -> str:
    """Return what went wrong, on one line."""
    if isinstance(error, OSError) and error.strerror:
        place = f"{error.filename}: " if error.filename is not None else ""
        return printable(place + error.strerror, limit=MAX_MESSAGE)
    return printable(str(error) or type(error).__name__, limit=MAX_MESSAGE)


def _report_error(message: str) -> None:
    with contextlib.suppress(OSError):  # nobody reads it
        sys.stderr.write(f"p2pstack: {message}\n")
