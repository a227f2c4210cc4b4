from __future__ import annotations

import dataclasses
import importlib.util
import json
import shlex
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks import compare
from benchmarks.rows import ROWS
from benchmarks.stacks import Options, Sizes

plots = pytest.mark.skipif(
    importlib.util.find_spec("matplotlib") is None, reason="a comparison draws a plot: matplotlib, of the extra bench"
)

FAKE_PEER = Path(__file__).with_name("fake_peer.py")


def program(folder: Path, name: str, speed: float) -> Path:
    """A peer without arguments of its own, as the go and rust peers are."""
    path = folder / name
    path.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} {shlex.quote(str(FAKE_PEER))} {speed} "$@"\n')
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, rows: list[str], speeds: dict[str, float]
) -> tuple[bool, dict[str, Any]]:
    monkeypatch.setattr(compare, "RESULTS", folder / "results")
    quick = Sizes.quick
    monkeypatch.setattr(Sizes, "quick", lambda sizes: dataclasses.replace(quick(sizes), idle_seconds=0))
    options = Options(
        stacks=["go", "rust"],
        extra=[f"{name}={shlex.quote(str(program(folder, name, speed)))}" for name, speed in speeds.items()],
        go=program(folder, "go", 1),
        rust=program(folder, "rust", 2),
        quick=True,
    )
    good = compare.compare(options, rows, 2, "made")
    return good, json.loads((folder / "results" / "made.json").read_text())


@pytest.mark.slow
def test_rates_and_ratios_come_out_as_the_peers_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib")
    good, document = run(tmp_path, monkeypatch, ["bulk", "ping", "streams", "at-once", "upgrades"], {"fast": 4})
    assert good
    found = {metric["name"]: metric["stacks"]["fast"] for metric in document["metrics"]}
    assert {name: cell["median"] for name, cell in found.items()} == {
        "bulk up": pytest.approx(400),
        "bulk down": pytest.approx(800),
        "ping p50": 25,
        "ping p99": 25,
        "streams in a row": pytest.approx(4000),
        "streams 100 at once": pytest.approx(4000),
        "upgrades": pytest.approx(400),
    }
    assert [cell["ratio"] for cell in found.values()] == pytest.approx([2] * 7)
    assert found["upgrades"]["ratio_to"] == {"go": pytest.approx(4), "rust": pytest.approx(2)}
    assert all(len(cell["samples"]) == 2 for cell in found.values())
    assert "400 = 2.00x (4.00x go)" in capsys.readouterr().out
    assert (tmp_path / "results" / "made.svg").is_file()


@plots
def test_connections_are_held_while_memory_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, document = run(tmp_path, monkeypatch, ["memory"], {})
    assert good
    assert document["metrics"][0]["stacks"].keys() == {"go", "rust"}


@plots
def test_gossip_is_counted_by_the_subscribers_and_loss_has_no_ratio(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good, document = run(tmp_path, monkeypatch, ["gossip-one", "gossip-latency"], {"fast": 4})
    assert good
    found = {metric["name"]: metric["stacks"]["fast"] for metric in document["metrics"]}
    assert {name: (cell["median"], cell["ratio"]) for name, cell in found.items()} == {
        "gossip 1 to 1": (pytest.approx(4000), pytest.approx(2)),
        "gossip 1 to 1 lost": (0, None),
        "gossip p50 at 1,000/s": (50, pytest.approx(2)),
        "gossip p99 at 1,000/s": (75, pytest.approx(2)),
    }
    (line,) = (line for line in capsys.readouterr().out.splitlines() if "1 to 1 lost" in line)
    assert [cell.strip() for cell in line.split("|")[2:-1]] == ["50.0", "0.00", "0.00"]


@plots
def test_a_failure_is_shown_and_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good, document = run(tmp_path, monkeypatch, ["ping", "import"], {"broken": -1})
    assert not good
    assert document["metrics"][0]["stacks"]["broken"]["samples"] == [{"failed": "told to fail"}] * 2
    assert "failed: told to fail" in capsys.readouterr().out
    assert document["metrics"][2]["stacks"] == {}


@plots
def test_an_answer_without_its_figures_is_a_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good, document = run(tmp_path, monkeypatch, ["streams"], {"odd": float("inf")})
    assert not good
    assert "unexpected answer: ZeroDivisionError" in document["metrics"][0]["stacks"]["odd"]["samples"][0]["failed"]


def test_an_unknown_row_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown row 'pong'"):
        compare.compare(Options(stacks=[]), ["pong"], 1, "none")
    assert "pong" not in ROWS
