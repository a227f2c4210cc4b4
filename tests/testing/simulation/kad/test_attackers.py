from __future__ import annotations

from dataclasses import replace
from statistics import mean

import pytest

from p2pstack.kad.config import KadConfig
from p2pstack.kad.filters import Network
from p2pstack.testing.simulation.kad.attackers import Liar, Sybil, eclipse, replace_by_liars
from p2pstack.testing.simulation.kad.network import DhtNetwork
from p2pstack.testing.simulation.kad.scenarios import find_some, publish

KEY = b"/sim/wanted"
UNGUARDED = KadConfig()
GUARDED = replace(KadConfig.public(), network=Network.ANY)


def settled(nodes: int = 400, config: KadConfig | None = None) -> DhtNetwork:
    network = DhtNetwork(config=config)
    network.add_nodes(nodes)
    network.settle()
    return network


def found(network: DhtNetwork, count: int = 20) -> float:
    """The share of nodes by chance that get the value."""
    queries = [node.get(KEY) for node in network.random.sample(network.nodes, count)]
    network.run()
    return mean(query.best is not None for query in queries)


@pytest.mark.req("KAD-21", "KAD-18")
def test_an_eclipse_from_one_ip_group_hides_nothing() -> None:
    """Forty machines of one hoster sit around a key: without limits on groups they own it."""
    shares = {}
    for config in (GUARDED, UNGUARDED):
        network = settled(config=config)
        sybils = eclipse(network, KEY, 40, bits=11, groups=1)
        publish(network, network.nodes[0], KEY, b"value")
        shares[config] = found(network)
        assert all(isinstance(each, Sybil) for each in sybils)
        told = [sum(each.contact.peer in node.table for each in sybils) for node in network.nodes]
        assert (max(told) <= 3) == (config is not UNGUARDED)
    assert shares[GUARDED] == 1.0
    assert shares[UNGUARDED] < 0.2


@pytest.mark.req("KAD-21")
def test_an_eclipse_from_everywhere_hides_a_value() -> None:
    """Ids near a key can be searched for, and with an address each nothing tells them from honest ones."""
    network = settled(200, GUARDED)
    eclipse(network, KEY, 40, bits=11)
    publish(network, network.nodes[0], KEY, b"value")
    assert found(network) < 0.5


@pytest.mark.req("KAD-17", "KAD-18")
def test_liars_that_name_ten_thousand_peers_stop_no_lookup() -> None:
    network = settled()
    liars = replace_by_liars(network, 0.1)
    assert len(liars) == 40
    assert all(len(each.crowd) == 10_000 for each in liars)
    assert all(isinstance(each, Liar) for each in liars)
    traces = find_some(network, 30, interval=1.0)
    assert all(trace.query.reason is not None for trace in traces)
    assert all(trace.seconds <= 60.0 for trace in traces)
    assert all(trace.query.requests <= network.config.max_requests for trace in traces)
    assert mean(trace.found for trace in traces) > 0.9
    assert all(each.contact.peer not in {one.contact.peer for one in liars} for each in network.nodes)


def test_no_liars_are_none() -> None:
    network = settled(20)
    assert replace_by_liars(network, 0.0) == []


def test_sybils_take_announcements_and_give_nothing() -> None:
    network = settled(50)
    sybils = eclipse(network, KEY, 25, bits=5)
    node = network.nodes[0]
    node.provide([each.contact for each in sybils], KEY)
    node.put([each.contact for each in sybils], KEY, b"value")
    network.run()
    query = node.find_providers(KEY)
    network.run()
    assert query.providers == []
