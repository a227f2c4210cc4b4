from __future__ import annotations

import pytest

from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.peers import Peer
from p2pstack.gossipsub.state import State
from p2pstack.gossipsub.values import Prune, Rpc, Subscription
from tests.gossipsub.network import FLOOD, PASSIVE, TOPIC, Node, Scores, peer, signed


def state_of(node: Node) -> State:
    return node.router._state


@pytest.mark.req("GS10-15")
def test_topics_of_a_peer_are_bounded_and_forgotten_when_empty() -> None:
    node = Node(GossipsubConfig(max_topics_per_peer=3))
    node.add(1, topics=["a", "b", "c", "d", "e"])
    assert list(node.known(1).topics) == ["a", "b", "c"]
    assert node.router.counters["max_topics_per_peer"] == 2
    assert set(state_of(node).topics) == {"a", "b", "c"}
    node.add(2, topics=["b"])
    node.receive(1, subscriptions=[Subscription(False, topic) for topic in "abcde"])
    assert set(state_of(node).topics) == {"b"}, "an empty set is not kept"
    node.remove(2)
    assert state_of(node).topics == {}


@pytest.mark.req("GS10-15")
def test_the_last_word_on_a_topic_counts() -> None:
    node = Node(PASSIVE)
    node.add(1, topics=["kept", "left"])
    node.router.events()
    words = [(True, "new"), (False, "new"), (False, "kept"), (True, "kept"), (True, "left"), (False, "left")]
    node.receive(1, subscriptions=[Subscription(*word) for word in words] * 100)
    assert list(node.known(1).topics) == ["kept"]
    assert len(node.router.events()) == 1, "opposites cancel: only the topic that was left is an event"


@pytest.mark.req("GS10-15")
def test_room_that_was_freed_can_be_used() -> None:
    node = Node(GossipsubConfig(max_topics_per_peer=1))
    node.add(1, topics=["a"])
    node.receive(1, subscriptions=[Subscription(False, "a"), Subscription(True, "b")])
    assert list(node.known(1).topics) == ["b"]


@pytest.mark.req("GS11-01", "GS11-03", "GS10-27")
def test_who_may_be_grafted() -> None:
    scores = Scores()
    node = Node(PASSIVE, scores=scores, direct=[1])
    node.add(1, 3, 4, 5, 6)
    node.add(2, protocol=FLOOD)
    node.add(7, topics=[])
    node.graft(3)
    scores[4] = -0.1
    state_of(node).backoffs.add(TOPIC, peer(5), node.now + 1.0)
    assert [each.id for each in state_of(node).may_graft(TOPIC, node.now)] == [peer(6)]
    slack = PASSIVE.heartbeat_interval
    late = [each.id for each in state_of(node).may_graft(TOPIC, node.now + 0.999 + slack)]
    assert late == [peer(6)], "the peer's own back-off ends a little later"
    assert peer(5) in [each.id for each in state_of(node).may_graft(TOPIC, node.now + 1.0 + slack)]


def test_a_clock_that_begins_at_zero_is_no_back_off() -> None:
    node = Node(now=0.0)
    node.add(1, 2, 3)
    assert node.mesh() == {1, 2, 3}


def test_some_of_many_and_all_of_few() -> None:
    node = Node(PASSIVE)
    node.add(*range(10))
    peers = list(state_of(node).peers.values())
    assert len(set(state_of(node).some(peers, 4))) == 4
    assert set(state_of(node).some(peers, 99)) == set(peers)
    assert state_of(node).some(peers, -3) == []
    assert len({tuple(peer.id for peer in state_of(node).some(peers, 3)) for _ in range(20)}) > 10, "by chance"


def test_what_is_told_goes_out_in_one_rpc_and_before_messages() -> None:
    node = Node(PASSIVE)
    node.add(1)
    state, one = state_of(node), node.known(1)
    state.send_message(signed(9, 1), [one])
    state.tell(one).graft.append(TOPIC)
    state.tell(one).iwant.append(b"id")
    control, message = node.drain()
    assert control == (peer(1), Rpc(graft=[TOPIC], iwant=[b"id"]))
    assert message == (peer(1), Rpc(publish=[signed(9, 1)]))
    assert node.drain() == []


def test_a_message_for_many_is_one_object() -> None:
    node = Node(PASSIVE)
    node.add(1, 2, 3)
    state_of(node).send_message(signed(9, 1), [node.known(number) for number in (1, 2, 3)])
    sent = node.drain()
    assert [target for target, _ in sent] == [peer(1), peer(2), peer(3)]
    assert len({id(rpc) for _, rpc in sent}) == 1


@pytest.mark.req("GS10-24", "GS11-03")
@pytest.mark.parametrize("how", ["prunes us", "unsubscribes", "goes"])
def test_a_graft_that_has_not_left_is_taken_back(how: str) -> None:
    node = Node()
    node.add(1, topics=[])
    node.receive(1, subscriptions=[Subscription(True, TOPIC)])
    assert node.mesh() == {1}
    assert node.known(1).pending == Rpc(graft=[TOPIC])
    if how == "prunes us":
        node.receive(1, prune=[Prune(TOPIC)])
    elif how == "unsubscribes":
        node.receive(1, subscriptions=[Subscription(False, TOPIC)])
    else:
        node.remove(1)
    assert node.mesh() == set()
    assert node.drain() == [], "nothing is left to say, so no empty RPC either"


def test_leaving_a_mesh_tells_whether_it_was_in_it() -> None:
    node = Node(PASSIVE)
    node.add(1, 2)
    node.graft(1)
    state = state_of(node)
    assert state.leave_mesh(node.known(1), TOPIC)
    assert not state.leave_mesh(node.known(1), TOPIC)
    assert not state.leave_mesh(node.known(2), "unknown")


@pytest.mark.req("GS10-27")
def test_outsiders_are_the_direct_ones_and_those_without_a_mesh() -> None:
    node = Node(direct=[1])
    node.add(1, 2)
    node.add(3, protocol=FLOOD)
    assert [each.id for each in state_of(node).outsiders] == [peer(1), peer(3)]
    node.router.add_peer(peer(3), "/meshsub/1.1.0", outbound=False, now=node.now)
    assert [each.id for each in state_of(node).outsiders] == [peer(1)]
    one: Peer = node.known(3)
    assert one.protocol == "/meshsub/1.1.0"
