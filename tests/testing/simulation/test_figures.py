from __future__ import annotations

import pytest

from p2pstack.testing.simulation.figures import figures_of, percentile
from p2pstack.testing.simulation.links import Constant
from p2pstack.testing.simulation.network import Network


@pytest.mark.parametrize(
    ("share", "value"), [(0.0, 1.0), (0.25, 1.0), (0.26, 2.0), (0.5, 2.0), (0.75, 3.0), (0.99, 4.0), (1.0, 4.0)]
)
def test_percentiles_are_values_that_were_there(share: float, value: float) -> None:
    assert percentile([1.0, 2.0, 3.0, 4.0], share) == value
    assert percentile([], share) == 0.0


def test_figures_of_a_line_of_three() -> None:
    network = Network(latency=Constant(0.1))
    network.add_nodes(3)
    network.connect(0, 1)
    network.connect(1, 2)
    network.run(3)
    network.publish(0)
    network.run(1)
    figures = figures_of(network)
    assert (figures.nodes, figures.messages, figures.expected, figures.delivered, figures.repeated) == (3, 1, 2, 2, 0)
    assert (figures.ratio, figures.worst_ratio) == (1.0, 1.0)
    assert (figures.hops_mean, figures.hops_max) == (1.5, 2)
    assert figures.seconds_p50 == pytest.approx(0.1)
    assert figures.seconds_p90 == figures.seconds_p99 == figures.seconds_max == pytest.approx(0.2)
    assert (figures.duplicates, figures.mesh_min, figures.mesh_max) == (0, 1, 2)
    assert figures.mesh_mean == pytest.approx(4 / 3)
    assert figures.hops_expected == 0.0  # a line is no random graph
    assert figures.sent["messages"] == 2
    assert (figures.bytes, figures.duration) == (0, 4.0)
    lines = figures.lines()
    assert "delivered          2 of 2 (100.000 %), worst message 100.000 %, twice 0" in lines
    assert "latency            p50 100.0 ms, p90 200.0 ms, p99 200.0 ms, max 200.0 ms" in lines
    assert not any(line.startswith("bytes") for line in lines)


def test_what_did_not_arrive_is_seen() -> None:
    network = Network(latency=Constant(0.1))
    network.add_nodes(4)
    network.connect(0, 1)
    network.run(1)
    network.publish(0)
    network.run(1)
    figures = figures_of(network)
    assert (figures.expected, figures.delivered) == (3, 1)
    assert figures.ratio == figures.worst_ratio == 1 / 3


def test_duplicates_are_copies_beyond_the_first() -> None:
    network = Network(latency=Constant(0.1))
    network.add_nodes(3)
    for one, other in ((0, 1), (0, 2), (1, 2)):
        network.connect(one, other)
    network.run(3)
    network.publish(0)
    network.run(1)
    assert figures_of(network).duplicates == pytest.approx(2 / 3)  # 1 and 2 send each other what both have


def test_figures_of_nothing() -> None:
    figures = figures_of(Network())
    assert (figures.nodes, figures.messages, figures.ratio, figures.worst_ratio) == (0, 0, 1.0, 1.0)
    assert figures.lines()


def test_bytes_are_counted_where_there_are_any() -> None:
    network = Network(latency=Constant(0.1), encoded=True)
    network.add_nodes(2)
    network.connect(0, 1)
    network.run(2)
    before = network.record.bytes
    network.publish(0, size=1_000)
    network.run(0.01)
    # The data; field and length of the data, the topic with its field and length, the message, and the RPC.
    assert network.record.bytes - before == 1_000 + 3 + 12 + 3 + 2
    assert figures_of(network).lines()[-1].startswith(f"bytes              {network.record.bytes}, ")
