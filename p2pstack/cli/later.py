"""Commands whose code is loaded when they run: without them the others start faster, and so does ``--help``."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from importlib import import_module

from p2pstack.cli.output import Output

__all__ = ["later"]


def later(module: str, function: str) -> Callable[[argparse.Namespace, Output], int]:
    """Return what runs ``function`` of ``p2pstack.cli.<module>``, and imports that only then."""

    def run(options: argparse.Namespace, output: Output) -> int:
        status: int = getattr(import_module(f"p2pstack.cli.{module}"), function)(options, output)
        return status

    return run
