from __future__ import annotations

from statistics import mean

import pytest

from p2pstack.kad.events import Reason
from p2pstack.testing.simulation.kad.network import DhtNetwork
from p2pstack.testing.simulation.kad.scenarios import churn, find_some, grow, leave, publish, read_some
from p2pstack.testing.simulation.kad.sessions import Sessions

KEY = b"/sim/key"


def settled(nodes: int) -> DhtNetwork:
    network = DhtNetwork()
    network.add_nodes(nodes)
    network.settle()
    return network


@pytest.mark.req("KAD-04", "KAD-12")
def test_a_network_grows_from_one_node() -> None:
    network = DhtNetwork()
    grow(network, 150)
    assert min(len(each.table) for each in network.nodes) >= 20
    traces = find_some(network, 40)
    assert all(trace.found for trace in traces)
    assert mean(trace.recall for trace in traces) > 0.95


@pytest.mark.req("KAD-04")
def test_hops_and_messages_grow_with_the_logarithm() -> None:
    hops, requests = {}, {}
    for nodes in (100, 400, 1_600):
        traces = find_some(settled(nodes), 60)
        assert all(trace.found for trace in traces)
        hops[nodes] = mean(trace.query.hops() for trace in traces)
        requests[nodes] = mean(trace.query.requests for trace in traces)
    assert hops[100] < hops[400] < hops[1_600] < 2.0
    assert 20 <= requests[100] < requests[1_600] < 35


@pytest.mark.req("KAD-05", "KAD-06")
def test_values_and_providers_are_found_from_everywhere_also_when_holders_have_gone() -> None:
    network = settled(300)
    publisher, *others = network.nodes
    publish(network, publisher, KEY, b"value")
    holders = [each for each in network.nodes if len(each.values)]
    assert len(holders) == 20
    for each in holders[:10]:
        network.stop(each)
    reader = next(each for each in others if each.running and not len(each.values))
    value, first, providers = reader.get(KEY), reader.get(KEY, quorum=2), reader.find_providers(KEY, 1)
    network.run()
    assert value.best is not None
    assert value.best.value == b"value"
    assert value.values == 10
    assert first.values == 2
    assert first.requests < value.requests
    assert [each.peer for each in providers.providers] == [publisher.contact.peer]


@pytest.mark.req("KAD-05")
def test_the_newest_value_wins_and_is_put_where_it_is_missing() -> None:
    network = settled(200)
    writer, reader = network.nodes[:2]
    publish(network, writer, KEY, b"value 1")
    closest = network.closest(KEY)
    writer.put(closest[:4], KEY, b"value 2")
    network.run()
    query = reader.get(KEY)
    network.run()
    assert query.best is not None
    assert query.best.value == b"value 2"
    assert len(query.outdated()) >= 16
    reader.put(query.outdated(), KEY, query.best.value)
    network.run()
    again = reader.get(KEY)
    network.run()
    assert again.outdated() == []


@pytest.mark.req("KAD-11")
def test_lookups_succeed_when_a_third_has_gone() -> None:
    network = settled(400)
    gone = leave(network, 0.33)
    assert len(gone) == 132
    traces = find_some(network, 60, interval=5.0)
    assert mean(trace.found for trace in traces) > 0.98
    assert all(trace.query.reason is Reason.COMPLETE for trace in traces)


@pytest.mark.req("KAD-11", "KAD-12")
def test_lookups_succeed_while_nodes_come_and_go() -> None:
    network = settled(300)
    before = set(network.nodes)
    churn(network, Sessions(900.0, network.make_random("sessions")), 1_200.0)
    stayed = before & set(network.nodes)
    assert len(network.nodes) == 300
    # The mean of these sessions is 40 minutes; who has stayed for long goes later than that.
    assert 0.6 < len(stayed) / 300 < 0.8
    traces = find_some(network, 60, interval=5.0)
    assert not stayed <= set(network.nodes)
    assert mean(trace.found for trace in traces) > 0.95
    assert mean(trace.recall for trace in traces) > 0.9


@pytest.mark.req("KAD-05")
def test_a_value_is_read_by_as_many_as_there_are() -> None:
    network = settled(30)
    publish(network, network.nodes[0], KEY, b"value")
    assert [query.best is not None for query in read_some(network, KEY, 12)] == [True] * 12
    assert len(read_some(network, KEY, 99)) == 30
    assert all(query.best is None for query in read_some(network, b"/sim/other", 5))
