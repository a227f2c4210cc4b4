"""A process that is killed at any moment loses nothing that it accepted, and nothing completed comes back."""

from __future__ import annotations

import random
import subprocess
import sys
from collections import defaultdict
from pathlib import Path

import pytest

from p2pstack.shinkai.storage.job_queue import JobQueue
from p2pstack.shinkai.storage.retry_queue import RetryQueue
from p2pstack.shinkai.storage.schema import open_database
from tests.project.sources import ROOT
from tests.shinkai.storage.files import job

ROUNDS = 8


def killed_after(path: Path, lines: int, first: int) -> list[tuple[str, str]]:
    """What the process said until it was killed: after ``lines`` lines, wherever it was by then."""
    command = [sys.executable, "-m", "tests.shinkai.storage.crashing", str(path), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout is not None
        said = [process.stdout.readline() for _ in range(lines)]
        process.kill()
        said += process.stdout.readlines()
        assert process.wait(20) == -9, "it had ended before it was killed"
    return [(line[:1].decode(), line[2:].decode().strip()) for line in said if line.endswith(b"\n")]


@pytest.mark.slow
@pytest.mark.deadline(100)
@pytest.mark.req("SHK-42", "SHK-45", "SHK-46", "SHK-47")
async def test_nothing_accepted_is_lost_and_nothing_completed_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "node.db"
    chance = random.Random(7)
    said: dict[str, set[str]] = defaultdict(set)
    for number in range(ROUNDS):
        for letter, key in killed_after(path, chance.randint(1, 1_500), number * 1_000_000):
            said[letter].add(key)
        async with await open_database(path) as database:
            retries, jobs = RetryQueue(database), JobQueue(database)
            waiting = {queued.key for queued in await retries.waiting(limit=1_000_000)}
            assert said["A"] - said["B"] <= waiting, "accepted, and lost"
            assert not said["C"] & waiting, "delivered, and back"
            rows = await database.run(lambda file: file.execute("SELECT key FROM job").fetchall())
            left = {row[0] for row in rows}
            assert said["a"] - said["b"] <= left, "accepted, and lost"
            assert not said["c"] & left, "done, and back"
            for key in sorted(said["c"])[-20:]:
                assert not await jobs.add(job(), key=key), "done, and accepted again"
            stats = await retries.stats()
            assert (stats.rows, stats.leased) == (len(waiting), 0)
    assert min(len(said[letter]) for letter in "ABCabc") > 100
