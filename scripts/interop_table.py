#!/usr/bin/env python3
"""Try every verb of the peer command line in every direction, and write the result to specs/interop.md.

The columns are p2pstack with the Go peer, the Rust peer and itself, each of them dialing and listening; the peers are
built first. A cell runs a test of tests/interop, or one that table_rows.py there names, so the table says nothing
that the test suite does not check. It is empty where there is no such pair of programs, and says "not tried" where
something is missing on this machine: what is behind NATs needs root and network namespaces, the official clients need
Redis. The table, its date and the versions go between two marker comments; the rest of the page stays. Exit status 1
if a cell is red or was not tried: then its reason is printed. ``--dry-run`` prints the table and writes nothing;
``--only TEXT`` tries the rows with this text in their names, and writes nothing either.
"""

from __future__ import annotations

import argparse
import asyncio
import platform
import sys
import tomllib
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import pytest  # noqa: E402

# They lie beside the package, not in it.
from p2pstack.errors import P2PError  # noqa: E402
from tests.interop import test_gossip_mesh as mesh  # noqa: E402
from tests.interop import test_gossip_messages as messages  # noqa: E402
from tests.interop import test_rough_network, test_verbs  # noqa: E402
from tests.interop.build import BUILT_KINDS, BuildFailed, ToolMissing, binary, library_version  # noqa: E402
from tests.interop.harness import Peers  # noqa: E402
from tests.interop.pairs import PAIRS, our_pairs  # noqa: E402
from tests.interop.table_rows import ROWS as FURTHER_ROWS  # noqa: E402
from tests.interop.table_rows import Check, NoSuchPair, NotTried  # noqa: E402

PAGE = ROOT / "specs" / "interop.md"
BEGIN = "<!-- interop table: begin, written by scripts/interop_table.py -->"
END = "<!-- interop table: end -->"
CELL_SECONDS = 60.0

ROWS: list[tuple[str, Check]] = [
    ("`listen`: connected, identified, disconnected", test_verbs.test_a_connection_is_reported_from_begin_to_end),
    ("`ping`", test_verbs.test_ping),
    ("`identify`", test_verbs.test_identify),
    ("`echo`, 1 B to 1 MB, streams in a row", test_verbs.test_echo_in_a_row),
    ("`echo`, 600 streams of 1 B in a row", test_verbs.test_echo_of_many_short_streams),
    ("`echo`, 100 streams at once", partial(test_verbs.test_echo_at_once, streams=100, size=1000)),
    ("`echo`, 8 streams of 1 MB at once", partial(test_verbs.test_echo_at_once, streams=8, size=1_000_000)),
    ("`perf`, 1 stream", partial(test_verbs.test_perf, streams=1)),
    ("`perf`, 4 streams", partial(test_verbs.test_perf, streams=4)),
    ("`connect`, 20 times", test_verbs.test_connect_many_times),
    ("`hold`, 10 connections", test_verbs.test_hold_many_connections),
    ("`--seed-hex`: the same peer id", test_verbs.test_a_dialer_with_a_seed_is_recognised),
    ("a wrong peer id is refused", test_verbs.test_a_wrong_peer_id_is_refused_by_the_dialer),
    ("`gossip` to a listener", test_verbs.test_gossip_to_a_listener),
    ("`gossip` through a listener", test_verbs.test_gossip_through_a_listener),
    ("gossipsub: signed, 1 B to 60 kB, both ways", messages.test_signed_messages_both_ways),
    ("gossipsub: by nobody (StrictNoSign), both ways", messages.test_messages_of_nobody_both_ways),
    ("gossipsub: 1,000 messages/s both ways, none lost", messages.test_a_thousand_messages_and_none_is_lost),
    ("gossipsub: IHAVE and IWANT outside of the mesh", mesh.test_who_is_in_no_mesh_gets_messages_by_gossip),
    ("all of it one byte at a time", test_rough_network.test_one_byte_at_a_time),
    ("25 ms of delay each way", test_rough_network.test_delays),
    ("cuts in mid-frame hurt nobody else", test_rough_network.test_cuts_hurt_only_the_connection_that_is_cut),
    *FURTHER_ROWS,
]  # fmt: skip

FAULTS = (
    ArithmeticError, AssertionError, ExceptionGroup, LookupError, OSError, P2PError, TypeError, ValueError,
    pytest.fail.Exception,
)  # fmt: skip
"""How a test can fail."""

YES, NO, NOT_TRIED, EMPTY = "yes", "**no**", "not tried", ""

NEW_PAGE = f"""# Interoperability

{BEGIN}
{END}
"""


def run_cell(check: Check, programs: dict[str, Path], dialer: str, listener: str) -> tuple[str, str]:
    """What stands in the cell of ``dialer`` and ``listener``, and why, where that is neither "yes" nor nothing."""
    peers = Peers(programs)

    async def bounded() -> None:
        async with asyncio.timeout(CELL_SECONDS):
            await check(peers, dialer, listener)

    try:
        asyncio.run(bounded())
    except NoSuchPair:
        return EMPTY, ""
    except (NotTried, pytest.skip.Exception) as error:
        return NOT_TRIED, str(error)
    except FAULTS as error:
        return NO, f"{type(error).__name__}: {error}\n{peers.transcript()}"
    return YES, ""


def run_all(programs: dict[str, Path], only: str = "") -> tuple[list[str], int]:
    """The lines of the table, and how many of its cells are no good, whose reasons have been printed."""
    head = [f"{dialer} dials {listener}" for dialer, listener in PAIRS]
    lines = ["| | " + " | ".join(head) + " |", "|---" * (len(head) + 1) + "|"]
    bad = 0
    for name, check in ROWS:
        if only not in name:
            continue
        cells = []
        for dialer, listener in PAIRS:
            cell, reason = run_cell(check, programs, dialer, listener)
            cells.append(cell)
            if cell in {NO, NOT_TRIED}:
                bad += 1
                print(f"{name}, {dialer} dials {listener}: {reason}\n", file=sys.stderr)
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
        print(lines[-1], flush=True)
    return lines, bad


def versions() -> str:
    """One sentence: what was tried, on what, and when."""
    own = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    others = " and ".join(f"{kind}-libp2p {library_version(kind)}" for kind in BUILT_KINDS)
    day = datetime.now(tz=UTC).date()
    return f"p2pstack {own} with {others}, Python {platform.python_version()}, {platform.system()}, {day}."


def write(lines: list[str]) -> None:
    """Put ``lines`` between the markers of the page, which is made if there is none."""
    page = PAGE.read_text(encoding="utf-8") if PAGE.exists() else NEW_PAGE
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        sys.exit(f"{PAGE.relative_to(ROOT)} lacks its marker comments:\n{BEGIN}\n{END}")
    table = "\n".join(lines)
    PAGE.write_text(f"{before}{BEGIN}\n\n{table}\n\n{END}{after}", encoding="utf-8")


def main() -> int:
    """Run the table; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--dry-run", action="store_true", help="print the table, write nothing")
    parser.add_argument("--only", default="", metavar="TEXT", help="try only rows with this in their names")
    arguments = parser.parse_args()
    try:
        programs = {kind: binary(kind) for kind in BUILT_KINDS}
    except (BuildFailed, ToolMissing) as error:
        sys.exit(str(error))
    table, bad = run_all(programs, arguments.only)
    if bad:
        print(f"{bad} cells are red or were not tried", file=sys.stderr)
    trial = arguments.dry_run or arguments.only or our_pairs() != PAIRS
    if not trial:
        write([f"{versions()} A cell is empty where there is no such pair of programs.", "", *table])
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
