"""The rows of the comparison: each starts a fresh listener of one stack, dials it with the same stack, measures.

A row gives one value for each of its metrics; RunFailed takes them all.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks import gossip, kad
from benchmarks.figures import Metric, percentile
from benchmarks.processes import REPOSITORY, Peer, RunFailed, listener, run_peer
from benchmarks.stacks import DHT_NAMES, PYTHON_NAMES, RELAY_NAMES, Stack

__all__ = ["ROWS", "Row", "Session", "chosen", "measured"]

MEGABYTE = 1e6
BULK_LIMIT = 8 << 30
HOLD_SECONDS = 600
WARM_CONNECTIONS = 5
BURSTS = 10
"""How often a peer without a window flag is asked for `at_once` streams."""
SUBSCRIBERS = 10
GOSSIP_RATE = 1000


@dataclass(slots=True)
class Session:
    """What one comparison remembers between its rounds.

    How many bytes make a bulk run long enough, and how long publishers have to stay.
    """

    bulk_bytes: dict[str, tuple[int, int]] = field(default_factory=dict)
    stays: gossip.Stays = field(default_factory=dict)
    endpoints: Stack | None = None
    """Whose peers sit behind the relays of all stacks: what differs is the relay."""


Measure = Callable[[Stack, Session], dict[str, float]]


@dataclass(frozen=True, slots=True)
class Row:
    """One `--rows` name: its metrics, the function that measures them, and the only stacks it is for, if not all."""

    name: str
    metrics: tuple[Metric, ...]
    measure: Measure
    stacks: tuple[str, ...] = ()

    def is_for(self, stack: str) -> bool:
        """Whether the stack of that name is measured."""
        return not self.stacks or stack in self.stacks


def chosen(names: Sequence[str]) -> list[Row]:
    """The rows of these names, in the order of the table; `gossip` stands for all that begin with `gossip-`.

    Raises ValueError for a name that stands for none.
    """
    found = set()
    for name in names:
        matching = {row for row in ROWS if row == name or row.startswith(f"{name}-")}
        if not matching:
            raise ValueError(f"unknown row {name!r}: one of {', '.join(ROWS)}")
        found |= matching
    return [row for name, row in ROWS.items() if name in found]


def measured(row: Row, stack: Stack, session: Session) -> dict[str, float]:
    """What `row` gives for `stack`; RunFailed also for an answer that is not what the command line promises."""
    try:
        values = row.measure(stack, session)
        return {metric.name: values[metric.name] for metric in row.metrics}
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise RunFailed(f"unexpected answer: {error!r}") from error


def _ask(stack: Stack, address: str, event: str, what: str, *arguments: object) -> dict[str, Any]:
    command = stack.dial(address, what, *map(str, arguments))
    return run_peer(command, stack.environment, event, stack.sizes.deadline)


def _bulk(stack: Stack, session: Session) -> dict[str, float]:
    with listener(stack.listen(), stack.environment) as (_, address):

        def transfer(up: int, down: int) -> tuple[float, float]:
            event = _ask(stack, address, "perf", "perf", "--up", up, "--down", down)
            return up / float(event["up_seconds"]), down / float(event["down_seconds"])

        if stack.name not in session.bulk_bytes:
            rates = transfer(stack.sizes.bulk_probe, stack.sizes.bulk_probe)
            # The probe runs cold; half as much again makes up for it.
            up, down = (min(int(rate * stack.sizes.bulk_seconds * 1.5), BULK_LIMIT) for rate in rates)
            session.bulk_bytes[stack.name] = (up, down)
        up_rate, down_rate = transfer(*session.bulk_bytes[stack.name])
    return {"bulk up": up_rate / MEGABYTE, "bulk down": down_rate / MEGABYTE}


def _ping(stack: Stack, _: Session) -> dict[str, float]:
    warm, count = stack.sizes.warm_pings, stack.sizes.pings
    with listener(stack.listen(), stack.environment) as (_peer, address):
        event = _ask(stack, address, "ping", "ping", "--count", warm + count)
    times = [float(value) for value in event["rtts_us"]][warm:]
    if len(times) != count:
        raise RunFailed(f"{len(times)} of {count} pings came back")
    return {"ping p50": percentile(times, 0.5), "ping p99": percentile(times, 0.99)}


def _streams(stack: Stack, _: Session) -> dict[str, float]:
    with listener(stack.listen(), stack.environment) as (_peer, address):
        event = _ask(stack, address, "echo", "echo", "--size", 1, "--streams", stack.sizes.streams)
    return {"streams in a row": stack.sizes.streams / float(event["seconds"])}


def _at_once(stack: Stack, _: Session) -> dict[str, float]:
    total, window = stack.sizes.streams, stack.sizes.at_once
    with listener(stack.listen(), stack.environment) as (_peer, address):
        if stack.window_flag:
            bursts = 1
            arguments = ["--streams", total, stack.window_flag, window]
        else:
            bursts, total = BURSTS, BURSTS * window
            arguments = ["--streams", window]
        seconds = 0.0
        for _burst in range(bursts):
            event = _ask(stack, address, "echo", "echo", "--size", 1, "--concurrent", *arguments)
            seconds += float(event["seconds"])
    return {"streams 100 at once": total / seconds}


def _upgrades(stack: Stack, _: Session) -> dict[str, float]:
    with listener(stack.listen(), stack.environment) as (_peer, address):
        event = _ask(stack, address, "connect", "connect", "--count", stack.sizes.upgrades)
    return {"upgrades": stack.sizes.upgrades / float(event["seconds"])}


def _memory(stack: Stack, _: Session) -> dict[str, float]:
    count, deadline = stack.sizes.connections, stack.sizes.deadline
    with listener(stack.listen(), stack.environment) as (peer, address):
        # What the first connections allocate for good is not the price of a connection.
        _ask(stack, address, "connect", "connect", "--count", WARM_CONNECTIONS)
        time.sleep(stack.sizes.idle_seconds)
        before, descriptors = peer.rss_kib(), peer.descriptors()
        command = stack.dial(address, "hold", "--count", str(count), stack.hold_flag, str(HOLD_SECONDS))
        with Peer(command, stack.environment) as holder:
            holder.wait_until(lambda: peer.descriptors() >= descriptors + count, deadline, f"{count} connections")
            time.sleep(stack.sizes.idle_seconds)
            if peer.descriptors() < descriptors + count:
                raise RunFailed("connections were lost while they were held")
            after = peer.rss_kib()
    return {"memory a connection": (after - before) / count}


def _idle(stack: Stack, _: Session) -> dict[str, float]:
    with listener(stack.listen(), stack.environment) as (peer, _address):
        time.sleep(stack.sizes.idle_seconds)
        return {"idle RSS": peer.rss_kib() / 1024}


def _import(stack: Stack, _: Session) -> dict[str, float]:
    python, statement = stack.import_command

    def best(code: str) -> float:
        times = []
        for _run in range(stack.sizes.imports):
            start = time.perf_counter()
            try:
                subprocess.run(
                    [python, "-c", code],
                    check=True,
                    capture_output=True,
                    cwd=REPOSITORY,
                    timeout=stack.sizes.deadline,
                )
            except subprocess.CalledProcessError as error:
                last = error.stderr.decode(errors="replace").strip().splitlines() or ["no message"]
                raise RunFailed(last[-1]) from error
            except subprocess.TimeoutExpired as error:
                raise RunFailed(f"not imported within {stack.sizes.deadline:g} s") from error
            times.append(time.perf_counter() - start)
        return min(times)

    return {"import time": (best(statement) - best("pass")) * 1e3}


def _relayed(stack: Stack, session: Session) -> dict[str, float]:
    """A listener behind a relay and a dialer, both ours, and the relay of `stack`; the same pair without it as well."""
    ends = session.endpoints or stack
    size, warm, count = stack.sizes.relayed_bytes, stack.sizes.warm_pings, stack.sizes.pings

    def round_trip(address: str) -> float:
        event = _ask(ends, address, "ping", "ping", "--count", warm + count)
        return percentile([float(value) for value in event["rtts_us"]][warm:], 0.5)

    with (
        listener(stack.relay(), stack.environment) as (_relay, relay),
        listener([*ends.listen(), "--relay-addr", relay], ends.environment) as (peer, address),
    ):
        circuit = str(peer.wait_for("reserved", stack.sizes.deadline)["addr"])
        added = round_trip(circuit) - round_trip(address)
        event = _ask(ends, circuit, "perf", "perf", "--up", size, "--down", size)
    return {
        "relayed up": size / float(event["up_seconds"]) / MEGABYTE,
        "relayed down": size / float(event["down_seconds"]) / MEGABYTE,
        "ping, added by the relay": added,
    }


def _kad(stack: Stack, _: Session) -> dict[str, float]:
    found = kad.look_up(stack, nodes=stack.sizes.dht_nodes, count=stack.sizes.lookups)
    return {
        "DHT lookups": found.rate,
        "DHT lookup p50": found.seconds * 1e3,
        "DHT lookup of a new client": found.first_seconds * 1e3,
        "DHT messages a lookup": found.requests,
    }


def _kad_table(stack: Stack, _: Session) -> dict[str, float]:
    return {"DHT table of 1,000 peers": kad.table_bytes(stack) / 1_024}


def _gossip_one(stack: Stack, session: Session) -> dict[str, float]:
    found = gossip.publish(stack, session.stays, subscribers=1, count=stack.sizes.gossip_one)
    return {"gossip 1 to 1": found.rate, "gossip 1 to 1 lost": found.lost}


def _gossip_ten(stack: Stack, session: Session) -> dict[str, float]:
    found = gossip.publish(stack, session.stays, subscribers=SUBSCRIBERS, count=stack.sizes.gossip_ten)
    return {"gossip 1 to 10": found.rate, "gossip 1 to 10 lost": found.lost}


def _gossip_latency(stack: Stack, session: Session) -> dict[str, float]:
    found = gossip.publish(stack, session.stays, subscribers=1, count=stack.sizes.gossip_timed, rate=GOSSIP_RATE)
    return {"gossip p50 at 1,000/s": found.p50, "gossip p99 at 1,000/s": found.p99}


def _gossip_simulation(stack: Stack, _: Session) -> dict[str, float]:
    python, _statement = stack.import_command
    command = [python, "-m", "benchmarks.peers.simulation_peer", "--nodes", str(stack.sizes.simulated_nodes)]
    event = run_peer(command, stack.environment, "simulation", stack.sizes.deadline)
    if event["delivered"] != 1:
        raise RunFailed(f"the message got to {event['delivered']:.1%} of the nodes")
    return {"1,000 simulated nodes, start": event["start_seconds"], "heartbeat and message": event["seconds"]}


def _shinkai(stack: Stack, _: Session) -> dict[str, float]:
    python, _statement = stack.import_command
    command = [python, "-m", "benchmarks.peers.shinkai_peer", "--total", str(stack.sizes.shinkai)]
    event = run_peer(command, stack.environment, "shinkai", stack.sizes.deadline)
    return {
        "Shinkai messages": event["per_second"],
        "Shinkai p50 at 200/s": event["p50"] * 1e3,
        "Shinkai p99 at 200/s": event["p99"] * 1e3,
        "Shinkai node start": event["start"] * 1e3,
    }


def _lost(name: str) -> Metric:
    return Metric(name, "%", higher_is_better=False, compared=False)


ROWS = {
    row.name: row
    for row in (
        Row("bulk", (Metric("bulk up", "MB/s", True), Metric("bulk down", "MB/s", True)), _bulk),
        Row("ping", (Metric("ping p50", "us", False), Metric("ping p99", "us", False)), _ping),
        Row("streams", (Metric("streams in a row", "/s", True),), _streams),
        Row("at-once", (Metric("streams 100 at once", "/s", True),), _at_once),
        Row("upgrades", (Metric("upgrades", "/s", True),), _upgrades),
        Row("memory", (Metric("memory a connection", "KiB", False),), _memory),
        Row("idle", (Metric("idle RSS", "MiB", False),), _idle),
        Row("import", (Metric("import time", "ms", False),), _import, PYTHON_NAMES),
        Row(
            "relayed",
            (
                Metric("relayed up", "MB/s", True),
                Metric("relayed down", "MB/s", True),
                Metric("ping, added by the relay", "us", False),
            ),
            _relayed,
            RELAY_NAMES,
        ),
        Row(
            "kad",
            (
                Metric("DHT lookups", "/s", True),
                Metric("DHT lookup p50", "ms", False),
                Metric("DHT lookup of a new client", "ms", False),
                Metric("DHT messages a lookup", "", False),
            ),
            _kad,
            DHT_NAMES,
        ),
        Row("kad-table", (Metric("DHT table of 1,000 peers", "KiB", False),), _kad_table, DHT_NAMES),
        Row("gossip-one", (Metric("gossip 1 to 1", "/s", True), _lost("gossip 1 to 1 lost")), _gossip_one),
        Row("gossip-ten", (Metric("gossip 1 to 10", "/s", True), _lost("gossip 1 to 10 lost")), _gossip_ten),
        Row(
            "gossip-latency",
            (Metric("gossip p50 at 1,000/s", "us", False), Metric("gossip p99 at 1,000/s", "us", False)),
            _gossip_latency,
        ),
        Row(
            "gossip-simulation",
            (Metric("1,000 simulated nodes, start", "s", False), Metric("heartbeat and message", "s", False)),
            _gossip_simulation,
            ("p2pstack",),
        ),
        Row(
            "shinkai",
            (
                Metric("Shinkai messages", "/s", True),
                Metric("Shinkai p50 at 200/s", "ms", False),
                Metric("Shinkai p99 at 200/s", "ms", False),
                Metric("Shinkai node start", "ms", False),
            ),
            _shinkai,
            ("p2pstack",),
        ),
    )
}
"""All rows by their `--rows` name, in the order of the table."""
