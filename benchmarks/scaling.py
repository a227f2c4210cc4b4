"""`python -m benchmarks scaling`: what a connection, a stream and a byte cost as there are more of them.

Each curve is also judged: the cost of a unit at one step is divided by that at the step before. A node whose costs are
linear stays near 1; a step above `TOLERANCE` is named. Linux only.
"""

from __future__ import annotations

import contextlib
import json
import resource
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import machine, plots
from benchmarks.figures import growth
from benchmarks.processes import Peer, RunFailed, listener, run_peer
from benchmarks.stacks import Options
from benchmarks.table import markdown, number

__all__ = ["Curve", "scaling", "verdict"]

CONNECTIONS = (10, 50, 100, 500, 1000, 2000, 5000)
STREAMS = (1, 10, 100, 1000, 2500, 5000, 10_000)
MESSAGES = (16, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10, 256 << 10, 1 << 20, 4 << 20)
CONNECTIONS_A_CLIENT = 1000
TOLERANCE = 1.5
DEADLINE = 180.0
HOLD_SECONDS = 3600


@dataclass(frozen=True, slots=True)
class Curve:
    """The cost of a unit at each count. `floor` is the total below which a cost is no more than noise."""

    name: str
    counts: tuple[int, ...]
    unit_costs: tuple[float, ...]
    floor: float

    def steps(self) -> list[float]:
        """How the cost of a unit grows from each count to the next, 1 for linear."""
        return growth(
            self.counts, [cost * count for cost, count in zip(self.unit_costs, self.counts, strict=True)], self.floor
        )


def verdict(curve: Curve) -> str:
    """One line that says whether a step of the curve is worse than linear."""
    steps = curve.steps()
    worst = max(steps, default=1.0)
    if worst <= TOLERANCE:
        return f"{curve.name}: no step is worse than linear (cost of a unit at most x{worst:.2f} of the step before)"
    place = steps.index(worst)
    return f"{curve.name}: WORSE THAN LINEAR from {curve.counts[place]:,} to {curve.counts[place + 1]:,} (x{worst:.2f})"


def scaling(options: Options, results: Path, name: str) -> bool:
    """Measure the curves, print them, write `<name>.json` and `.svg` into `results`; True when none failed."""
    _raise_descriptor_limit()
    flags = ["--loop", options.loop or "asyncio", "--spin", str(options.spin or 0)]
    peer = [sys.executable, "-m", "benchmarks.peers.scaling_peer", *flags]
    tables: dict[str, list[dict[str, float]]] = {}
    failures: dict[str, str] = {}
    for part, run in (("connections", _connections), ("streams", _streams), ("messages", _messages)):
        rows: list[dict[str, float]] = []
        tables[part] = rows
        try:
            run(peer, rows, quick=options.quick)
        except RunFailed as error:
            failures[part] = str(error)
            print(f"{part}: failed: {error}", file=sys.stderr)
        if rows:
            print(markdown(list(rows[0]), [[number(value) for value in row.values()] for row in rows]) + "\n")
    curves = _curves(tables)
    for curve in curves:
        print(verdict(curve))
    document = {
        "machine": machine.describe(),
        "settings": {"quick": options.quick, "loop": options.loop or "asyncio", "spin_us": options.spin or 0},
        "failures": failures,
        "tables": tables,
        "verdicts": [verdict(curve) for curve in curves],
    }
    results.mkdir(exist_ok=True)
    (results / f"{name}.json").write_text(json.dumps(document, indent=1) + "\n")
    if panels := _panels(tables):
        plots.draw_curves(panels, "p2pstack as there is more to do", results / f"{name}.svg")
    return not failures


def _connections(peer: Sequence[str], rows: list[dict[str, float]], *, quick: bool) -> None:
    """Add connections to one listener, step by step, from clients that hold up to 1,000 each."""
    rest = 0.5 if quick else 3.0
    # A keep-alive ping goes out every 30 s, on connections of the same moment at the same moment: one whole period.
    watch = 1.0 if quick else 30.0
    with contextlib.ExitStack() as clients, listener([*peer, "listen"]) as (node, address):
        with _holding(peer, address, 5) as warm:
            warm.wait_for("holding", DEADLINE)
        time.sleep(rest)
        base, descriptors, held = node.rss_kib(), node.descriptors(), 0
        for count in CONNECTIONS[:4] if quick else CONNECTIONS:
            added, seconds = count - held, 0.0
            while held < count:
                more = min(count - held, CONNECTIONS_A_CLIENT)
                client = clients.enter_context(_holding(peer, address, more))
                seconds += float(client.wait_for("holding", DEADLINE)["seconds"])
                held += more
                node.wait_for_descriptors(descriptors + held, DEADLINE)
            time.sleep(rest)
            memory = node.rss_kib() - base
            used = node.cpu_seconds()
            time.sleep(watch)
            idle = (node.cpu_seconds() - used) / watch
            if node.descriptors() < descriptors + held:
                raise RunFailed(f"connections were lost at {held}")
            rows.append(
                {
                    "connections": count,
                    "KiB a connection": memory / count,
                    "connects a second": added / seconds,
                    "idle CPU us/s a connection": idle / count * 1e6,
                }
            )
            _progress(rows)


def _holding(peer: Sequence[str], address: str, count: int) -> Peer:
    return Peer([*peer, "hold", address, "--count", str(count)])


def _streams(peer: Sequence[str], rows: list[dict[str, float]], *, quick: bool) -> None:
    """Open streams on one connection; a new pair of processes for each step, so that none inherits memory."""
    first: dict[str, float] = {}
    for count in STREAMS[:4] if quick else STREAMS:
        with (
            listener([*peer, "listen"]) as (node, address),
            Peer([*peer, "streams", address, "--count", str(count)]) as client,
        ):
            seconds = float(client.wait_for("streams", DEADLINE)["seconds"])
            time.sleep(0.2 if quick else 1.0)
            memory = {"listener": node.rss_kib(), "dialer": client.rss_kib()}
        if count == 1:
            first = memory
            continue
        rows.append(
            {
                "streams": count,
                "KiB a stream, listener": (memory["listener"] - first["listener"]) / (count - 1),
                "KiB a stream, dialer": (memory["dialer"] - first["dialer"]) / (count - 1),
                "opened a second": count / seconds,
            }
        )
        _progress(rows)


def _messages(peer: Sequence[str], rows: list[dict[str, float]], *, quick: bool) -> None:
    """Echo messages of growing size on one stream."""
    sizes = MESSAGES[:6] if quick else MESSAGES
    seconds = 0.1 if quick else 1.0
    with listener([*peer, "listen"]) as (_, address):
        command = [*peer, "messages", address, "--sizes", ",".join(map(str, sizes)), "--seconds", str(seconds)]
        event = run_peer(command, None, "messages", DEADLINE)
    for result in event["results"]:
        rate = result["count"] / result["seconds"]
        rows.append({"bytes": result["size"], "echoes a second": rate, "MB/s each way": rate * result["size"] / 1e6})


def _curves(tables: Mapping[str, Sequence[Mapping[str, float]]]) -> list[Curve]:
    """The unit costs that are judged. Floors: 1 MiB of memory, 20 ms of time, 1 ms of CPU a second."""

    def column(part: str, name: str) -> tuple[float, ...]:
        return tuple(row[name] for row in tables[part])

    def counts(part: str, name: str) -> tuple[int, ...]:
        return tuple(int(value) for value in column(part, name))

    connections, streams, sizes = (
        counts("connections", "connections"),
        counts("streams", "streams"),
        counts("messages", "bytes"),
    )
    connect = tuple(1 / rate for rate in column("connections", "connects a second"))
    opening = tuple(1 / rate for rate in column("streams", "opened a second"))
    a_byte = tuple(1 / (rate * size) for rate, size in zip(column("messages", "echoes a second"), sizes, strict=True))
    return [
        Curve("memory a connection", connections, column("connections", "KiB a connection"), 1024),
        Curve("time to connect", connections, connect, 0.02),
        Curve("idle CPU a connection", connections, column("connections", "idle CPU us/s a connection"), 1000),
        Curve("memory a stream", streams, column("streams", "KiB a stream, listener"), 1024),
        Curve("time to open a stream", streams, opening, 0.02),
        Curve("echo time a byte", sizes, a_byte, 0),
    ]


def _panels(tables: Mapping[str, Sequence[Mapping[str, float]]]) -> list[plots.Panel]:
    """One panel a column; the two memories of a stream share one."""
    wanted = (
        ("connections", ("KiB a connection",)),
        ("connections", ("connects a second",)),
        ("connections", ("idle CPU us/s a connection",)),
        ("streams", ("KiB a stream, listener", "KiB a stream, dialer")),
        ("streams", ("opened a second",)),
        ("messages", ("MB/s each way",)),
    )
    panels = []
    for part, names in wanted:
        rows = tables[part]
        if rows:
            x_label = next(iter(rows[0]))
            curves = tuple(plots.Curve(name, tuple((row[x_label], row[name]) for row in rows)) for name in names)
            panels.append(plots.Panel(names[0].partition(",")[0], x_label, curves))
    return panels


def _progress(rows: Sequence[Mapping[str, float]]) -> None:
    print(", ".join(f"{name} {number(value)}" for name, value in rows[-1].items()), file=sys.stderr, flush=True)


def _raise_descriptor_limit() -> None:
    """Let this process and its children have as many sockets as the system allows."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < CONNECTIONS[-1] + 100:
        print(f"only {hard} descriptors are allowed: large steps will fail", file=sys.stderr)
