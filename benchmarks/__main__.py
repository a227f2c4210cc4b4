"""`python -m benchmarks [compare|scaling|micro]`: see README.md in this folder."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks import compare, micro, scaling, stacks
from benchmarks.rows import ROWS

PARTIAL = "partial"
"""What results are called that are not to be kept: nothing refers to them."""


def _comma(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measures p2pstack beside its peers.")
    parser.add_argument("mode", nargs="?", choices=("compare", "scaling", "micro"), default="compare")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (default 3)")
    rows = f"of {','.join(ROWS)} (default all); gossip: all that begin with it"
    parser.add_argument("--rows", type=_comma, default=list(ROWS), help=rows)
    parser.add_argument("--stacks", type=_comma, default=stacks.default_names(), help=f"of {','.join(stacks.NAMES)}")
    parser.add_argument(
        "--extra", action="append", default=[], metavar="NAME=COMMAND", help="one more peer, [VARIABLE=VALUE …] COMMAND"
    )
    parser.add_argument("--go", type=Path, help="a go peer that is already built")
    parser.add_argument("--rust", type=Path, help="a rust peer that is already built")
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), help="event loop of p2pstack's peer")
    parser.add_argument("--spin", type=int, metavar="MICROSECONDS", help="spin of p2pstack's peer after a receive")
    parser.add_argument("--quick", action="store_true", help="a tenth of the work, to try the harness")
    parser.add_argument("--name", help="name of the result files (default: the mode; `partial` where not all is run)")
    return parser


def main() -> int:
    """Run the mode that the command line names; exit status 1 when a run failed, 2 for bad arguments."""
    parser = _parser()
    arguments = parser.parse_args()
    options = stacks.Options(
        stacks=arguments.stacks,
        extra=arguments.extra,
        go=arguments.go,
        rust=arguments.rust,
        loop=arguments.loop,
        spin=arguments.spin,
        quick=arguments.quick,
    )
    whole = not arguments.quick and arguments.rows == list(ROWS)
    name = arguments.name or (arguments.mode if whole else PARTIAL)
    try:
        if arguments.mode == "micro":
            micro.micro(compare.RESULTS, name, quick=options.quick)
            return 0
        if arguments.mode == "scaling":
            return 0 if scaling.scaling(options, compare.RESULTS, name) else 1
        good = compare.compare(options, arguments.rows, arguments.rounds, name)
    except ValueError as error:
        parser.error(str(error))
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
