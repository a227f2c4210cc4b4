from __future__ import annotations

import sys
from dataclasses import replace

import pytest

from benchmarks.processes import RunFailed
from benchmarks.rows import ROWS, Session, chosen, measured
from benchmarks.stacks import NAMES, Options, Sizes, Stack, own_stack


def stack(nodes: int) -> Stack:
    sizes = Sizes(simulated_nodes=nodes, deadline=30)
    return Stack(name="p2pstack", command=("/no",), version="-", import_command=(sys.executable, ""), sizes=sizes)


def test_rows_come_in_the_order_of_the_table_and_once() -> None:
    assert [row.name for row in chosen(["ping", "bulk", "ping"])] == ["bulk", "ping"]
    assert chosen(list(ROWS)) == list(ROWS.values())


def test_a_group_stands_for_its_rows() -> None:
    names = [row.name for row in chosen(["gossip", "gossip-one"])]
    assert names == ["gossip-one", "gossip-ten", "gossip-latency", "gossip-simulation"]


@pytest.mark.parametrize("name", ["pong", "", "gossip-"])
def test_an_unknown_name_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match="unknown row"):
        chosen(["ping", name])


def test_some_rows_are_for_some_stacks() -> None:
    assert [name for name in NAMES if ROWS["import"].is_for(name)] == ["p2pstack", "py-libp2p"]
    assert [name for name in NAMES if ROWS["gossip-simulation"].is_for(name)] == ["p2pstack"]
    assert ROWS["ping"].is_for("anything")


def test_a_simulation_costs_time() -> None:
    found = measured(ROWS["gossip-simulation"], stack(30), Session())
    assert found.keys() == {"1,000 simulated nodes, start", "heartbeat and message"}
    assert all(0 < seconds < 20 for seconds in found.values())


def test_a_simulation_that_can_not_be_is_a_failure() -> None:
    with pytest.raises(RunFailed):
        measured(ROWS["gossip-simulation"], stack(0), Session())


def test_a_pair_of_shinkai_nodes_is_measured() -> None:
    sizes = Sizes(shinkai=50, deadline=60)
    found = measured(ROWS["shinkai"], replace(stack(1), sizes=sizes), Session())
    assert found["Shinkai messages"] > 0
    assert 0 < found["Shinkai p50 at 200/s"] <= found["Shinkai p99 at 200/s"]
    assert found["Shinkai node start"] > 0
    assert [name for name in NAMES if ROWS["shinkai"].is_for(name)] == ["p2pstack"]


def test_a_relay_is_measured_with_our_own_peers_behind_it() -> None:
    ours = replace(own_stack(Options()), sizes=Sizes(relayed_bytes=1_000_000, warm_pings=5, pings=20, deadline=30))
    found = measured(ROWS["relayed"], ours, Session(endpoints=ours))
    assert found["relayed up"] > 0
    assert found["relayed down"] > 0
    assert found.keys() == {metric.name for metric in ROWS["relayed"].metrics}
    assert [name for name in NAMES if ROWS["relayed"].is_for(name)] == ["p2pstack", "go", "rust"]
