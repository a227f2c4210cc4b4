#!/usr/bin/env python3
"""Does every MUST of specs/ have a test?

Reads the tables of specs/*.md with the header ``| id | level | rule | bad input |`` and all
``pytest.mark.req("ID", …)`` in tests/, and prints each MUST without a test, each id that a test cites but no page
defines, and each row that does not parse. Exit status 1 if there is any of these. ``--all`` also lists the S and P
rules without a test, which is no fault.

A rule that can't be tested here stands a second time in its page, in a table ``| id | why no test |``.
"""

from __future__ import annotations

import argparse
import ast
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ID = re.compile(r"[A-Z][A-Z0-9]*-[0-9]{2,}")
LEVELS = {"M", "S", "P"}
RULE_HEADER = ["id", "level", "rule", "bad input"]
EXEMPT_HEADER = ["id", "why no test"]


@dataclass
class Catalogue:
    """What the pages say: rules by id with their level, exemptions with their reason, and what is wrong with them."""

    levels: dict[str, str] = field(default_factory=dict)
    exempt: dict[str, str] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)


def cells(line: str) -> list[str]:
    r"""The cells of a Markdown table row; ``\|`` is a bar inside a cell."""
    inner = line.strip().removeprefix("|").removesuffix("|")
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", inner)]


def read_page(name: str, text: str, into: Catalogue) -> None:
    """Add the rules and exemptions of one page to the catalogue."""
    header: list[str] = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.startswith("|"):
            header = []
            continue
        row = cells(line)
        if not header:
            header = [cell.lower() for cell in row]
            if header[0] == "id" and header not in (RULE_HEADER, EXEMPT_HEADER):
                into.faults.append(f"{name}:{number}: a table of ids has the header {' | '.join(RULE_HEADER)}")
        elif set(line) <= set("|-: "):
            continue
        elif header == RULE_HEADER:
            _read_rule(f"{name}:{number}", row, into)
        elif header == EXEMPT_HEADER:
            if len(row) != 2 or not row[1]:
                into.faults.append(f"{name}:{number}: an exemption needs an id and a reason")
            else:
                into.exempt[row[0]] = row[1]


def _read_rule(place: str, row: list[str], into: Catalogue) -> None:
    if len(row) != len(RULE_HEADER) or not ID.fullmatch(row[0]) or row[1] not in LEVELS or not row[2]:
        into.faults.append(f"{place}: a rule is | ID-00 | M, S or P | text | reaction |")
    elif row[0] in into.levels:
        into.faults.append(f"{place}: {row[0]} is defined twice")
    else:
        into.levels[row[0]] = row[1]


def read_catalogue(folder: Path) -> Catalogue:
    """Read all pages in ``folder``."""
    catalogue = Catalogue()
    for page in sorted(folder.glob("*.md")):
        read_page(page.name, page.read_text(encoding="utf-8"), catalogue)
    unknown = sorted(set(catalogue.exempt) - set(catalogue.levels))
    catalogue.faults += [f"{rule}: exempt from testing, but no page defines it" for rule in unknown]
    return catalogue


def cited(tree: ast.AST) -> list[tuple[int, str | None]]:
    """Line and id of each argument of a ``req`` mark; None where it is not a plain string."""
    found: list[tuple[int, str | None]] = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr != "req":
            continue
        if isinstance(node.func.value, ast.Attribute) and node.func.value.attr == "mark":
            for argument in [*node.args, *(keyword.value for keyword in node.keywords)]:
                plain = isinstance(argument, ast.Constant) and isinstance(argument.value, str)
                found.append((argument.lineno, argument.value if plain else None))  # type: ignore[attr-defined]
    return found


def read_tests(folder: Path) -> tuple[dict[str, list[str]], list[str]]:
    """Where each id is cited below ``folder``, and the marks that can't be read."""
    places: dict[str, list[str]] = {}
    faults = []
    for path in sorted(folder.rglob("test_*.py")):
        name = path.relative_to(folder.parent).as_posix()
        for line, rule in cited(ast.parse(path.read_text(encoding="utf-8"), filename=name)):
            if rule is None:
                faults.append(f"{name}:{line}: a req mark takes plain strings")
            else:
                places.setdefault(rule, []).append(f"{name}:{line}")
    return places, faults


def problems(catalogue: Catalogue, places: dict[str, list[str]]) -> list[str]:
    """MUSTs without a test, ids without a rule, exemptions that are none; one line each."""
    untested = [
        f"{rule}: a MUST without a test"
        for rule, level in catalogue.levels.items()
        if level == "M" and rule not in places and rule not in catalogue.exempt
    ]
    unknown = [
        f"{rule}: cited at {', '.join(at)}, but no page defines it"
        for rule, at in sorted(places.items())
        if rule not in catalogue.levels
    ]
    idle = [f"{rule}: exempt, but tested at {places[rule][0]}" for rule in catalogue.exempt if rule in places]
    return untested + unknown + idle


def main() -> int:
    """Print what is wrong; the exit status."""
    parser = argparse.ArgumentParser(description="Does every MUST of specs/ have a test?")
    parser.add_argument("--all", action="store_true", help="also list S and P rules without a test")
    arguments = parser.parse_args()

    catalogue = read_catalogue(ROOT / "specs")
    places, faults = read_tests(ROOT / "tests")
    found = catalogue.faults + faults + problems(catalogue, places)
    print(*found, sep="\n", end="\n" if found else "")
    if arguments.all:
        rest = [rule for rule, level in catalogue.levels.items() if level != "M" and rule not in places]
        print(*(f"{rule}: {catalogue.levels[rule]}, without a test" for rule in rest), sep="\n")
    musts = [rule for rule, level in catalogue.levels.items() if level == "M"]
    tested = sum(rule in places for rule in musts)
    print(f"{len(catalogue.levels)} rules; {tested} of {len(musts)} MUSTs tested, {len(catalogue.exempt)} exempt")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
