"""The figures of lookups in a simulated DHT: what they found, over how many hops, and what that cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from math import log2
from typing import TYPE_CHECKING

from p2pstack.testing.simulation.figures import percentile

if TYPE_CHECKING:
    from p2pstack.kad.value_query import ValueQuery
    from p2pstack.testing.simulation.kad.network import DhtNetwork
    from p2pstack.testing.simulation.kad.record import LookupTrace

__all__ = ["DhtFigures", "dht_figures_of"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DhtFigures:
    """What :func:`dht_figures_of` found. Times are seconds from the beginning of a lookup to its end."""

    nodes: int
    table_mean: float
    table_max: int
    deepest: int
    """Peers in the tables, and the deepest bucket."""

    stale: float
    """The share of these that has gone."""

    lookups: int
    found: int
    """Lookups that found the nearest node, which is the one that was looked for."""

    recall: float
    """The share of the ``k`` nearest nodes that a lookup found, in the mean."""

    hops: dict[int, int]
    """Hops -> lookups that found the nearest after so many."""

    hops_all_p50: int
    hops_all_p95: int
    """Hops until all of the ``k`` nearest were heard of."""

    requests_mean: float
    requests_p99: float
    requests_max: float
    failed: float
    """Of these, the ones that nobody answered, in the mean."""

    seconds_p50: float
    seconds_p90: float
    seconds_p99: float
    seconds_max: float

    heard_p50: float
    heard_p90: float
    """Until it heard of the address of the peer that it looked for."""

    k: int

    reads: int
    captured: int
    """Lookups of one value that was stored, and how many of them did not find it."""

    @property
    def success(self) -> float:
        """The share of lookups that found what they looked for."""
        return self.found / self.lookups if self.lookups else 1.0

    @property
    def hops_mean(self) -> float:
        """Hops of a lookup, in the mean."""
        return sum(hops * count for hops, count in self.hops.items()) / max(sum(self.hops.values()), 1)

    @property
    def hops_expected(self) -> float:
        """Hops that full buckets should take: each halves what is left 1 + log2(k) times, and ``k`` nodes are near."""
        return max(log2(max(self.nodes, 1) / self.k), 0.0) / (1 + log2(self.k))

    @property
    def captured_share(self) -> float:
        """The share of lookups of the value that did not find it, in per cent."""
        return 100 * self.captured / max(self.reads, 1)

    def lines(self) -> list[str]:
        """Return the figures as text."""
        p50, p90, p99, longest = (
            f"{1000 * each:.0f} ms" for each in (self.seconds_p50, self.seconds_p90, self.seconds_p99, self.seconds_max)
        )
        spread = ", ".join(f"{hops}: {count}" for hops, count in sorted(self.hops.items()))
        rows = {
            "nodes": str(self.nodes),
            "tables": f"mean {self.table_mean:.1f} peers, max {self.table_max}, deepest bucket {self.deepest}; "
            f"gone {100 * self.stale:.1f} %",
            "found": f"{self.found} of {self.lookups} ({100 * self.success:.2f} %), "
            f"of the {self.k} nearest {100 * self.recall:.2f} %",
            "hops": f"mean {self.hops_mean:.2f} ({spread}); log2(n/k)/(1+log2(k)) {self.hops_expected:.2f}; "
            f"until the {self.k} nearest p50 {self.hops_all_p50}, p95 {self.hops_all_p95}",
            "messages": f"mean {self.requests_mean:.1f} requests a lookup, p99 {self.requests_p99:.0f}, "
            f"max {self.requests_max:.0f}; failed {self.failed:.1f}",
            "time": f"p50 {p50}, p90 {p90}, p99 {p99}, max {longest}",
            "address": f"known after p50 {1000 * self.heard_p50:.0f} ms, p90 {1000 * self.heard_p90:.0f} ms",
        }
        if self.reads:
            rows["key"] = f"found by {self.reads - self.captured} of {self.reads}, captured {self.captured_share:.1f} %"
        return [f"{name:<10} {row}" for name, row in rows.items()]


def dht_figures_of(network: DhtNetwork, traces: Sequence[LookupTrace], reads: Sequence[ValueQuery] = ()) -> DhtFigures:
    """Return the figures of lookups that have ended: of peers, and of one value that was stored."""
    known = [contact.peer for each in network.nodes for contact in each.table]
    tables = [len(each.table) for each in network.nodes]
    requests = sorted(float(each.query.requests) for each in traces)
    seconds = sorted(each.seconds for each in traces)
    all_hops = sorted(float(each.query.hops(network.config.k)) for each in traces)
    heard = sorted(each.heard for each in traces if each.heard is not None)
    count = max(len(traces), 1)
    return DhtFigures(
        nodes=len(tables),
        table_mean=sum(tables) / max(len(tables), 1),
        table_max=max(tables, default=0),
        stale=1 - sum(map(network.is_there, known)) / len(known) if known else 0.0,
        deepest=max((each.table.deepest for each in network.nodes), default=0),
        lookups=len(traces),
        found=sum(each.found for each in traces),
        recall=sum(each.recall for each in traces) / count,
        hops=dict(Counter(each.query.hops() for each in traces if each.found)),
        hops_all_p50=int(percentile(all_hops, 0.5)),
        hops_all_p95=int(percentile(all_hops, 0.95)),
        requests_mean=sum(requests) / count,
        requests_p99=percentile(requests, 0.99),
        requests_max=percentile(requests, 1.0),
        failed=sum(each.query.failures for each in traces) / count,
        seconds_p50=percentile(seconds, 0.5),
        seconds_p90=percentile(seconds, 0.9),
        seconds_p99=percentile(seconds, 0.99),
        seconds_max=percentile(seconds, 1.0),
        heard_p50=percentile(heard, 0.5),
        heard_p90=percentile(heard, 0.9),
        k=network.config.k,
        reads=len(reads),
        captured=sum(each.best is None for each in reads),
    )
