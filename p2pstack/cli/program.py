"""The program: which commands there are, and what becomes of their errors.

Every error is one line on stderr (of ``p2pstack peer``: one event on stdout) and exit status 1. Ctrl-C is 130.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from importlib import metadata

from p2pstack.cli import (
    peer,
    people_decode,
    people_demo,
    people_key,
    people_measure,
    people_nodes,
    people_trace,
)
from p2pstack.cli.arguments import CommandError, Parser
from p2pstack.cli.output import Output, printable
from p2pstack.errors import P2PError

__all__ = ["main"]

INTERRUPTED = 130
"""The exit status of a program that Ctrl-C has ended, as shells have it: 128 and the number of the signal."""

DESCRIPTION = "libp2p for Python, from the command line."
EPILOG = "Start with `p2pstack demo`. `p2pstack COMMAND --help` tells more of each."


def version() -> str:
    """Return the version that is installed, or says that the program runs out of its sources."""
    try:
        return metadata.version("p2pstack")
    except metadata.PackageNotFoundError:
        return "(not installed)"


def _parser() -> Parser:
    parser = Parser(prog="p2pstack", description=DESCRIPTION, epilog=EPILOG)
    parser.add_argument("--version", action="version", version=f"p2pstack {version()}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", parser_class=Parser)
    for module in (people_demo, people_nodes, people_measure, people_key, people_decode, people_trace):
        module.add_commands(commands)
    peer.add_commands(commands)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command ``argv`` (default: the process's arguments) and return the exit status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    fail = peer.report_error if arguments[:1] == ["peer"] else _report_error
    try:
        return _run(arguments)
    except SystemExit as done:  # argparse, behind --help and --version
        return int(done.code or 0)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Whoever read our output has gone. What is still buffered goes nowhere, instead of failing once more at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except (CommandError, OSError, P2PError) as error:
        fail(_message(error))
        return 1
    except ExceptionGroup as group:
        expected, unexpected = group.split((CommandError, OSError, P2PError))
        if expected is None or unexpected is not None:
            raise
        fail(_message(_first(expected)))
        return 1


def _run(arguments: list[str]) -> int:
    options = _parser().parse_args(arguments)
    status: int = options.run(options, Output(as_json=getattr(options, "json", False)))
    return status


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
    sys.stderr.write(f"p2pstack: {message}\n")
