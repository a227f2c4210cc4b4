"""`python -m benchmarks micro`: what the single parts cost, in memory and on one core."""

from __future__ import annotations

import json
from pathlib import Path

from benchmarks import machine
from benchmarks.table import markdown, number
from benchmarks.timer import Timing, measure

__all__ = ["micro"]

MICRO = 1e6


def micro(results: Path, name: str, *, quick: bool) -> None:
    """Time every case, print the table and write `<name>.json` into the folder `results`."""
    from benchmarks.micro_cases import cases

    timings: dict[str, Timing] = {}
    rows = []
    for case in cases():
        timing = measure(case.call, units=case.units, seconds=0.005 if quick else 0.02, repeats=5 if quick else 9)
        timings[case.name] = timing
        rate = number(case.unit_bytes / timing.best / MICRO) if case.unit_bytes else ""
        rows.append([case.name, number(timing.best * MICRO), number(timing.median * MICRO), rate])
    print(markdown(["", "best us", "median us", "MB/s at best"], rows))
    document = {
        "machine": machine.describe(),
        "settings": {"quick": quick},
        "microseconds": {
            case: {"best": round(timing.best * MICRO, 3), "median": round(timing.median * MICRO, 3)}
            for case, timing in timings.items()
        },
    }
    results.mkdir(exist_ok=True)
    (results / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
