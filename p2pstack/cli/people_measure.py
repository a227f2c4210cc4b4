"""``p2pstack ping`` and ``perf``: how far a node is, and how much goes through."""

from __future__ import annotations

import argparse
import asyncio
import itertools
from collections.abc import Sequence

from p2pstack.cli.arguments import CommandError, Commands, count, seconds, size
from p2pstack.cli.output import Output, data_size, duration, rate
from p2pstack.cli.people_host import add_host_options, add_target, open_host, who_is
from p2pstack.cli.running import run
from p2pstack.services.perf import PerfResult, measure

__all__ = ["add_commands", "percentile"]


def add_commands(commands: Commands) -> None:
    """Add ``ping`` and ``perf``."""
    ping = commands.add_parser("ping", help="measure the round trip to a node")
    ping.add_argument("--count", type=count, default=5, metavar="N", help="pings (default: 5)")
    ping.add_argument("--forever", action="store_true", help="until Ctrl-C")
    ping.add_argument("--interval", type=seconds, default=1.0, metavar="S", help="between two (default: 1)")
    ping.set_defaults(run=_ping)
    perf = commands.add_parser(
        "perf",
        help="measure throughput to a node that serves /perf/1.0.0",
        description="Uploads, then downloads so many bytes on one stream. The node has to serve /perf/1.0.0, as "
        "`p2pstack listen --perf` does. Sizes may be written as 500M or 64KiB.",
    )
    perf.add_argument("--up", type=size, default=100_000_000, metavar="SIZE", help="default: 100M")
    perf.add_argument("--down", type=size, default=100_000_000, metavar="SIZE", help="default: 100M")
    perf.set_defaults(run=_perf)
    for parser in (ping, perf):
        add_target(parser)
        add_host_options(parser)


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below or at which that share (0 to 1) of ``values`` lies; there is at least one."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def _ping(options: argparse.Namespace, output: Output) -> int:
    run(_ping_again_and_again(options, output), options.loop)
    return 0


async def _ping_again_and_again(options: argparse.Namespace, output: Output) -> None:
    round_trips: list[float] = []
    async with open_host(options) as host:
        connection = await host.connect(options.address, timeout=options.timeout)
        output.heading(f"PING {connection.peer_id}")
        try:
            for number in itertools.count(1):
                round_trips.append(await host.ping(connection.peer_id))
                output.line(f"  {number:>4}  {duration(round_trips[-1])}")
                if number == options.count and not options.forever:
                    break
                await asyncio.sleep(options.interval)
        finally:
            if round_trips:
                _summarise(str(connection.peer_id), round_trips, output)


def _summarise(peer: str, round_trips: list[float], output: Output) -> None:
    """Print what the pings say together, at Ctrl-C too."""
    low, middle, high = min(round_trips), percentile(round_trips, 0.5), max(round_trips)
    output.result(
        {
            "peer_id": peer,
            "rtts_us": [round_trip * 1e6 for round_trip in round_trips],
            "min_us": low * 1e6,
            "median_us": middle * 1e6,
            "max_us": high * 1e6,
        }
    )
    shares = [("min", low), ("median", middle), ("p99", percentile(round_trips, 0.99)), ("max", high)]
    parts = ", ".join(f"{name} {duration(value)}" for name, value in shares)
    output.line(f"  {len(round_trips)} pings: {parts}", "bold")


def _perf(options: argparse.Namespace, output: Output) -> int:
    if not options.up and not options.down:
        raise CommandError("there is nothing to send: --up and --down are both 0")
    run(_measure(options, output), options.loop)
    return 0


async def _measure(options: argparse.Namespace, output: Output) -> None:
    up, down = options.up, options.down
    async with open_host(options) as host:
        connection = await host.connect(options.address, timeout=options.timeout)
        await who_is(host, connection)
        output.heading(f"{connection.peer_id}: {data_size(up)} up, {data_size(down)} down")
        with output.progress("transfer", up + down) as show:
            found = await measure(
                host, connection.peer_id, upload=up, download=down, progress=lambda sent, got: show(sent + got)
            )
    output.result({"peer_id": str(connection.peer_id), **_values(found)})
    if up:
        output.line(f"  up    {rate(up, found.upload_seconds):>14}   in {duration(found.upload_seconds)}", "bold")
    if down:
        output.line(f"  down  {rate(down, found.download_seconds):>14}   in {duration(found.download_seconds)}", "bold")


def _values(found: PerfResult) -> dict[str, object]:
    return {
        "up_bytes": found.upload,
        "up_seconds": found.upload_seconds,
        "down_bytes": found.download,
        "down_seconds": found.download_seconds,
    }
