from __future__ import annotations

from random import Random

import pytest

from p2pstack.errors import ConfigError, LimitExceeded, LocalError
from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.events import DirectPeersMissing
from p2pstack.gossipsub.gater import GaterConfig
from p2pstack.gossipsub.ids import sha256_id
from p2pstack.gossipsub.protocols import PROTOCOLS
from p2pstack.gossipsub.router import Router
from p2pstack.gossipsub.score.config import ScoreConfig, TopicScoreConfig
from p2pstack.gossipsub.signing import build
from p2pstack.gossipsub.values import Extensions, IHave, Message, Prune, Rpc, Subscription
from tests.gossipsub.network import (
    FLOOD,
    OWN,
    OWN_NUMBER,
    PASSIVE,
    TOPIC,
    V10,
    V11,
    V12,
    V13,
    Node,
    Scores,
    decoded,
    id_of,
    peer,
    signed,
)

TESTING = GossipsubConfig(test_extension=True)


def first_rpc(node: Node, number: int) -> Rpc:
    sent = [rpc for target, rpc in node.drain() if target == peer(number)]
    return decoded(sent[0])[0]


# -- hello


@pytest.mark.req("GS10-04")
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_new_peer_is_told_all_our_topics_first(protocol: str) -> None:
    node = Node(topics=["a", "b"])
    node.router.add_peer(peer(1), protocol, outbound=False, now=node.now)
    node.receive(1, subscriptions=[Subscription(True, "a")])
    node.router.publish(signed(OWN_NUMBER, 1, "a"), node.now)
    assert first_rpc(node, 1).subscriptions == [Subscription(True, "a"), Subscription(True, "b")]


@pytest.mark.req("GS10-04")
def test_without_a_topic_there_is_no_hello() -> None:
    node = Node(topics=())
    node.router.add_peer(peer(1), V12, outbound=False, now=node.now)
    assert node.drain() == []


@pytest.mark.req("GS10-04")
def test_later_changes_are_told_to_everybody() -> None:
    node = Node(topics=())
    for number, protocol in enumerate(PROTOCOLS):
        node.add(number, protocol=protocol, topics=[])
    node.router.join("new", node.now)
    node.router.join("new", node.now)
    assert all(rpc.subscriptions == [Subscription(True, "new")] for rpc in node.sent().values())
    node.router.leave("new", node.now)
    node.router.leave("new", node.now)
    sent = node.sent()
    assert set(sent) == set(range(5))
    assert all(rpc.subscriptions == [Subscription(False, "new")] for rpc in sent.values())


@pytest.mark.req("GS10-04")
def test_a_topic_left_right_after_the_hello_is_left() -> None:
    node = Node()
    node.router.add_peer(peer(1), V12, outbound=False, now=node.now)
    node.router.leave(TOPIC, node.now)
    assert node.sent_to(1).subscriptions == [Subscription(True, TOPIC), Subscription(False, TOPIC)]


@pytest.mark.req("GS10-30", "GS13-01", "GS10-04")
def test_a_long_hello_is_cut() -> None:
    topics = [f"topic-{number}" for number in range(3_000)]
    node = Node(TESTING, topics=topics)
    node.router.add_peer(peer(1), V13, outbound=False, now=node.now)
    ((_, rpc),) = node.drain()
    parts = decoded(rpc)
    assert len(parts) > 2
    assert [part.extensions for part in parts] == [Extensions(test=True)] + [None] * (len(parts) - 1)
    assert [each.topic for part in parts for each in part.subscriptions] == topics


def test_who_may_have_forgotten_is_told_again() -> None:
    node = Node(topics=("t", "other"))
    node.add(1)
    node.add(2)
    node.graft(1)
    node.drain()
    node.router.greet_again(peer(1))
    node.router.greet_again(peer(2))
    node.router.greet_again(peer(99))
    told = node.sent()
    subscriptions = [Subscription(True, "t"), Subscription(True, "other")]
    assert told[1].subscriptions == told[2].subscriptions == subscriptions
    assert set(told) == {1, 2}
    assert [number for number in told if "t" in told[number].graft] == sorted(node.mesh())
    alone = Node(topics=())
    alone.add(1)
    alone.router.greet_again(peer(1))
    assert alone.sent() == {}


@pytest.mark.req("GS10-04")
def test_a_hello_can_be_had_again_for_a_new_stream() -> None:
    node = Node(TESTING)
    node.add(1, protocol=V13)
    assert node.router.hello(peer(1)) == Rpc(
        subscriptions=[Subscription(True, TOPIC)], extensions=Extensions(test=True)
    )


# -- extensions


@pytest.mark.req("GS13-01")
@pytest.mark.parametrize(
    ("protocol", "told"), [(V13, Extensions(test=True)), (V12, None), (V11, None), (V10, None), (FLOOD, None)]
)
def test_extensions_stand_in_the_first_rpc_and_nowhere_else(protocol: str, told: Extensions | None) -> None:
    node = Node(TESTING, topics=())
    node.router.add_peer(peer(1), protocol, outbound=False, now=node.now)
    node.receive(1, subscriptions=[Subscription(True, TOPIC)])
    node.router.join(TOPIC, node.now)
    sent = [part for _, rpc in node.drain() for part in decoded(rpc)]
    assert sent[0].extensions == told
    node.pass_time(5.0)
    node.router.leave(TOPIC, node.now)
    sent = sent[1:] + [part for _, rpc in node.drain() for part in decoded(rpc)]
    assert all(part.extensions is None for part in sent)


@pytest.mark.req("GS13-01")
def test_who_has_none_tells_of_none() -> None:
    node = Node()
    node.router.add_peer(peer(1), V13, outbound=False, now=node.now)
    assert node.sent_to(1).extensions is None


@pytest.mark.req("GS13-03")
def test_the_test_message_is_sent_once_where_both_have_it() -> None:
    node = Node(TESTING)
    node.add(1, protocol=V13)
    node.receive(1, first=True, extensions=Extensions(test=True))
    assert [rpc for _, rpc in node.drain()] == [Rpc(test_extension=True)]
    node.receive(1, first=True, extensions=Extensions(test=True))  # on another stream
    node.receive(1, test_extension=True)
    assert node.drain() == []


@pytest.mark.req("GS13-03", "GS13-05")
@pytest.mark.parametrize(
    ("config", "protocol", "extensions"),
    [
        (TESTING, V13, Extensions()),
        (GossipsubConfig(), V13, Extensions(test=True)),
        (TESTING, V12, Extensions(test=True)),
    ],
    ids=["it has not", "we have not", "we could not tell"],
)
def test_the_test_message_is_not_sent_where_one_lacks_it(
    config: GossipsubConfig, protocol: str, extensions: Extensions
) -> None:
    node = Node(config, scores=Scores())
    node.add(1, protocol=protocol)
    node.receive(1, first=True, extensions=extensions)
    assert node.drain() == []
    assert node.penalties(1) == 0


@pytest.mark.req("GS13-02")
def test_extensions_at_another_time_are_misbehaviour() -> None:
    node = Node(TESTING, scores=Scores())
    node.add(1, protocol=V13)
    node.receive(1, first=True, extensions=Extensions())
    assert node.penalties(1) == 0
    node.receive(1, extensions=Extensions(test=True))
    assert node.penalties(1) == 10
    assert node.router.counters["extensions-late"] == 1
    assert node.drain() == []


@pytest.mark.req("GS13-05")
def test_a_test_message_of_a_peer_without_the_extension_is_ignored() -> None:
    node = Node(TESTING, scores=Scores())
    node.add(1, protocol=V13)
    assert node.receive(1, test_extension=True) == []
    assert node.drain() == []
    assert node.penalties(1) == 0


# -- peers


def test_what_is_there_to_see() -> None:
    node = Node(topics=["a"])
    node.add(1, topics=["a", "b"])
    router = node.router
    assert (router.peers, router.topics, router.peer_id) == ([peer(1)], ["a"], OWN)
    assert (router.peers_in("b"), router.peers_in("c")) == ([peer(1)], [])
    assert (router.mesh("a"), router.mesh("b")) == ([peer(1)], [])
    assert router.fanout() == {}
    assert router.score.score(peer(1)) == 0


def test_what_comes_of_strangers_is_dropped() -> None:
    node = Node()
    assert node.receive(1, publish=[signed(9, 1)], subscriptions=[Subscription(True, TOPIC)]) == []
    assert node.router.counters == {"unknown-peer": 1}
    assert node.router.peers_in(TOPIC) == []
    node.remove(1)
    assert node.router.events() == []


@pytest.mark.req("GS11-20")
def test_nothing_is_left_of_a_peer_that_goes() -> None:
    node = Node(GossipsubConfig(flood_publish=False), gater=GaterConfig())
    node.add(1, 2, topics=[TOPIC, "fanout"], ips=["192.0.2.1"])
    node.router.publish(signed(OWN_NUMBER, 1, "fanout"), node.now)
    node.receive(1, idontwant=[b"a"], ihave=[IHave(TOPIC, [b"b"])])
    node.router.publish(signed(OWN_NUMBER, 2), node.now)
    node.remove(1)
    assert peer(1) not in node.router.mesh(TOPIC) + node.router.fanout()["fanout"] + node.router.peers_in(TOPIC)
    assert node.router.peers == [peer(2)]
    assert {target for target, _ in node.drain()} == {peer(2)}
    node.add(1)
    assert not node.known(1).unwanted


@pytest.mark.req("GS11-20")
def test_who_unsubscribes_leaves_the_mesh_at_once() -> None:
    node = Node()
    node.add(1, 2)
    node.receive(1, subscriptions=[Subscription(False, TOPIC)])
    assert node.mesh() == {2}


@pytest.mark.req("GS11-39")
def test_a_bad_score_outlives_the_connection() -> None:
    owing = TopicScoreConfig(mesh_failure_penalty_weight=-1.0, mesh_message_deliveries_weight=-1.0)
    scores = Scores(topics={TOPIC: owing}, decay_interval=1.0)
    node = Node(scores=scores)
    node.add(1, ips=["192.0.2.1"])
    node.pass_time(10.0)
    node.router.score.add_penalty(peer(1), 100.0)
    node.remove(1)
    score = node.router.score.score(peer(1))
    failures = node.router.score.inspect(peer(1)).topics[TOPIC].mesh_failure_penalty  # type: ignore[union-attr]
    assert failures == 400, "what it owed counts once"
    assert score < -100
    node.add(1)
    assert node.router.score.score(peer(1)) <= score
    assert node.mesh() == set()


def test_a_peer_is_added_once_and_updated_later() -> None:
    node = Node(scores=Scores(), gater=GaterConfig())
    node.add(1, protocol=V11, ips=["192.0.2.1"])
    node.router.events()
    node.router.add_peer(peer(1), V13, outbound=True, ips=["192.0.2.2"], now=node.now)
    assert node.drain() == []
    assert node.router.events() == []
    assert (node.known(1).protocol, node.known(1).outbound) == (V13, True)
    assert node.mesh() == {1}
    snapshot = node.router.score.inspect(peer(1))
    assert snapshot is not None
    assert list(snapshot.peers_by_ip) == ["192.0.2.2"]


@pytest.mark.req("GS10-27")
def test_a_peer_that_turns_to_floodsub_leaves_the_mesh() -> None:
    node = Node(GossipsubConfig(flood_publish=False))
    node.add(1, 2, topics=[TOPIC, "fanout"])
    node.router.publish(signed(OWN_NUMBER, 1, "fanout"), node.now)
    node.receive(1, ihave=[IHave(TOPIC, [b"id"])])
    node.drain()
    node.receive(1, ihave=[IHave(TOPIC, [b"other"])])
    for number in (1, 2):
        node.router.add_peer(peer(number), FLOOD, outbound=False, now=node.now)
    assert node.mesh() == set()
    assert node.router.fanout() == {"fanout": []}
    assert node.drain() == [], "no control for it"
    node.deliver(1, signed(9, 1))
    assert node.receivers(lambda rpc: rpc.publish) == {2}, "and each message once"


# -- RPCs


@pytest.mark.req("GS10-14")
def test_subscriptions_come_first_and_control_last() -> None:
    node = Node(PASSIVE)
    node.add(1, topics=[])
    fresh = node.receive(
        1,
        subscriptions=[Subscription(True, TOPIC)],
        publish=[signed(9, 1)],
        ihave=[IHave(TOPIC, [id_of(9, 1), b"other"])],
        graft=[TOPIC],
        prune=[Prune(TOPIC, [], 60)],
    )
    assert [incoming.id for incoming in fresh] == [id_of(9, 1)]
    assert node.sent_to(1).iwant == [b"other"], "what came in the same RPC is not asked for"
    assert node.mesh() == set(), "the PRUNE comes after the GRAFT"


@pytest.mark.req("GS10-31")
def test_a_graft_may_come_before_its_subscription() -> None:
    node = Node(PASSIVE)
    node.add(1, topics=[])
    node.receive(1, graft=[TOPIC])
    node.receive(1, subscriptions=[Subscription(True, TOPIC)])
    assert node.mesh() == {1}
    second, first = node.publish_from(1, signed(9, 2), signed(9, 1))
    assert (second.id, first.id) == (id_of(9, 2), id_of(9, 1)), "and messages in any order"


@pytest.mark.req("GS10-27")
def test_control_of_a_floodsub_peer_is_ignored() -> None:
    node = Node(PASSIVE)
    node.add(1, protocol=FLOOD)
    node.receive(1, graft=[TOPIC], ihave=[IHave(TOPIC, [b"a"])], idontwant=[b"b"])
    assert node.drain() == []
    assert node.mesh() == set()
    assert node.router.counters == {"control-of-floodsub": 1}


@pytest.mark.req("GS11-17", "GS11-01")
def test_below_the_graylist_only_subscriptions_are_read() -> None:
    scores = Scores(graylist_threshold=-80.0)
    node = Node(PASSIVE, scores=scores, direct=[3])
    node.add(1, 2, 3)
    scores[1], scores[2], scores[3] = -80.1, -80.0, -80.1
    for number in (1, 2, 3):
        fresh = node.receive(
            number,
            subscriptions=[Subscription(True, "more")],
            publish=[signed(9, number)],
            idontwant=[b"a"],
        )
        assert bool(fresh) == (number != 1)
        assert list(node.known(number).unwanted) == ([] if number == 1 else [b"a"])
    assert node.router.peers_in("more") == [peer(1), peer(2), peer(3)]
    assert node.router.counters == {"graylisted": 1}


@pytest.mark.req("GS11-18")
def test_without_scoring_everybody_is_good_enough() -> None:
    node = Node(PASSIVE)
    node.add(1)
    node.router.score.add_penalty(peer(1), 1_000.0)
    assert len(node.publish_from(1, signed(9, 1))) == 1


# -- our topics


@pytest.mark.parametrize("name", ["x" * 1_025, "ü" * 513, "\ud800"])
def test_names_that_can_not_be_topics(name: str) -> None:
    node = Node()
    with pytest.raises(LocalError):
        node.router.join(name, node.now)
    assert node.router.topics == [TOPIC]


def test_the_longest_name() -> None:
    node = Node()
    node.add(1, topics=[])
    node.router.join("x" * 1_024, node.now)
    node.router.join("\udcff", node.now)
    assert [each.topic for each in node.sent_to(1).subscriptions] == ["x" * 1_024, "\udcff"]


def test_who_subscribes_comes_into_a_mesh_that_is_short() -> None:
    node = Node()
    node.add(*range(10))
    assert node.mesh() == {0, 1, 2, 3, 4}, "a message that is published now reaches them"


# -- publishing


@pytest.mark.req("GS10-22")
def test_publishing_to_nobody_tells_so() -> None:
    node = Node()
    assert node.router.publish(signed(OWN_NUMBER, 1), node.now) == []
    node.add(1)
    node.beat()
    assert node.router._state.cache.get(id_of(OWN_NUMBER, 1)) is not None, "whoever comes can ask for it"


@pytest.mark.req("GS10-12")
def test_the_same_message_twice_is_an_error() -> None:
    node = Node()
    node.router.publish(signed(OWN_NUMBER, 1), node.now)
    with pytest.raises(LocalError, match="before"):
        node.router.publish(signed(OWN_NUMBER, 1), node.now)
    node.now += 121.0
    node.router.publish(signed(OWN_NUMBER, 1), node.now)


@pytest.mark.req("GS10-03")
def test_a_message_that_is_too_large_is_an_error() -> None:
    node = Node(message_id=sha256_id)
    node.add(1)
    overhead = len(Message(b"", TOPIC).encoded) + 2
    largest = Message(bytes(1_048_576 - 8 - overhead), TOPIC)
    assert len(largest.encoded) + 8 == 1_048_576
    assert node.router.publish(largest, node.now) == [peer(1)]
    assert len(node.sent_to(1).publish) == 1, "its RPC can be read"
    with pytest.raises(LimitExceeded) as caught:
        node.router.publish(Message(bytes(1_048_576 - 7 - overhead), TOPIC), node.now)
    assert (caught.value.name, caught.value.limit) == ("gossipsub.max_rpc", 1_048_576)
    assert node.drain() == []


@pytest.mark.req("GS10-06")
@pytest.mark.parametrize("message_id", [lambda _: 1 // 0, lambda _: b"", lambda _: bytes(300)])
def test_a_message_without_an_id_is_an_error(message_id: object) -> None:
    node = Node(message_id=message_id)
    with pytest.raises(LocalError, match="ids"):
        node.router.publish(build(TOPIC, b"data"), node.now)


def test_the_name_of_the_topic_is_checked() -> None:
    with pytest.raises(LocalError, match="1025 bytes"):
        Node().router.publish(build("x" * 1_025, b"data"), 0.0)


# -- time


@pytest.mark.req("GS10-16")
def test_the_first_heartbeat_comes_soon_and_then_one_a_second() -> None:
    node = Node(now=50.0)
    times = []
    for _ in range(4):
        node.beat()
        times.append(node.now)
    assert times == pytest.approx([50.1, 51.1, 52.1, 53.1])
    assert node.router._state.tick == 4
    node.router.handle_timeout(53.5)
    assert node.router._state.tick == 4, "nothing is due"


def test_heartbeats_that_were_missed_are_not_made_up_for() -> None:
    node = Node(now=50.0)
    node.router.handle_timeout(70.0)
    assert node.router._state.tick == 1
    assert node.router.next_timeout() == 70.5
    node.router.handle_timeout(70.5)
    assert node.router.next_timeout() == pytest.approx(71.5, abs=0.51)


@pytest.mark.req("GS11-03")
def test_back_offs_are_cleared_a_while_after_their_end() -> None:
    node = Node(PASSIVE)
    node.add(1)
    node.receive(1, prune=[Prune(TOPIC, [], 1)])
    assert node.router.sizes()["max_backoffs"] == (1, 65_536)
    node.pass_time(12.0)
    assert node.router.sizes()["max_backoffs"][0] == 1
    node.pass_time(4.0)
    assert node.router.sizes()["max_backoffs"][0] == 0


@pytest.mark.req("GS11-01")
def test_direct_peers_are_looked_for_after_a_second_and_each_three_hundred_heartbeats() -> None:
    node = Node(direct=[1, 2])
    node.pass_time(0.9)
    assert node.router.events() == []
    node.pass_time(1.1)
    missing = [DirectPeersMissing(peers=sorted([peer(1), peer(2)]))]
    assert node.router.events() == missing
    node.pass_time(298.0)
    assert node.router.events() == []
    node.pass_time(3.0)
    assert node.router.events() == missing
    node.add(1, 2, topics=[])
    node.pass_time(400.0)
    assert node.router.events() == []


@pytest.mark.req("GS11-38")
def test_scores_decay_with_the_heartbeats() -> None:
    node = Node(scores=Scores(behaviour_penalty_decay=0.5), gater=GaterConfig())
    node.add(1)
    node.router.score.add_penalty(peer(1), 8.0)
    node.pass_time(3.5)
    assert node.penalties(1) == 1.0


def test_sizes_name_limits() -> None:
    node = Node()
    for name, (held, most) in node.router.sizes().items():
        assert held == 0, name
        assert most == getattr(node.router.config, name)


# -- chance


def test_with_the_same_chance_a_router_does_the_same() -> None:
    def run(seed: int) -> list[object]:
        node = Node(seed=seed)
        for number in range(30):
            node.router.add_peer(peer(number), V12, outbound=number % 3 == 0, now=node.now)
            node.receive(number, subscriptions=[Subscription(True, TOPIC)])
            node.receive(number, graft=[TOPIC], ihave=[IHave(TOPIC, [b"%d" % each for each in range(9)])])
            node.deliver(number, signed(9, number))
        node.beat(3)
        return [*node.drain(), *node.router.events()]

    assert run(1) == run(1)
    assert run(1) != run(2)


def test_a_router_without_anything_set_is_one_with_the_defaults() -> None:
    router = Router(OWN, random=Random(1), now=0.0)
    assert router.config == GossipsubConfig()
    router.add_peer(peer(1), V12, outbound=False, now=0.0)
    router.join(TOPIC, 0.0)
    assert router.topics == [TOPIC]
    with pytest.raises(ConfigError):
        GossipsubConfig(d=1)
    assert isinstance(Router(OWN, random=Random(1), now=0.0, score=ScoreConfig()).score.score(peer(1)), float)
