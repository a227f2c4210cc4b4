from __future__ import annotations

import pytest

from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.values import IHave, Rpc, Subscription
from tests.gossipsub.network import (
    FLOOD,
    OWN_NUMBER,
    PASSIVE,
    TOPIC,
    V10,
    V11,
    V12,
    V13,
    Node,
    Scores,
    forged,
    id_of,
    peer,
    signed,
)


def publish(node: Node, *seqnos: int, topic: str = TOPIC, data: bytes = b"data") -> None:
    """Publish our own messages; what goes out for it is gone."""
    for seqno in seqnos:
        node.router.publish(signed(OWN_NUMBER, seqno, topic, data), node.now)
    node.drain()


def own(seqno: int) -> bytes:
    return id_of(OWN_NUMBER, seqno)


def ids(count: int, start: int = 0) -> list[bytes]:
    return [b"id%d" % number for number in range(start, start + count)]


# -- IHAVE that we send


@pytest.mark.req("GS10-19", "GS11-09")
def test_a_heartbeat_tells_peers_outside_of_the_mesh() -> None:
    node = Node(PASSIVE)
    node.add(*range(10))
    node.graft(0, 1, 2, 3, 4)
    publish(node, 1, 2)
    node.beat()
    told = {number: rpc.ihave for number, rpc in node.sent().items()}
    assert set(told) == {5, 6, 7, 8, 9}
    for (have,) in told.values():
        assert have.topic == TOPIC
        assert set(have.ids) == {own(1), own(2)}


@pytest.mark.req("GS11-09", "GS10-16")
@pytest.mark.parametrize(("eligible", "told"), [(3, 3), (6, 6), (10, 6), (24, 6), (27, 6), (28, 7), (40, 10)])
def test_how_many_are_told(eligible: int, told: int) -> None:
    node = Node(PASSIVE)
    node.add(*range(eligible))
    publish(node, 1)
    node.beat()
    assert len(node.receivers(lambda rpc: rpc.ihave)) == told


@pytest.mark.req("GS11-09", "GS11-01", "GS10-27")
def test_who_is_told() -> None:
    scores = Scores(gossip_threshold=-10.0)
    node = Node(PASSIVE, scores=scores, direct=[1])
    node.add(1, 3, 4)
    node.add(2, protocol=FLOOD)
    node.add(5, topics=["other"])
    scores[3], scores[4] = -10.1, -10.0
    publish(node, 1)
    node.beat()
    assert node.receivers(lambda rpc: rpc.ihave) == {4}


@pytest.mark.req("GS11-09")
def test_peers_are_chosen_by_chance_and_ids_are_shuffled() -> None:
    chosen, orders = set(), set()
    for seed in range(5):
        node = Node(PASSIVE, seed=seed)
        node.add(*range(20))
        publish(node, *range(8))
        node.beat()
        sent = node.sent()
        chosen.add(frozenset(number for number, rpc in sent.items() if rpc.ihave))
        orders |= {tuple(rpc.ihave[0].ids) for rpc in sent.values() if rpc.ihave}
    assert len(chosen) > 2
    assert len(orders) > 20


@pytest.mark.req("GS11-09")
def test_many_ids_are_sampled_anew_for_each_peer() -> None:
    node = Node(GossipsubConfig(d=0, d_low=0, d_out=0, max_ihave_length=5))
    node.add(1, 2, 3)
    publish(node, *range(50))
    node.beat()
    told = [frozenset(rpc.ihave[0].ids) for rpc in node.sent().values()]
    assert [len(each) for each in told] == [5, 5, 5]
    assert len(set(told)) == 3


@pytest.mark.req("GS10-16", "GS10-23")
def test_messages_are_told_of_for_three_heartbeats_and_kept_for_five() -> None:
    node = Node(PASSIVE)
    node.add(1)
    publish(node, 1)
    told, kept = [], []
    for _ in range(7):
        node.receive(1, iwant=[own(1)])
        kept.append(bool(node.sent_to(1).publish))
        entry = node.router._state.cache._entries.get(own(1))
        if entry is not None:
            entry.taken = None  # how often is another test
        node.beat()
        told.append(bool(node.sent_to(1).ihave))
    assert told == [True] * 3 + [False] * 4
    assert kept == [True] * 5 + [False] * 2


@pytest.mark.req("GS10-23")
def test_accepted_messages_are_told_of_and_others_are_not() -> None:
    node = Node(PASSIVE)
    node.add(1, 2)
    node.deliver(1, signed(9, 1), "accept")
    node.deliver(1, signed(9, 2), "reject")
    node.deliver(1, signed(9, 3), "ignore")
    node.deliver(1, signed(9, 4), "throttle")
    node.drain()
    node.beat()
    assert node.sent_to(2).ihave == [IHave(TOPIC, [id_of(9, 1)])]


@pytest.mark.req("GS11-09")
def test_topics_that_we_only_publish_to_are_gossiped_about_too() -> None:
    node = Node(GossipsubConfig(flood_publish=False), topics=())
    node.add(*range(10))
    publish(node, 1)
    fanout = {number for number in range(10) if peer(number) in node.router.fanout()[TOPIC]}
    node.beat()
    assert node.receivers(lambda rpc: rpc.ihave) == set(range(10)) - fanout


def test_a_new_subscriber_is_told_once_what_came_of_late() -> None:
    scores = Scores(gossip_threshold=-10.0)
    node = Node(PASSIVE, scores=scores, direct=[4])
    publish(node, 1)
    for number, protocol in ((1, V12), (2, FLOOD), (3, V12), (4, V12)):
        node.add(number, protocol=protocol, topics=[])
    scores[3] = -11.0
    for number in (1, 2, 3, 4):
        node.receive(number, subscriptions=[Subscription(True, TOPIC)])
    assert node.receivers(lambda rpc: rpc.ihave) == {1}, "no gossip to direct, floodsub and bad peers"
    for subscribe in (False, True):
        node.receive(1, subscriptions=[Subscription(subscribe, TOPIC)])
    assert node.drain() == [], "only once"


def test_greetings_are_bounded() -> None:
    node = Node(GossipsubConfig(max_topics_per_peer=3), topics=())
    node.add(1, topics=[])
    for number in range(20):
        publish(node, number, topic=f"t{number}")
    for number in range(20):
        node.receive(1, subscriptions=[Subscription(True, f"t{number}"), Subscription(False, f"t{number - 1}")])
    assert len(node.known(1).greeted) == 3
    assert len(node.sent_to(1).ihave) == 3


# -- IHAVE that comes


def asked(node: Node, number: int, *entries: IHave) -> list[bytes]:
    node.receive(number, ihave=list(entries))
    return node.sent_to(number).iwant


@pytest.mark.req("GS11-14")
def test_what_we_have_not_seen_is_asked_for() -> None:
    node = Node(PASSIVE, topics=[TOPIC, "too"])
    node.add(1)
    node.deliver(1, signed(9, 1))
    publish(node, 2)
    (pending,) = node.publish_from(1, signed(9, 3))
    told = [id_of(9, 1), own(2), id_of(9, 3), b"new", b"new", b"x" * 257]
    assert asked(node, 1, IHave(TOPIC, told)) == [b"new"], "not what is seen or being checked, nor a giant id"
    node.router.drop(pending, node.now)
    assert set(asked(node, 1, IHave(TOPIC, told), IHave("too", [b"also"]))) == {b"new", id_of(9, 3), b"also"}
    assert asked(node, 1, IHave(TOPIC, [id_of(9, 1)])) == []


@pytest.mark.req("GS11-14")
def test_gossip_of_other_topics_and_bad_peers_is_ignored() -> None:
    scores = Scores(gossip_threshold=-10.0)
    node = Node(PASSIVE, scores=scores)
    node.add(1, 2)
    scores[1], scores[2] = -10.1, -10.0
    assert asked(node, 1, IHave(TOPIC, [b"a"])) == []
    assert node.router.counters["ihave-score"] == 1
    assert asked(node, 2, IHave("other", [b"a"])) == []
    assert asked(node, 2, IHave(TOPIC, [b"a"])) == [b"a"]


@pytest.mark.req("GS11-14")
def test_ten_rpcs_a_heartbeat_are_read() -> None:
    node = Node(PASSIVE)
    node.add(1, 2)
    found = [asked(node, 1, IHave(TOPIC, [each])) for each in ids(12)]
    assert found == [[each] for each in ids(10)] + [[], []]
    assert node.router.counters["ihave-limit"] == 2
    assert asked(node, 2, IHave(TOPIC, [b"other"])) == [b"other"], "each peer has its own limit"
    node.beat()
    node.drain()
    assert asked(node, 1, IHave(TOPIC, [b"late"])) == [b"late"]


@pytest.mark.req("GS11-14")
def test_five_thousand_ids_a_heartbeat_are_asked_for() -> None:
    node = Node(PASSIVE)
    node.add(1)
    assert len(asked(node, 1, IHave(TOPIC, ids(4_000)))) == 4_000
    second = asked(node, 1, IHave(TOPIC, ids(4_000, 10_000)))
    assert len(second) == 1_000
    assert second != ids(1_000, 10_000), "which ones, chance decides"
    assert asked(node, 1, IHave(TOPIC, ids(1, 90_000))) == []
    node.beat()
    node.drain()
    assert len(asked(node, 1, IHave(TOPIC, ids(6_000, 20_000)))) == 5_000


@pytest.mark.req("GS11-14")
def test_the_first_ids_of_an_overlong_list_are_read() -> None:
    node = Node(GossipsubConfig(d=0, d_low=0, d_out=0, max_ihave_length=4))
    node.add(1)
    assert set(asked(node, 1, IHave(TOPIC, ids(9)))) == set(ids(4))


@pytest.mark.req("GS11-14")
def test_ids_are_asked_for_in_any_order() -> None:
    orders = set()
    for seed in range(5):
        node = Node(PASSIVE, seed=seed)
        node.add(1)
        orders.add(tuple(asked(node, 1, IHave(TOPIC, ids(20)))))
    assert len(orders) > 2


# -- promises


@pytest.mark.req("GS11-16")
def test_a_promise_that_is_not_kept_costs_at_the_heartbeat() -> None:
    node = Node(PASSIVE, scores=Scores())
    node.add(1, 2)
    asked(node, 1, IHave(TOPIC, ids(10)))
    node.pass_time(2.5)
    assert node.penalties(1) == 0
    node.pass_time(1.5)
    assert 0.9 < node.penalties(1) <= 1, "one id of the ten is watched"
    assert node.router.counters["broken-promise"] == 1
    assert node.router.sizes()["max_promises"][0] == 0


@pytest.mark.req("GS11-16")
@pytest.mark.parametrize("verdict", ["accept", "reject", "ignore", "throttle"])
def test_a_copy_of_anyone_settles_it(verdict: str) -> None:
    node = Node(PASSIVE, scores=Scores())
    node.add(1, 2)
    asked(node, 1, IHave(TOPIC, [id_of(9, 1)]))
    node.deliver(2, signed(9, 1), verdict)
    node.pass_time(10.0)
    assert node.penalties(1) == 0


@pytest.mark.req("GS11-16")
def test_a_forgery_does_not_settle_it() -> None:
    node = Node(PASSIVE, scores=Scores())
    node.add(1, 2)
    asked(node, 1, IHave(TOPIC, [id_of(9, 1)]))
    assert node.deliver(2, forged(9, 1)) is None
    node.pass_time(5.0)
    assert node.penalties(1) > 0


# -- IWANT


@pytest.mark.req("GS11-15", "GS10-23")
def test_what_is_asked_for_is_sent_three_times_to_each() -> None:
    node = Node(PASSIVE)
    node.add(1, 2)
    publish(node, 1)
    found = []
    for _ in range(5):
        node.receive(1, iwant=[own(1)])
        found.append(node.sent_to(1).publish)
    assert found == [[signed(OWN_NUMBER, 1)]] * 3 + [[], []]
    assert node.router.counters["iwant-again"] == 2
    node.receive(2, iwant=[own(1)])
    assert node.sent_to(2).publish == [signed(OWN_NUMBER, 1)], "each peer is counted by itself"


@pytest.mark.req("GS11-15")
def test_twice_in_one_request_is_once() -> None:
    node = Node(PASSIVE)
    node.add(1)
    publish(node, 1, 2)
    node.receive(1, iwant=[own(1), own(2), own(1), b"unknown", own(1)])
    assert node.sent_to(1).publish == [signed(OWN_NUMBER, 1), signed(OWN_NUMBER, 2)]


@pytest.mark.req("GS11-15")
def test_peers_of_bad_score_get_nothing() -> None:
    scores = Scores(gossip_threshold=-10.0)
    node = Node(PASSIVE, scores=scores)
    node.add(1, 2)
    publish(node, 1)
    scores[1], scores[2] = -10.1, -10.0
    for number in (1, 2):
        node.receive(number, iwant=[own(1)])
    assert node.receivers(lambda rpc: rpc.publish) == {2}
    assert node.router.counters["iwant-score"] == 1


@pytest.mark.req("GS11-15", "GS12-03")
def test_what_is_not_wanted_is_not_sent_on_request_either() -> None:
    node = Node(PASSIVE)
    node.add(1)
    publish(node, 1, 2)
    node.receive(1, idontwant=[own(1)])
    node.receive(1, iwant=[own(1), own(2)])
    assert node.sent_to(1).publish == [signed(OWN_NUMBER, 2)]


def test_a_peer_asks_for_so_many_ids_a_heartbeat() -> None:
    node = Node(GossipsubConfig(d=0, d_low=0, d_out=0, max_iwant_length=3))
    node.add(1)
    publish(node, 1)
    node.receive(1, iwant=[*ids(3), own(1)])
    assert node.drain() == []
    assert node.router.counters["iwant-limit"] == 1
    node.beat()
    node.drain()
    node.receive(1, iwant=[own(1)])
    assert node.sent_to(1).publish == [signed(OWN_NUMBER, 1)]


# -- IDONTWANT


@pytest.mark.req("GS12-01", "GS12-02")
def test_large_messages_are_declined_before_validation() -> None:
    node = Node(PASSIVE)
    for number, protocol in ((1, V12), (2, V12), (3, V13), (4, V11), (5, V10), (6, V12)):
        node.add(number, protocol=protocol)
        if number != 6:
            node.graft(number)
    large = signed(9, 1, TOPIC, bytes(1_024))
    (incoming,) = node.publish_from(1, large)
    node.publish_from(2, large)
    assert node.drain() == [], "not before it is known to be the true one"
    assert node.router.verified(incoming, None, node.now)
    sent = node.sent()
    assert sent == {3: Rpc(idontwant=[id_of(9, 1)])}, "only to members that understand it and have not sent it"


@pytest.mark.req("GS12-02")
@pytest.mark.parametrize(("size", "declined"), [(1_023, False), (1_024, True)])
def test_small_messages_are_not_declined(size: int, declined: bool) -> None:
    node = Node(PASSIVE)
    node.add(1, 2)
    node.graft(1, 2)
    (incoming,) = node.publish_from(1, signed(9, 1, TOPIC, bytes(size)))
    node.router.verified(incoming, None, node.now)
    assert bool(node.sent_to(2).idontwant) == declined


@pytest.mark.req("GS12-03")
def test_what_is_not_wanted_is_not_forwarded_or_published() -> None:
    node = Node(PASSIVE)
    node.add(1, 2, 3)
    node.graft(1, 2, 3)
    node.receive(2, idontwant=[id_of(9, 1), own(5)])
    node.deliver(1, signed(9, 1))
    assert node.receivers(lambda rpc: rpc.publish) == {3}
    assert set(node.router.publish(signed(OWN_NUMBER, 5), node.now)) == {peer(1), peer(3)}
    assert node.receivers(lambda rpc: rpc.publish) == {1, 3}


@pytest.mark.req("GS12-03")
def test_sending_it_all_the_same_is_no_fault() -> None:
    node = Node(PASSIVE, scores=Scores())
    node.add(1, 2)
    node.graft(1, 2)
    node.deliver(1, signed(9, 1, TOPIC, bytes(2_000)))
    node.publish_from(2, signed(9, 1, TOPIC, bytes(2_000)))
    assert node.router.score.score(peer(2)) == 0


@pytest.mark.req("GS12-04")
def test_ids_are_not_wanted_for_three_heartbeats() -> None:
    node = Node(PASSIVE)
    node.add(1)
    node.receive(1, idontwant=[b"a"])
    for _ in range(2):
        node.beat()
        assert list(node.known(1).unwanted) == [b"a"]
    node.receive(1, idontwant=[b"b"])
    node.beat()
    assert list(node.known(1).unwanted) == [b"b"]
    node.receive(1, idontwant=[b"b"])
    node.beat(2)
    assert list(node.known(1).unwanted) == [b"b"], "said again, it lasts longer"
    node.beat()
    assert not node.known(1).unwanted


@pytest.mark.req("GS12-04")
def test_what_one_peer_does_not_want_is_bounded() -> None:
    node = Node(PASSIVE)
    node.add(1)
    node.receive(1, idontwant=ids(600))
    assert len(node.known(1).unwanted) == 512, "of one RPC"
    node.receive(1, idontwant=ids(500, 1_000))
    node.receive(1, idontwant=ids(100, 2_000))
    unwanted = node.known(1).unwanted
    assert len(unwanted) == 1_024
    assert b"id0" not in unwanted, "the oldest are forgotten"
    assert b"id2099" in unwanted
    node.receive(1, idontwant=[b"x" * 257])
    assert max(map(len, node.known(1).unwanted)) <= 256


@pytest.mark.req("GS12-04")
def test_so_many_rpcs_a_heartbeat_are_read() -> None:
    node = Node(GossipsubConfig(max_idontwant_messages=3))
    node.add(1)
    for each in ids(5):
        node.receive(1, idontwant=[each])
    assert list(node.known(1).unwanted) == ids(3)
    assert node.router.counters["idontwant-limit"] == 2
    node.beat()
    node.receive(1, idontwant=[b"late"])
    assert b"late" in node.known(1).unwanted


@pytest.mark.req("GS12-04", "GS11-20")
def test_they_are_forgotten_with_the_peer() -> None:
    node = Node(PASSIVE)
    node.add(1)
    node.receive(1, idontwant=[b"a"])
    node.remove(1)
    node.add(1)
    assert not node.known(1).unwanted
