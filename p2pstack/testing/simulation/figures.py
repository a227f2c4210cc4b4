"""The figures of a simulated network: how many nodes got its messages, how soon, and what that cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log
from typing import TYPE_CHECKING

from p2pstack.testing.simulation.node import TOPIC

if TYPE_CHECKING:
    from p2pstack.testing.simulation.network import Network

__all__ = ["Figures", "figures_of", "percentile"]

_CONTROL = ("graft", "prune", "ihave", "iwant", "idontwant")


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the smallest of ``ordered`` values that ``share`` of them do not exceed; 0 of none."""
    if not ordered:
        return 0.0
    return ordered[max(ceil(share * len(ordered)) - 1, 0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What :func:`figures_of` found. Times are seconds from publishing to acceptance."""

    nodes: int
    messages: int
    expected: int
    """Deliveries that there should have been: subscribers but the author, over all messages."""

    delivered: int
    """Deliveries that there were."""

    worst_ratio: float
    """The share of subscribers that the message got to which got to the fewest."""

    repeated: int
    """Deliveries of a message to a node that had it."""

    hops_mean: float
    hops_max: int
    seconds_p50: float
    seconds_p90: float
    seconds_p99: float
    seconds_max: float

    duplicates: float
    """Copies that came to a node that had the message, or waited to check it: a node and message."""

    mesh_mean: float
    mesh_min: int
    mesh_max: int
    """Peers in the meshes, at the end."""

    sent: dict[str, int]
    """RPCs, and what stood in them by kind; ids where there are ids."""

    bytes: int
    """Their size; 0 where no frames were made."""

    duration: float
    """Seconds that were simulated."""

    @property
    def ratio(self) -> float:
        """The share of deliveries that there were of those that there should have been."""
        return self.delivered / self.expected if self.expected else 1.0

    @property
    def hops_expected(self) -> float:
        """Hops in a random graph: each node has ``degree - 1`` further neighbours to tell, so log of n to that base."""
        return log(self.nodes) / log(self.mesh_mean - 1) if self.mesh_mean > 2 and self.nodes > 1 else 0.0

    def lines(self) -> list[str]:
        """Return the figures as text."""
        sent = {name: self.sent.get(name, 0) for name in ("rpcs", "messages", "subscriptions", *_CONTROL)}
        control = ", ".join(f"{name} {sent[name]}" for name in _CONTROL)
        p50, p90, p99, longest = (
            f"{1000 * each:.1f} ms" for each in (self.seconds_p50, self.seconds_p90, self.seconds_p99, self.seconds_max)
        )
        ratio, worst = f"{100 * self.ratio:.3f} %", f"{100 * self.worst_ratio:.3f} %"
        mesh, expected = self.mesh_mean, self.hops_expected
        rows = {
            "nodes": f"{self.nodes}, {self.messages} messages, {self.duration:.0f} s simulated",
            "delivered": f"{self.delivered} of {self.expected} ({ratio}), worst message {worst}, twice {self.repeated}",
            "latency": f"p50 {p50}, p90 {p90}, p99 {p99}, max {longest}",
            "hops": f"mean {self.hops_mean:.2f}, max {self.hops_max}; log(nodes)/log(degree-1) {expected:.2f}",
            "mesh degree": f"mean {mesh:.2f}, from {self.mesh_min} to {self.mesh_max}",
            "duplicates": f"{self.duplicates:.2f} a node and message; degree-2 {mesh - 2:.2f}",
            "RPCs": f"{sent['rpcs']}, with {sent['messages']} messages and {sent['subscriptions']} subscriptions",
            "control": control,
        }
        if self.bytes:
            rows["bytes"] = f"{self.bytes}, {self.bytes / self.duration / self.nodes:.0f} a node and second"
        return [f"{name:<18} {row}" for name, row in rows.items()]


def figures_of(network: Network, topic: str = TOPIC) -> Figures:
    """Return the figures of all messages that were published so far in a topic."""
    traces = [each for each in network.record.traces.values() if each.topic == topic]
    seconds = sorted(each for trace in traces for each in trace.seconds)
    hops = [
        arrival.hops for trace in traces for address, arrival in trace.arrivals.items() if address in trace.expected
    ]
    degrees = network.mesh_degrees(topic)
    receivers = sum(len(trace.expected) + 1 for trace in traces)
    arrived = sum(len(trace.arrivals) for trace in traces)
    return Figures(
        nodes=len(network.nodes),
        messages=len(traces),
        expected=sum(len(trace.expected) for trace in traces),
        delivered=sum(trace.delivered for trace in traces),
        worst_ratio=min((trace.ratio for trace in traces), default=1.0),
        repeated=sum(trace.repeated for trace in traces),
        hops_mean=sum(hops) / len(hops) if hops else 0.0,
        hops_max=max(hops, default=0),
        seconds_p50=percentile(seconds, 0.5),
        seconds_p90=percentile(seconds, 0.9),
        seconds_p99=percentile(seconds, 0.99),
        seconds_max=percentile(seconds, 1.0),
        duplicates=(sum(trace.copies for trace in traces) - arrived) / receivers if receivers else 0.0,
        mesh_mean=sum(degrees) / len(degrees) if degrees else 0.0,
        mesh_min=min(degrees, default=0),
        mesh_max=max(degrees, default=0),
        sent=dict(network.record.sent),
        bytes=network.record.bytes,
        duration=network.clock.now,
    )
