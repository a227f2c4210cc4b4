from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest

from p2pstack.errors import LocalError
from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.ids import default_id
from p2pstack.gossipsub.incoming import Incoming
from p2pstack.gossipsub.protocols import FLOODSUB, PROTOCOLS
from p2pstack.gossipsub.score.presets import lenient
from p2pstack.gossipsub.signing import SigningPolicy, sign
from p2pstack.gossipsub.values import Message, Rpc
from p2pstack.testing.simulation.links import Constant
from p2pstack.testing.simulation.network import Network
from p2pstack.testing.simulation.node import TOPIC, Node, NodeConfig, Verdict

SIGNED = NodeConfig(policy=SigningPolicy.STRICT_SIGN, message_id=default_id)


def line(config: NodeConfig, *, encoded: bool = False) -> tuple[Network, list[Node]]:
    """Three nodes in a row, 100 ms from each other, whose meshes have formed."""
    network = Network(latency=Constant(0.1), config=config, encoded=encoded)
    nodes = network.add_nodes(3)
    network.connect(0, 1)
    network.connect(1, 2)
    network.run(3)
    return network, nodes


def test_verdicts_come_after_the_delay_and_go_to_the_router() -> None:
    verdicts = {b"\x01": Verdict.ACCEPT, b"\x02": Verdict.REJECT, b"\x03": Verdict.IGNORE}

    def validator(incoming: Incoming) -> Verdict:
        return verdicts[incoming.data[7:8]]

    network, nodes = line(NodeConfig(validator=validator, validation_delay=0.05, score=lenient([TOPIC])))
    before = nodes[1].router.score.score(nodes[0].peer_id)
    taken, rejected, ignored = (network.publish(0) for _ in range(3))
    network.run(0.14)
    assert taken.arrivals == {}
    network.run(0.2)
    assert list(taken.arrivals) == [1, 2]
    assert taken.seconds == [pytest.approx(0.15), pytest.approx(0.3)]
    assert rejected.arrivals == ignored.arrivals == {}
    assert nodes[1].router.counters["rejected"] == nodes[1].router.counters["ignored"] == 1
    assert nodes[2].router.counters["rejected"] == 0
    assert nodes[1].router.score.score(nodes[0].peer_id) < before + 1


def test_verification_takes_one_core() -> None:
    network, _ = line(NodeConfig(verification_time=0.01))
    traces = [network.publish(0) for _ in range(5)]
    network.run(1)
    assert [trace.arrivals[1].seconds for trace in traces] == [pytest.approx(0.1 + 0.01 * n) for n in range(1, 6)]


@pytest.mark.req("GS10-26")
def test_what_has_no_room_before_verification_is_dropped_and_asked_for_again() -> None:
    config = NodeConfig(verification_time=0.05, verification_queue=2, score=lenient([TOPIC]))
    network, nodes = line(config)
    for each in nodes[1:]:
        each.config = replace(each.config, validator=nodes[0].config.validator)
    traces = [network.publish(0) for _ in range(5)]
    network.run(0.5)
    assert sum(1 in trace.arrivals for trace in traces) == 2
    assert nodes[1].router.counters["unverified"] == 3
    assert nodes[1].router.score.score(nodes[0].peer_id) > 0


def test_what_is_planned_when_a_node_stops_does_not_happen() -> None:
    network, nodes = line(NodeConfig(verification_time=0.05))
    verified = network.publish(0)
    network.run(0.12)
    network.stop(1)
    network.run(2)
    assert verified.arrivals == {}
    assert network.switch.neighbours(0) == []
    assert [each.address for each in network.nodes] == [0, 2]
    network, nodes = line(NodeConfig(validation_delay=0.05))
    validated = network.publish(0)
    network.run(0.12)
    network.stop(1)
    beats = len(network.clock)
    network.run(2)
    assert validated.arrivals == {}
    assert len(network.clock) < beats
    assert nodes[1].router.topics == [TOPIC]


@pytest.mark.req("GS10-08", "GS10-10")
def test_signatures_are_made_and_verified() -> None:
    network, nodes = line(SIGNED)
    trace = network.publish(0)
    network.run(1)
    assert list(trace.arrivals) == [1, 2]
    true = nodes[0].make(b"true")
    assert true.signature is not None
    assert true.source == nodes[0].peer_id.to_bytes()
    false = Message(b"false", true.topic, true.source, true.seqno, true.signature)
    unsigned = Message(b"unsigned", TOPIC)
    stolen = sign(nodes[2].peer_id.to_bytes(), b"stolen", bytes(8), TOPIC, nodes[0].key)
    nameless = Message(b"nameless", TOPIC, b"\x12\x20" + bytes(32), bytes(8), bytes(64))
    nodes[1].received(0, Rpc(publish=[false, unsigned, stolen, nameless, true]))
    counters = nodes[1].router.counters
    assert counters["bad-signature"] == 2
    assert counters["missing-signature"] == counters["bad-key"] == 1


@pytest.mark.req("GS10-12")
def test_the_same_data_is_published_once_where_it_is_the_id() -> None:
    _, nodes = line(NodeConfig())
    assert nodes[0].publish(b"data") == [nodes[1].peer_id]
    with pytest.raises(LocalError):
        nodes[0].publish(b"data")


@pytest.mark.parametrize("encoded", [False, True])
@pytest.mark.req("GS10-02", "GS10-04")
def test_rpcs_pass_as_they_are_or_as_frames(encoded: bool) -> None:
    network, _ = line(SIGNED, encoded=encoded)
    trace = network.publish(2, size=3_000)
    network.run(1)
    assert list(trace.arrivals) == [1, 0]
    assert (network.record.bytes > 6_000) is encoded
    assert network.record.sent["idontwant"] == 1  # of the one in the middle, to the third
    assert network.mesh_degrees() == [1, 2, 1]


@pytest.mark.req("GS13-01", "GS13-02")
@pytest.mark.parametrize("encoded", [False, True])
def test_extensions_stand_in_the_first_rpc_of_a_connection(encoded: bool) -> None:
    network, nodes = line(NodeConfig(gossipsub=GossipsubConfig(test_extension=True)), encoded=encoded)
    network.switch.disconnect(0, 1)
    network.connect(1, 0)
    network.run(2)
    assert [each.router.counters["extensions-late"] for each in nodes] == [0, 0, 0]
    nodes[0].received(1, Rpc(extensions=nodes[1].router.hello(nodes[0].peer_id).extensions, has_control=True))
    assert nodes[0].router.counters["extensions-late"] == 1


@pytest.mark.req("GS10-27")
def test_nodes_speak_what_both_know() -> None:
    network = Network(latency=Constant(0.1))
    for protocol in (PROTOCOLS[0], PROTOCOLS[2], FLOODSUB):
        network.add_nodes(1, NodeConfig(protocol=protocol))
    for one, other in ((0, 1), (0, 2), (1, 2)):
        network.connect(one, other)
    network.run(3)
    meshes = [[network.addresses[peer] for peer in each.router.mesh(TOPIC)] for each in network.nodes]
    assert meshes == [[1], [0], []]
    trace = network.publish(2)
    network.run(1)
    assert trace.ratio == 1.0


@pytest.mark.req("GS11-01")
def test_direct_peers_are_dialled_and_get_everything() -> None:
    network = Network(latency=Constant(0.1))
    [one] = network.add_nodes(1)
    [other] = network.add_nodes(1, NodeConfig(direct=(one.peer_id,)))
    network.run(3)
    assert network.switch.neighbours(0) == [1]
    trace = network.publish(1)
    network.run(1)
    assert trace.ratio == 1.0
    assert other.router.mesh(TOPIC) == []


def test_heartbeats_are_spread_over_their_interval() -> None:
    nodes = Network().add_nodes(100)
    first = sorted(each.router.next_timeout() for each in nodes)
    assert 0 <= first[0] < 0.1
    assert 0.9 < first[-1] <= 1.0
    assert max(after - before for before, after in pairwise(first)) < 0.1
