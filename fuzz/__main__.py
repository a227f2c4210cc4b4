"""The command line: ``python -m fuzz TARGET|all --seconds N [--engine …] [--seed N] [--input HEX]``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from fuzz.engines import ENGINES
from fuzz.report import attempt
from fuzz.targets import TARGETS

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Fuzz what was asked for; return 1 if anything was found."""
    parser = argparse.ArgumentParser(prog="python -m fuzz", description="Feed hostile bytes to what parses them.")
    parser.add_argument("target", choices=["all", *TARGETS], metavar="TARGET", help=f"all, {', '.join(TARGETS)}")
    parser.add_argument("--seconds", type=float, default=10.0, help="for each target (default: 10)")
    parser.add_argument("--engine", choices=list(ENGINES), default="random", help="default: random")
    parser.add_argument("--seed", type=int, default=0, help="of the engine; other seeds give other inputs")
    parser.add_argument("--input", type=bytes.fromhex, metavar="HEX", help="run the target once, with this input")
    options = parser.parse_args(arguments)
    names = list(TARGETS) if options.target == "all" else [options.target]

    if options.input is not None:
        failures = [attempt(TARGETS[name], options.input) for name in names]
        print(*(failure.text if failure else "ok" for failure in failures), sep="\n")
        return 1 if any(failures) else 0
    found = 0
    for name in names:
        result = ENGINES[options.engine](name, options.seconds, options.seed)
        print(result, flush=True)
        found += result.failure is not None
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
