from __future__ import annotations

import pytest

from p2pstack.errors import LocalError
from p2pstack.gossipsub.score.presets import lenient
from p2pstack.testing.simulation.attackers import Attacker
from p2pstack.testing.simulation.network import Network
from p2pstack.testing.simulation.node import TOPIC, NodeConfig


def test_the_example_of_the_module() -> None:
    network = Network(seed=7)
    network.add_nodes(100)
    network.connect_randomly(20)
    network.run(5)
    trace = network.publish(0)
    network.run(5)
    assert trace.ratio == 1.0


def test_connections_are_spread_by_chance() -> None:
    network = Network()
    network.add_nodes(200)
    network.connect_randomly(20)
    degrees = [len(network.switch.neighbours(address)) for address in range(200)]
    assert sum(degrees) / 200 == 20
    assert 10 <= min(degrees) < 16
    assert 24 < max(degrees) < 36
    dialled = [sum(peer.outbound for peer in each.router._state.peers.values()) for each in network.nodes]
    assert set(dialled) == {10}


def test_connections_among_some() -> None:
    network = Network()
    network.add_nodes(20)
    network.connect_randomly(4, among=range(10))
    assert all(network.switch.neighbours(address) for address in range(10))
    assert not any(network.switch.neighbours(address) for address in range(10, 20))
    assert all(other < 10 for address in range(10) for other in network.switch.neighbours(address))


def test_who_has_too_few_connections_dials_more() -> None:
    network = Network()
    network.add_nodes(30)
    network.top_up(8)
    assert min(len(network.switch.neighbours(address)) for address in range(30)) >= 8
    before = network.switch.neighbours(3)
    network.top_up(8)
    assert network.switch.neighbours(3) == before


def test_few_nodes_are_all_connected_and_that_is_it() -> None:
    network = Network()
    network.add_nodes(3)
    network.connect_randomly(20)
    assert [len(network.switch.neighbours(address)) for address in range(3)] == [2, 2, 2]


def test_peers_are_dialled_by_their_id() -> None:
    network = Network()
    one, other = network.add_nodes(2)
    assert network.dial(0, other.peer_id)
    assert not network.dial(0, other.peer_id)
    assert not network.dial(0, Network(seed=1).add_nodes(9)[8].peer_id)
    assert one.router.peers == [other.peer_id]


def test_a_node_that_comes_back_has_its_identity_and_nothing_else() -> None:
    network = Network()
    network.add_nodes(3)
    network.connect_randomly(4)
    network.run(2)
    before = network.node(1)
    network.publish(0)
    network.run(1)
    network.stop(1)
    assert network.node(0).router.mesh(TOPIC) == [network.node(2).peer_id]
    after = network.restart(1)
    assert after is network.node(1) is not before
    assert after.peer_id == before.peer_id
    assert after.router.peers == []
    assert after.router.sizes()["max_seen"][0] == 0
    network.top_up(2)
    network.run(3)
    assert len(after.router.mesh(TOPIC)) == 2


def test_only_honest_nodes_publish_and_count() -> None:
    network = Network()
    network.add_nodes(2)
    network.add_nodes(1, NodeConfig(topics=("other",)))
    network.add(lambda address: Attacker(network, address))
    network.connect(3, 0)
    network.connect(0, 1)
    network.run(2)
    assert [each.address for each in network.nodes] == [0, 1, 2]
    trace = network.publish(2)
    assert trace.expected == {0, 1}
    assert network.publish(0).expected == {1}
    assert network.mesh_degrees("other") == [0]
    assert len(network.mesh_degrees()) == 2
    for address in (3, 17):
        with pytest.raises(LocalError):
            network.publish(address)


def test_scores_are_those_of_neighbours() -> None:
    network = Network(config=NodeConfig(score=lenient([TOPIC])))
    network.add_nodes(3)
    network.connect(0, 1)
    network.run(10)
    [(judge, score)] = network.scores_of(0).items()
    assert judge == 1
    assert score > 0
    assert network.scores_of(2) == {}


def test_how_full_routers_are() -> None:
    network = Network()
    network.add_nodes(2)
    network.connect(0, 1)
    network.run(2)
    assert set(network.full().values()) == {0.0}
    network.publish(0)
    assert network.full()["max_seen"] == 1 / 262_144


def test_meshes_are_mutual_once_all_has_arrived() -> None:
    network = Network()
    network.add_nodes(2)
    network.connect(0, 1)
    network.node(0).router.join("other", 0.0)
    network.node(1).router.join("other", 0.0)
    network.node(0).router._state.subscribed(network.node(0).router._state.peers[network.node(1).peer_id], "other")
    network.node(0).router._mesh.graft(network.node(0).router._state.peers[network.node(1).peer_id], "other", 0.0)
    assert network.one_sided("other") == [(0, 1)]
    network.node(0).flush()
    network.run(0.3)
    assert network.one_sided("other") == []
