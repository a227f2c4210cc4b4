"""scripts/interop_table.py: what it writes into the page, and when it is red. No peer runs here."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts import interop_table
from tests.interop.harness import Peers
from tests.interop.table_rows import ROWS, NoSuchPair, NotTried, only, pairs_of


async def passes(peers: Peers, dialer: str, listener: str) -> None:
    pass


async def fails_for_a_go_dialer(peers: Peers, dialer: str, listener: str) -> None:
    assert dialer != "go", "it is go"


@pytest.fixture
def page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "specs" / "interop.md"
    path.parent.mkdir()
    monkeypatch.setattr(interop_table, "ROOT", tmp_path)
    monkeypatch.setattr(interop_table, "PAGE", path)
    return path


def test_a_red_cell_is_counted_and_explained(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(interop_table, "ROWS", [("good", passes), ("bad", fails_for_a_go_dialer)])
    monkeypatch.setattr(interop_table, "PAIRS", [("go", "p2pstack"), ("p2pstack", "go")])
    lines, red = interop_table.run_all({})
    assert red == 1
    assert lines == [
        "| | go dials p2pstack | p2pstack dials go |",
        "|---|---|---|",
        "| good | yes | yes |",
        "| bad | **no** | yes |",
    ]
    assert "bad, go dials p2pstack: AssertionError: it is go" in capsys.readouterr().err


def test_a_cell_that_was_not_tried_is_no_yes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def wants_root(peers: Peers, dialer: str, listener: str) -> None:
        raise NotTried("no root")

    async def skips(peers: Peers, dialer: str, listener: str) -> None:
        pytest.skip("no redis")

    async def fails(peers: Peers, dialer: str, listener: str) -> None:
        pytest.fail("no good")

    rows = [("first", wants_root), ("second", skips), ("third", fails), ("fourth", pairs_of(passes, ("a", "b")))]
    monkeypatch.setattr(interop_table, "ROWS", rows)
    monkeypatch.setattr(interop_table, "PAIRS", [("go", "p2pstack")])
    lines, bad = interop_table.run_all({})
    assert lines[2:] == ["| first | not tried |", "| second | not tried |", "| third | **no** |", "| fourth |  |"]
    assert bad == 3
    printed = capsys.readouterr().err
    assert all(reason in printed for reason in ("no root", "no redis", "no good"))
    assert interop_table.run_all({}, "our") == ([*lines[:2], "| fourth |  |"], 0)


async def test_a_row_may_have_a_check_for_each_pair() -> None:
    tried: list[Peers] = []

    async def check(peers: Peers) -> None:
        tried.append(peers)

    peers = Peers({})
    row = only({("go", "p2pstack"): check})
    await row(peers, "go", "p2pstack")
    with pytest.raises(NoSuchPair):
        await row(peers, "p2pstack", "go")
    assert tried == [peers]


def test_rows_have_names_of_their_own() -> None:
    names = [name for name, _ in interop_table.ROWS]
    assert len(names) == len(set(names))
    assert {name for name, _ in ROWS} < set(names)


def test_the_table_goes_between_the_markers_and_the_rest_stays(page: Path) -> None:
    page.write_text(f"# Title\n\nBefore.\n\n{interop_table.BEGIN}\nold\n{interop_table.END}\n\nAfter.\n")
    interop_table.write(["| new |"])
    written = page.read_text()
    assert written == f"# Title\n\nBefore.\n\n{interop_table.BEGIN}\n\n| new |\n\n{interop_table.END}\n\nAfter.\n"
    interop_table.write(["| new |"])
    assert page.read_text() == written


def test_a_page_that_is_missing_is_made(page: Path) -> None:
    interop_table.write(["| new |"])
    assert page.read_text().startswith("# Interoperability\n")
    assert "| new |" in page.read_text()


def test_a_page_without_markers_is_left_alone(page: Path) -> None:
    page.write_text("# Title\n")
    with pytest.raises(SystemExit, match="lacks its marker comments"):
        interop_table.write(["| new |"])
    assert page.read_text() == "# Title\n"


def test_the_versions_name_all_three() -> None:
    text = interop_table.versions()
    assert text.startswith("p2pstack ")
    assert "go-libp2p " in text
    assert "rust-libp2p " in text
