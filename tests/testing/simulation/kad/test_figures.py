from __future__ import annotations

import pytest

from p2pstack.testing.simulation.kad.figures import dht_figures_of
from p2pstack.testing.simulation.kad.network import DhtNetwork
from p2pstack.testing.simulation.kad.scenarios import find_some, publish, read_some
from p2pstack.testing.simulation.links import Constant


def test_figures_of_forty_nodes() -> None:
    network = DhtNetwork(latency=Constant(0.1))
    network.add_nodes(40)
    network.settle()
    figures = dht_figures_of(network, find_some(network, 10))
    assert (figures.nodes, figures.lookups, figures.found, figures.success) == (40, 10, 10, 1.0)
    assert figures.recall == 1.0
    assert 30 < figures.table_mean <= figures.table_max <= 39
    assert figures.stale == 0.0
    assert sum(figures.hops.values()) == 10
    assert 0 <= figures.hops_all_p50 <= figures.hops_all_p95 <= 2
    assert figures.hops_all_p95 >= max(figures.hops)
    assert figures.hops_mean == sum(hops * count for hops, count in figures.hops.items()) / 10
    assert figures.hops_expected == pytest.approx(1 / (1 + 4.3219), rel=1e-3)
    assert 20 <= figures.requests_mean <= figures.requests_p99 <= figures.requests_max <= 39
    assert figures.failed == 0.0
    assert 1.9 < figures.seconds_p50 <= figures.seconds_p90 <= figures.seconds_p99 <= figures.seconds_max < 4.1
    assert 0.0 <= figures.heard_p50 <= figures.heard_p90 <= figures.seconds_max
    lines = figures.lines()
    assert "found      10 of 10 (100.00 %), of the 20 nearest 100.00 %" in lines
    assert [line.split()[0] for line in lines] == [
        "nodes", "tables", "found", "hops", "messages", "time", "address",
    ]  # fmt: skip


def test_figures_of_nothing() -> None:
    figures = dht_figures_of(DhtNetwork(), [])
    assert (figures.nodes, figures.success, figures.hops_mean, figures.hops_expected) == (0, 1.0, 0.0, 0.0)
    assert figures.lines()[0] == "nodes      0"


def test_what_has_gone_and_what_was_captured_is_counted() -> None:
    network = DhtNetwork()
    network.add_nodes(41)
    network.settle()
    network.stop(network.nodes[0])
    publish(network, network.nodes[0], b"/sim/key", b"value")
    reads = [*read_some(network, b"/sim/key", 3), *read_some(network, b"/sim/other", 1)]
    network.settle()
    figures = dht_figures_of(network, [], reads)
    assert 0.001 < figures.stale < 0.05
    assert (figures.reads, figures.captured, figures.captured_share) == (4, 1, 25.0)
    assert figures.lines()[-1] == "key        found by 3 of 4, captured 25.0 %"
