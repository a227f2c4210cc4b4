from __future__ import annotations

import pytest

from p2pstack.kad.config import KadConfig
from p2pstack.kad.events import Reason
from p2pstack.kad.messages import Message, MessageType
from p2pstack.testing.simulation.kad.network import ROUND_TRIPS, DhtNetwork
from p2pstack.testing.simulation.kad.node import AnyValue
from p2pstack.testing.simulation.links import Constant


def make(nodes: int = 3, **config: float) -> DhtNetwork:
    network = DhtNetwork(latency=Constant(0.1), config=KadConfig(**config))  # type: ignore[arg-type]
    network.add_nodes(nodes)
    return network


def test_who_asks_and_who_answers_gets_into_the_table() -> None:
    network = make()
    one, other, third = network.nodes
    one.table.add(other.contact, 0.0)
    other.table.add(third.contact, 0.0)
    query = one.lookup(third.contact.peer.to_bytes())
    network.run()
    assert query.closest()[0] == third.contact
    assert {each.peer for each in one.table} == {other.contact.peer, third.contact.peer}
    assert one.contact.peer in third.table
    assert network.clock.now == 120.0


@pytest.mark.req("KAD-10")
def test_a_node_that_is_asked_for_itself_names_itself() -> None:
    network = make()
    one, other, _ = network.nodes
    answer = other.respond(Message(type=MessageType.FIND_NODE, key=other.contact.peer.to_bytes()), one.contact)
    assert answer is not None
    assert answer.closer == (other.contact,)


def test_what_is_refused_counts_as_no_answer() -> None:
    network = make()
    one, other, _ = network.nodes
    assert other.respond(Message(type=MessageType.FIND_NODE), one.contact) is None
    assert other.respond(Message(type=MessageType.PUT_VALUE, key=b"/none/x"), one.contact) is None


@pytest.mark.req("KAD-11")
def test_a_peer_that_does_not_answer_leaves_the_table() -> None:
    network = make(2)
    one, other = network.nodes
    one.table.add(other.contact, 0.0)
    network.stop(other)
    for _ in range(2):
        query = one.lookup(b"key")
        network.run()
        assert (query.closest(), query.failures) == ([], 1)
    assert len(one.table) == 0


@pytest.mark.req("KAD-07", "KAD-11")
def test_a_peer_that_is_too_slow_is_given_up() -> None:
    network = make(2, peer_timeout=0.5, patience=0.2)
    one, other = network.nodes
    one.table.add(other.contact, 0.0)
    assert ROUND_TRIPS * 0.2 > 0.5
    for _ in range(2):
        query = one.lookup(b"key")
        network.run(0.6)
        assert (query.reason, query.closest()) == (Reason.COMPLETE, [])
    assert other.contact.peer not in one.table
    network.run()  # the answers come, and nobody waits for them
    assert other.contact.peer not in one.table


@pytest.mark.req("KAD-17")
def test_a_lookup_whose_time_is_over_ends() -> None:
    network = make(2, query_timeout=0.5)
    one, other = network.nodes
    one.table.add(other.contact, 0.0)
    query = one.lookup(b"key")
    network.run(0.6)
    assert query.reason is Reason.TIMEOUT


def test_any_value_is_valid_and_the_greatest_best() -> None:
    AnyValue().validate(b"/sim/x", b"")
    assert AnyValue().select(b"/sim/x", [b"b", b"c", b"a"]) == 1
