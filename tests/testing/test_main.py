"""The command as a process: what it prints is the same wherever hashes of bytes begin."""

from __future__ import annotations

import os
import subprocess
import sys

from tests.project.sources import ROOT


def gossip(hash_seed: str, *argv: str) -> str:
    return subprocess.run(
        [sys.executable, "-m", "p2pstack.testing", "gossip", *argv],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": hash_seed},
        check=True,
        capture_output=True,
        text=True,
    ).stdout


def test_two_processes_print_the_same() -> None:
    argv = ["--nodes", "60", "--seed", "7", "--loss", "0.1", "--size", "2000", "--encoded"]
    first = gossip("1", *argv)
    assert first == gossip("2", *argv)
    assert first.startswith("nodes              60, 10 messages, 20 s simulated\ndelivered          590 of 590 ")


def test_it_wants_to_know_what_to_simulate() -> None:
    process = subprocess.run(
        [sys.executable, "-m", "p2pstack.testing"], cwd=ROOT, check=False, capture_output=True, text=True
    )
    assert process.returncode == 2
    assert "gossip" in process.stderr
