from __future__ import annotations

import pytest

from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.values import Subscription
from tests.gossipsub.network import FLOOD, OWN_NUMBER, TOPIC, Node, Scores, peer, signed

FANOUT = GossipsubConfig(flood_publish=False)


def publish(node: Node, seqno: int, topic: str = TOPIC) -> set[int]:
    """Publish; return to whom the message really goes."""
    told = node.router.publish(signed(OWN_NUMBER, seqno, topic), node.now)
    receivers = node.receivers(lambda rpc: rpc.publish)
    assert {peer(number) for number in receivers} == set(told)
    return receivers


def members(node: Node, topic: str = TOPIC) -> set[int]:
    found = node.router.fanout().get(topic, [])
    return {number for number in range(256) if peer(number) in found}


@pytest.mark.req("GS10-22")
def test_messages_to_a_topic_of_others_go_to_d_peers_and_those_stay() -> None:
    node = Node(FANOUT, topics=())
    node.add(*range(12))
    node.add(20, topics=["other"])
    first = publish(node, 1)
    assert len(first) == 6
    assert first == members(node)
    assert 20 not in first
    assert publish(node, 2) == first


@pytest.mark.req("GS10-22")
def test_nobody_there_is_no_error_and_is_told() -> None:
    node = Node(FANOUT, topics=())
    assert node.router.publish(signed(OWN_NUMBER, 1), node.now) == []
    node.add(1)
    assert publish(node, 2) == {1}, "who comes later is found"


@pytest.mark.req("GS10-22", "GS10-27", "GS11-01")
def test_who_can_be_in_it() -> None:
    scores = Scores(publish_threshold=-20.0, gossip_threshold=-10.0)
    node = Node(FANOUT, topics=(), scores=scores, direct=[1])
    node.add(1, 3, 4, 5)
    node.add(2, protocol=FLOOD)
    scores[3], scores[4], scores[5] = -20.1, -20.0, 3.0
    assert publish(node, 1) == {1, 2, 4, 5}, "direct and floodsub peers get it beside the fanout"
    assert members(node) == {4, 5}


@pytest.mark.req("GS10-19", "GS10-22")
def test_a_heartbeat_fills_it_up_and_drops_the_bad() -> None:
    scores = Scores(publish_threshold=-20.0, gossip_threshold=-10.0)
    node = Node(FANOUT, topics=(), scores=scores)
    node.add(1, 2)
    publish(node, 1)
    scores[1] = -21.0
    node.add(*range(3, 12))
    assert members(node) == {1, 2}
    node.beat()
    assert 1 not in members(node)
    assert 2 in members(node)
    assert len(members(node)) == 6


@pytest.mark.req("GS10-16", "GS10-19", "GS10-22")
def test_it_is_forgotten_a_minute_after_the_last_message() -> None:
    node = Node(FANOUT, topics=())
    node.add(*range(3))
    publish(node, 1)
    node.pass_time(40.0)
    publish(node, 2)
    node.pass_time(59.0)
    assert members(node)
    node.pass_time(2.0)
    assert node.router.fanout() == {}


@pytest.mark.req("GS11-20")
def test_who_leaves_the_topic_or_goes_is_out_at_once() -> None:
    node = Node(FANOUT, topics=())
    node.add(1, 2, 3)
    publish(node, 1)
    node.receive(1, subscriptions=[Subscription(False, TOPIC), Subscription(False, "another")])
    assert members(node) == {2, 3}
    node.remove(2)
    assert members(node) == {3}


@pytest.mark.req("GS10-17")
def test_joining_takes_its_peers_into_the_mesh() -> None:
    scores = Scores(publish_threshold=-20.0, gossip_threshold=-10.0)
    node = Node(FANOUT, topics=(), scores=scores)
    node.add(*range(30))
    publish(node, 1)
    before = members(node)
    bad, backed_off = sorted(before)[:2]
    scores[bad] = -1.0
    node.router._state.backoffs.add(TOPIC, peer(backed_off), node.now + 100.0)
    node.router.join(TOPIC, node.now)
    assert node.router.fanout() == {}
    assert before - {bad, backed_off} < node.mesh()
    assert not {bad, backed_off} & node.mesh()
    assert len(node.mesh()) == 6
    assert node.receivers(lambda rpc: rpc.graft) == node.mesh()


def test_the_topic_that_was_used_longest_ago_makes_room() -> None:
    node = Node(GossipsubConfig(flood_publish=False, max_fanout=2), topics=())
    node.add(1, topics=["a", "b", "c"])
    for seqno, topic in enumerate("abac"):
        publish(node, seqno, topic)
    assert list(node.router.fanout()) == ["a", "c"]
    assert node.router.sizes()["max_fanout"] == (2, 2)
