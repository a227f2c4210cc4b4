from __future__ import annotations

import pytest

from p2pstack.gossipsub.protocols import FLOODSUB, PROTOCOLS
from p2pstack.gossipsub.values import Rpc
from p2pstack.testing.simulation.member import Member, agreed_protocol
from p2pstack.testing.simulation.network import Network


def test_the_older_protocol_is_agreed_on() -> None:
    assert agreed_protocol(PROTOCOLS[0], PROTOCOLS[2]) == agreed_protocol(PROTOCOLS[2], PROTOCOLS[0]) == PROTOCOLS[2]
    assert agreed_protocol(FLOODSUB, PROTOCOLS[0]) == FLOODSUB


def test_a_member_has_a_key_and_an_address_of_its_own() -> None:
    network = Network()
    one, other = Member(network, 1), Member(network, 300)
    assert one.peer_id == Member(Network(seed=8), 1).peer_id != other.peer_id
    assert (one.ip, other.ip) == ("10.0.0.1", "10.0.1.44")
    assert Member(network, 1, ip="192.0.2.1").ip == "192.0.2.1"


@pytest.mark.parametrize("payload", [Rpc(), b"\x00"])
def test_a_plain_member_does_nothing(payload: Rpc | bytes) -> None:
    network = Network()
    one, other = network.add(lambda address: Member(network, address)), network.add_nodes(1)[0]
    assert one.running
    assert network.connect(0, 1)
    network.run(3)
    one.received(1, payload)
    assert network.record.sent == {"rpcs": 1, "subscriptions": 1}  # the node's hello
    assert other.router.mesh("simulation") == []
    network.stop(0)
    assert not one.running
    assert network.switch.neighbours(1) == []
