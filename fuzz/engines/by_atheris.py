"""Coverage-guided inputs by atheris (libFuzzer), in a process of its own: libFuzzer ends the process that it runs in.

atheris is an extra: ``pip install 'p2pstack[fuzz]'``. The process instruments p2pstack while it imports it; what it
finds goes to a temporary folder, and the committed corpus is only read.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from fuzz import corpus
from fuzz.engines.by_mutation import MAX_SIZE
from fuzz.report import Failure, Result, attempt
from fuzz.targets import TARGETS

__all__ = ["fuzz"]

_PROGRAM = """
import sys, atheris
with atheris.instrument_imports(include=["p2pstack"]):
    from fuzz.targets import TARGETS
atheris.Setup(sys.argv[1:], TARGETS[sys.argv[1]])
atheris.Fuzz()
"""
_GRACE = 60.0
"""Seconds that libFuzzer may take to begin and to end."""


def fuzz(target: str, seconds: float, seed: int) -> Result:
    """Run libFuzzer for the time, or until an input fails.

    Raises:
        SystemExit: atheris is not installed, or libFuzzer itself failed.
    """
    if importlib.util.find_spec("atheris") is None:
        raise SystemExit("fuzz: atheris is not installed: pip install atheris")
    with tempfile.TemporaryDirectory() as folder:
        found, artifacts = Path(folder, "found"), Path(folder, "artifacts")
        found.mkdir()
        artifacts.mkdir()
        limits = [f"-max_total_time={max(1, round(seconds))}", f"-max_len={MAX_SIZE}", f"-seed={seed + 1}"]
        files = [f"-artifact_prefix={artifacts}/", str(found), str(corpus.FOLDER / target)]
        start = time.perf_counter()
        process = subprocess.run(
            [sys.executable, "-c", _PROGRAM, target, *limits, "-print_final_stats=1", *files],
            cwd=corpus.FOLDER.parents[1],
            capture_output=True,
            text=True,
            timeout=seconds + _GRACE,
            check=False,
        )
        elapsed = time.perf_counter() - start
        inputs = [path.read_bytes() for path in artifacts.iterdir()]
    counted = re.search(r"stat::number_of_executed_units:\s+(\d+)", process.stderr)
    executions = int(counted.group(1)) if counted else 0
    if inputs:
        failure = attempt(TARGETS[target], inputs[0]) or Failure(inputs[0], process.stdout + process.stderr)
        return Result(target, "atheris", executions, elapsed, failure)
    if process.returncode:
        raise SystemExit(f"fuzz: atheris failed:\n{process.stderr[-2000:]}")
    return Result(target, "atheris", executions, elapsed)
