"""What all commands read from their arguments in the same way: sizes, seconds, counts, and errors as exceptions."""

from __future__ import annotations

import argparse
import math
import re
from typing import NoReturn, Protocol

__all__ = ["CommandError", "Commands", "Parser", "add_common", "add_loop", "count", "seconds", "seed", "size"]

_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)(i?)B?", re.ASCII | re.IGNORECASE)
_UNITS = "KMGT"
SEED_SIZE = 32


class CommandError(Exception):
    """A command can't be done; the text is one line for whoever gave it."""


class Parser(argparse.ArgumentParser):
    """An argument parser that raises instead of printing its usage and ending the process."""

    def error(self, message: str) -> NoReturn:
        """Raise the complaint.

        Raises:
            CommandError: always.
        """
        raise CommandError(f"{message} (see `{self.prog} --help`)")


class Commands(Protocol):
    """Where a module adds its commands: what :meth:`argparse.ArgumentParser.add_subparsers` returns."""

    def add_parser(self, name: str, *, help: str, description: str = ...) -> argparse.ArgumentParser:  # noqa: A002
        """Return a new parser for the command ``name``."""


def size(text: str) -> int:
    """Read a number of bytes: ``4096``, ``64K``, ``1.5M``, ``2G`` (decimal), ``64KiB``, ``1MiB`` (binary)."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no size: 4096, 64K, 1.5M, 2G or 64KiB are")
    number, unit, binary = match.groups()
    power = _UNITS.index(unit.upper()) + 1 if unit else 0
    factor = (1024 if binary else 1000) ** power
    return int(number) * factor if number.isdigit() else int(float(number) * factor)


def count(text: str) -> int:
    """Read a whole number of at least 1."""
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of at least 1")
    return int(text)


def seconds(text: str) -> float:
    """Read a time in seconds, 0 or more."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of seconds")
    return value


def seed(text: str) -> bytes:
    """Read the 32 bytes of an Ed25519 seed, in hex."""
    try:
        value = bytes.fromhex(text)
    except ValueError:
        value = b""
    if len(value) != SEED_SIZE:
        raise argparse.ArgumentTypeError("a seed has 64 hex digits")
    return value


def add_common(parser: argparse.ArgumentParser) -> None:
    """Add what every command for people has."""
    parser.add_argument("--json", action="store_true", help="print JSON, one object a line, for scripts")


def add_loop(parser: argparse.ArgumentParser) -> None:
    """Add the choice of the event loop."""
    parser.add_argument(
        "--loop", choices=("uvloop", "asyncio"), help="the event loop (default: uvloop where it is installed)"
    )
