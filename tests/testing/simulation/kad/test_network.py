from __future__ import annotations

import pytest

from p2pstack.kad.config import KadConfig
from p2pstack.kad.keyspace import common_prefix, position
from p2pstack.testing.simulation.kad.identities import simulated_id
from p2pstack.testing.simulation.kad.network import ROUND_TRIPS, DhtNetwork
from p2pstack.testing.simulation.links import Constant


def settled(nodes: int, seed: int = 7, **options: object) -> DhtNetwork:
    network = DhtNetwork(seed=seed, **options)  # type: ignore[arg-type]
    network.add_nodes(nodes)
    network.settle()
    return network


@pytest.mark.req("KAD-02")
def test_settled_tables_have_full_buckets() -> None:
    network = settled(300)
    for node in network.nodes:
        there: dict[int, int] = {}
        for other in network.nodes:
            if other is not node:
                prefix = common_prefix(node.table.position, other.table.position)
                there[prefix] = there.get(prefix, 0) + 1
        # A few are missing where an IP group has its share.
        sizes = node.table.sizes()
        assert sum(min(count, 20) for count in there.values()) - sum(sizes.values()) <= 3
        assert all(sizes[prefix] <= there[prefix] for prefix in sizes)


def test_one_that_comes_later_gets_full_buckets_too() -> None:
    network = settled(300)
    (new,) = network.add_nodes(1)
    network.stop(network.nodes[0])
    network.fill(new)
    assert {each.peer for each in new.table} < {each.contact.peer for each in network.nodes}
    assert new.table.sizes()[0] == new.table.sizes()[1] == 20
    assert set(network.closest(new.contact.peer.to_bytes(), new)[:5]) < set(new.table)
    alone = DhtNetwork()
    (only,) = alone.add_nodes(1)
    alone.fill(only)
    assert len(only.table) == 0


def test_who_is_there() -> None:
    network = settled(3)
    one = network.nodes[0]
    assert network.is_there(one.contact.peer)
    network.stop(one)
    assert not network.is_there(one.contact.peer)
    assert not network.is_there(simulated_id("nobody"))


def test_the_really_closest() -> None:
    network = settled(150)
    for number in range(30):
        key = b"/sim/%d" % number
        target = position(key)
        wanted = sorted((each.contact for each in network.nodes), key=lambda each: each.position ^ target)[:20]
        assert network.closest(key) == wanted
    network.stop(network.nodes[0])
    assert len(network.closest(b"/sim/0")) == 20
    few = DhtNetwork()
    few.add_nodes(3)
    assert len(few.closest(b"/sim/0")) == 3
    assert DhtNetwork().closest(b"/sim/0") == []
    DhtNetwork().settle()


@pytest.mark.req("KAD-04")
@pytest.mark.parametrize("encoded", [False, True])
def test_a_peer_is_found_in_a_thousand(encoded: bool) -> None:
    network = settled(1_000, encoded=encoded)
    traces = [network.find_peer(network.nodes[n], network.nodes[-1 - n].contact.peer) for n in range(20)]
    network.run()
    assert all(trace.found for trace in traces)
    assert sum(trace.recall for trace in traces) / 20 > 0.98
    assert all(trace.query.requests <= 40 for trace in traces)
    assert all(trace.query.target == network.nodes[-1 - n].contact for n, trace in enumerate(traces))
    assert all(0 < (trace.heard or 0.1) <= trace.seconds < 5 for trace in traces)
    assert network.failures == 0


def test_the_same_seed_gives_the_same() -> None:
    def requests(seed: int) -> list[float]:
        network = settled(200, seed)
        traces = [network.find_peer(network.nodes[0], each.contact.peer) for each in network.nodes[1:9]]
        network.run()
        return [trace.query.requests + trace.seconds for trace in traces]

    assert requests(7) == requests(7) != requests(8)


def test_a_request_takes_its_round_trips_and_one_to_nobody_the_dial_timeout() -> None:
    network = DhtNetwork(latency=Constant(0.1), dial_timeout=3.0, config=KadConfig())
    one, other, gone = network.add_nodes(3)
    network.stop(gone)
    for known in (other, gone):
        one.table.add(known.contact, 0.0)
    trace = network.find_peer(one, other.contact.peer)
    network.run()
    assert trace.seconds == 3.0
    assert (network.requests, network.failures) == (2, 1)
    one.table.remove(gone.contact.peer, 0.0)
    trace = network.find_peer(one, other.contact.peer)
    network.run()
    assert trace.seconds == pytest.approx(2 * ROUND_TRIPS * 0.1)


def test_who_stops_while_a_request_is_on_its_way_does_not_answer() -> None:
    network = DhtNetwork(latency=Constant(0.1))
    one, other = network.add_nodes(2)
    one.table.add(other.contact, 0.0)
    query = one.lookup(b"key")
    network.run(0.5)
    network.stop(other)
    network.run()
    assert (query.failures, network.failures) == (1, 1)


def test_lookups_without_a_trace_end_too() -> None:
    network = settled(50)
    query = network.nodes[0].lookup(network.nodes[1].contact.peer.to_bytes())
    network.run()
    assert query.reason is not None
    assert query.target == network.nodes[1].contact
