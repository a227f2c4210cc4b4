"""The pages of specs/ are a sound catalogue, and every MUST in them has a test (scripts/check_requirements.py)."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from scripts import check_requirements as check
from tests.project.sources import ROOT

SPECS = ROOT / "specs"
TESTS = ROOT / "tests"


def test_every_must_has_a_test_and_every_cited_id_a_rule() -> None:
    catalogue = check.read_catalogue(SPECS)
    places, faults = check.read_tests(TESTS)
    assert len(catalogue.levels) > 100
    found = catalogue.faults + faults + check.problems(catalogue, places)
    if found:
        pytest.fail("\n".join(found), pytrace=False)


def page(*lines: str) -> check.Catalogue:
    catalogue = check.Catalogue()
    check.read_page("page.md", "\n".join(lines), catalogue)
    return catalogue


HEADER = ("| id | level | rule | bad input |", "|---|---|---|---|")


def test_rules_are_read_from_their_table_alone() -> None:
    catalogue = page(
        "| limit | value |", "|---|---|", "| AAA-01 | M |", "", *HEADER, r"| BBB-02 | S | a \| b | reset |"
    )
    assert catalogue.levels == {"BBB-02": "S"}
    assert catalogue.faults == []


def test_a_table_of_ids_with_another_header_is_a_fault() -> None:
    catalogue = page("| id | lvl | rule |", "|---|---|---|", "| AAA-01 | M | text |")
    assert [fault.split(":")[1] for fault in catalogue.faults] == ["1"]


@pytest.mark.parametrize(
    "row",
    [
        "| BBB-2 | M | text | reset |",
        "| BBB-02 | X | text | reset |",
        "| BBB-02 | M | text |",
        "| BBB-02 | M | | reset |",
    ],
)
def test_a_row_that_does_not_parse_is_a_fault(row: str) -> None:
    catalogue = page(*HEADER, row)
    assert catalogue.levels == {}
    assert [fault.split(":")[1] for fault in catalogue.faults] == ["3"]


def test_an_id_is_defined_once() -> None:
    catalogue = page(*HEADER, "| BBB-02 | M | text | |", "| BBB-02 | S | text | |")
    assert catalogue.faults == ["page.md:4: BBB-02 is defined twice"]


def test_untested_unknown_and_idle_ids_are_told() -> None:
    catalogue = page(
        *HEADER,
        "| AAA-01 | M | text | |",
        "| AAA-02 | S | text | |",
        "| AAA-03 | M | text | |",
        "| AAA-04 | M | text | |",
        "",
        "| id | why no test |",
        "|---|---|",
        "| AAA-03 | needs 2**64 frames |",
        "| AAA-04 | none |",
    )
    found = check.problems(catalogue, {"AAA-04": ["tests/x.py:1"], "ZZZ-01": ["tests/x.py:2"]})
    assert [line.split(":")[0] for line in found] == ["AAA-01", "ZZZ-01", "AAA-04"]


def test_marks_are_found_on_functions_modules_and_parameters() -> None:
    text = """
pytestmark = pytest.mark.req("AAA-01")
@pytest.mark.req("AAA-02", "AAA-03")
@pytest.mark.parametrize("x", [pytest.param(1, marks=[pytest.mark.req("AAA-04")])])
def test(): other.req("AAA-05")
@pytest.mark.req(NAME)
def test_2(): pass
"""
    assert check.cited(ast.parse(text)) == [(2, "AAA-01"), (3, "AAA-02"), (3, "AAA-03"), (6, None), (4, "AAA-04")]


def test_exemptions_need_a_rule(tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text("| id | why no test |\n|---|---|\n| AAA-01 | none |\n| AAA-02 | |\n")
    faults = check.read_catalogue(tmp_path).faults
    assert faults == [
        "page.md:4: an exemption needs an id and a reason",
        "AAA-01: exempt from testing, but no page defines it",
    ]
