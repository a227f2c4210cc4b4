"""Gossip: a publisher and one subscriber or ten, all of one stack; signed messages of 1 KiB.

What arrived is counted by the subscribers. Its rate is what they got, over the time from the first message's publishing
to the last one's arrival; whatever was published and did not arrive is lost.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.processes import Peer, RunFailed, run_peer
from benchmarks.stacks import Stack

__all__ = ["Arrivals", "Stays", "arrivals", "publish"]

TOPIC = "benchmark"
MESSAGE_BYTES = 1024
FIRST_STAY = 0.5
LONGEST_STAY = 8.0

Stays = dict[tuple[str, int, int], float]
"""Seconds that a publisher stays after its last message, by its stack, the number of subscribers, and the rate."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """What became of the messages of one publisher."""

    rate: float
    """Messages a second that all subscribers got: of them, the one that got the fewest and the slowest one count."""

    lost: float
    """Percent of the messages that should have arrived."""

    p50: float
    """Microseconds from publishing to arrival, of the subscriber where they are most; likewise below."""

    p99: float
    longest: float


def arrivals(summaries: Sequence[dict[str, Any]], count: int) -> Arrivals:
    """Add up what the subscribers tell about `count` messages; RunFailed when one of them got next to nothing."""
    received = [int(each.get("distinct", each["received"])) for each in summaries]
    if min(received) < 2:
        raise RunFailed(f"{min(received)} of {count:,} messages arrived")
    return Arrivals(
        rate=min(received) / max(map(_seconds, summaries)),
        lost=100 * (1 - sum(received) / (count * len(received))),
        p50=max(float(each["latency_us_p50"]) for each in summaries),
        p99=max(float(each["latency_us_p99"]) for each in summaries),
        longest=max(float(each["latency_us_max"]) for each in summaries),
    )


def _seconds(summary: dict[str, Any]) -> float:
    """From the publishing of the first message that arrived to the arrival of the last."""
    span = summary["receive_seconds"] if "receive_seconds" in summary else summary["receive_span_seconds"]
    # Most peers do not tell the first latency; only queues that fill before anything is sent make it matter.
    return float(span) + float(summary.get("latency_us_first", 0)) / 1e6


def publish(stack: Stack, stays: Stays, *, subscribers: int, count: int, rate: int = 0) -> Arrivals:
    """Publish `count` messages, `rate` a second or as fast as the stack does (0), and see what arrives.

    A publisher that leaves too early would lose what its queue holds. So when messages are missing and others were
    under way for longer than half of its stay, all is done again with a longer one, which `stays` keeps.
    """
    key = (stack.name, subscribers, rate)
    while True:
        stay = stays.setdefault(key, FIRST_STAY)
        found = arrivals(_run(stack, subscribers, count, rate, stay), count)
        if not found.lost or found.longest / 1e6 < stay / 2 or stay >= LONGEST_STAY:
            return found
        stays[key] = stay * 4


def _run(stack: Stack, subscribers: int, count: int, rate: int, stay: float) -> list[dict[str, Any]]:
    deadline = stack.sizes.deadline
    with contextlib.ExitStack() as running:
        # All start at once, since some take long to.
        peers = [
            running.enter_context(Peer(stack.subscribe(TOPIC), stack.environment)) for _number in range(subscribers)
        ]
        addresses = [str(peer.wait_for("listening", deadline)["addr"]) for peer in peers]
        command = stack.publish(addresses, TOPIC, count=count, size=MESSAGE_BYTES, rate=rate, stay=stay)
        run_peer(command, stack.environment, "gossip", deadline)
        for peer in peers:
            peer.close_stdin()
        return [peer.wait_for(stack.summary_event, deadline) for peer in peers]
