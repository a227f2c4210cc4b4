"""The catalogue of attacks: what each gets is nothing, and what it costs is its author's score, not our memory."""

from __future__ import annotations

import pytest

from p2pstack.gossipsub import reasons
from p2pstack.gossipsub.codec import decode_rpc
from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.events import PeersOffered
from p2pstack.gossipsub.values import Extensions, IHave, Message, PeerInfo, Prune, Subscription
from tests.gossipsub.network import (
    INVALID_ONLY,
    OWN_NUMBER,
    TOPIC,
    V11,
    V13,
    Node,
    Scores,
    fault_of,
    forged,
    id_of,
    peer,
    signed,
)

HONEST = (1, 2, 3, 4, 5, 6)
ATTACKER = 66


def attacked(config: GossipsubConfig | None = None, **settings: object) -> tuple[Node, Scores]:
    """A node with honest peers in its mesh, and an attacker that is not."""
    scores = Scores(
        topics={TOPIC: INVALID_ONLY},
        gossip_threshold=-10.0,
        publish_threshold=-50.0,
        graylist_threshold=-80.0,
    )
    node = Node(config, scores=scores, **settings)  # type: ignore[arg-type]
    node.add(*HONEST, outbound=True)
    node.graft(*HONEST)
    node.add(ATTACKER)
    return node, scores


def score(node: Node, number: int = ATTACKER) -> float:
    return node.router.score.score(peer(number))


def graylisted(node: Node) -> bool:
    before = node.router.counters["graylisted"]
    node.receive(ATTACKER, iwant=[b"x"])
    return node.router.counters["graylisted"] > before


@pytest.mark.req("GS11-04", "GS11-17")
def test_a_flood_of_grafts_in_back_off_ends_in_the_graylist() -> None:
    node, _ = attacked()
    node.receive(ATTACKER, prune=[Prune(TOPIC, [], 60)])
    for _ in range(10):
        node.receive(ATTACKER, graft=[TOPIC] * 10)
        assert len(node.sent_to(ATTACKER).prune) <= 1
    assert graylisted(node)
    node.receive(ATTACKER, graft=[TOPIC])
    assert node.drain() == [], "no answer any more"
    assert ATTACKER not in node.mesh()
    node.pass_time(70.0)
    node.receive(ATTACKER, graft=[TOPIC])
    assert ATTACKER not in node.mesh(), "the back-off began anew, and the score is bad"


@pytest.mark.req("GS11-05")
def test_grafts_for_topics_by_the_thousand_leave_no_trace() -> None:
    node, _ = attacked()
    node.receive(ATTACKER, graft=[f"topic-{number}" for number in range(5_000)])
    assert node.drain() == []
    assert node.router.topics == [TOPIC]
    assert list(node.known(ATTACKER).topics) == [TOPIC]
    assert node.router.sizes()["max_backoffs"][0] == 0


@pytest.mark.req("GS11-14", "GS11-16", "GS11-17")
def test_a_flood_of_promises_is_bounded_and_costs() -> None:
    node, _ = attacked()
    asked, rounds = 0, 0
    while not graylisted(node):
        rounds += 1
        assert rounds < 60
        in_this_heartbeat = 0
        for number in range(20):
            node.receive(ATTACKER, ihave=[IHave(TOPIC, [b"%d/%d/%d" % (rounds, number, n) for n in range(1_000)])])
            in_this_heartbeat += len(node.sent_to(ATTACKER).iwant)
        assert in_this_heartbeat <= 5_000
        asked += in_this_heartbeat
        assert node.router.sizes()["max_promises"][0] <= 10 * 5
        node.beat()
    assert asked > 0
    assert node.router.counters["broken-promise"] > 0
    assert all(score(node, number) == 0 for number in HONEST)


@pytest.mark.req("GS11-15")
def test_a_flood_of_requests_gets_each_message_three_times() -> None:
    node, _ = attacked()
    for seqno in range(10):
        node.router.publish(signed(OWN_NUMBER, seqno), node.now)
    node.drain()
    wanted = [id_of(OWN_NUMBER, seqno) for seqno in range(10)]
    got: list[Message] = []
    for _ in range(50):
        node.receive(ATTACKER, iwant=wanted * 100)
        got += node.sent_to(ATTACKER).publish
    assert len(got) == 30


@pytest.mark.req("GS12-04")
def test_a_flood_of_idontwant_is_bounded() -> None:
    node, _ = attacked()
    for number in range(1_500):
        node.receive(ATTACKER, idontwant=[b"%d/%d" % (number, n) for n in range(10)] + [bytes(100_000)])
    unwanted = node.known(ATTACKER).unwanted
    assert len(unwanted) <= 1_024
    assert sum(map(len, unwanted)) <= 1_024 * 256
    assert node.router.counters["idontwant-limit"] == 500
    node.beat(3)
    assert not unwanted


@pytest.mark.req("GS10-15")
def test_a_flood_of_subscriptions_is_bounded_and_undone() -> None:
    node, _ = attacked()
    for block in range(4):
        topics = [f"topic-{block}-{number}" for number in range(5_000)]
        node.receive(ATTACKER, subscriptions=[Subscription(True, topic) for topic in topics])
    assert len(node.known(ATTACKER).topics) == 5_000
    assert len(node.known(ATTACKER).greeted) <= 5_000
    assert len(node.router._state.topics) == 5_000
    assert node.router.counters["max_topics_per_peer"] == 15_001
    node.remove(ATTACKER)
    assert list(node.router._state.topics) == [TOPIC]


@pytest.mark.req("GS10-15")
def test_one_frame_full_of_subscriptions_is_cut() -> None:
    node, _ = attacked()
    frame = b"".join(b"\x0a\x06\x08\x01\x12\x02" + number.to_bytes(2, "big") for number in range(20_000))
    rpc = decode_rpc(frame, node.router.config)
    node.router.receive_rpc(peer(ATTACKER), rpc, node.now)
    assert len(node.known(ATTACKER).topics) == 5_000


@pytest.mark.req("GS10-15")
def test_changing_ones_mind_all_the_time_makes_no_traffic() -> None:
    node = Node()
    node.add(ATTACKER)
    words = [Subscription(number % 2 == 1, TOPIC) for number in range(5_000)]
    node.receive(ATTACKER, subscriptions=words)
    assert node.drain() == []
    assert len(node.router.events()) <= 4


@pytest.mark.req("GS11-02")
@pytest.mark.parametrize("told", [3_600, 2**63, 2**64 - 1])
def test_a_huge_back_off_ends_within_an_hour(told: int) -> None:
    node = Node()
    node.add(ATTACKER)
    node.receive(ATTACKER, prune=[Prune(TOPIC, [], told)] * 100)
    node.now += 3_590.0
    node.beat()
    assert node.mesh() == set()
    node.pass_time(15.0)
    assert node.mesh() == {ATTACKER}


@pytest.mark.req("GS11-07")
def test_rubbish_in_peer_exchange_is_left_out() -> None:
    node, scores = attacked(GossipsubConfig(peer_exchange=True))
    scores[ATTACKER] = 1_000.0
    rubbish = [PeerInfo(bytes((number,)) * number, bytes(number)) for number in range(200)]
    rubbish += [PeerInfo(peer(number).to_bytes(), b"\x0a\x00" * number) for number in range(100, 140)]
    node.router.events()
    for _ in range(20):
        node.receive(ATTACKER, prune=[Prune(TOPIC, rubbish, 60)])
    offered = [event for event in node.router.events() if isinstance(event, PeersOffered)]
    assert offered == []
    assert node.router.counters["px-bad-entry"] == node.router.config.max_exchanged


# -- messages


@pytest.mark.req("GS10-12", "GS11-34")
def test_a_forgery_that_comes_first_does_not_keep_the_true_message_away() -> None:
    node, _ = attacked()
    false = node.publish_from(ATTACKER, *(forged(9, 1, data=b"%d" % number) for number in range(20)))
    (true,) = node.publish_from(1, signed(9, 1))
    for incoming in false:
        assert not node.router.verified(incoming, fault_of(incoming.message), node.now)
    assert node.router.verified(true, fault_of(true.message), node.now)
    node.router.accept(true, node.now)
    assert node.receivers(lambda rpc: rpc.publish) == set(HONEST) - {1}
    assert node.invalid(ATTACKER) == 20
    assert node.invalid(1) == 0
    node.publish_from(2, signed(9, 1))
    assert score(node, 2) == 0, "copies of the true message are good"
    assert graylisted(node)


@pytest.mark.req("GS10-12", "GS12-02")
def test_a_large_forgery_makes_us_decline_nothing() -> None:
    node, _ = attacked()
    false = node.publish_from(ATTACKER, forged(9, 1, data=bytes(5_000)))
    for incoming in false:
        node.router.verified(incoming, fault_of(incoming.message), node.now)
    assert node.drain() == [], "or the mesh would not send us the true one"
    node.receive(1, ihave=[IHave(TOPIC, [id_of(9, 1)])])
    assert node.sent_to(1).iwant == [id_of(9, 1)]


@pytest.mark.req("GS10-11", "GS11-34")
def test_messages_in_our_own_name_cost() -> None:
    node, _ = attacked()
    for seqno in range(5):
        assert node.publish_from(ATTACKER, signed(OWN_NUMBER, seqno), forged(OWN_NUMBER, 100 + seqno)) == []
    assert node.invalid(ATTACKER) == 10
    assert graylisted(node)
    assert node.router.publish(signed(OWN_NUMBER, 3), node.now), "and do not keep ours from being sent"


@pytest.mark.req("GS11-34", "GS11-17", "GS11-12")
def test_who_sends_invalid_messages_leaves_the_mesh_and_then_is_not_heard() -> None:
    node, _ = attacked()
    node.graft(ATTACKER)
    assert node.deliver(ATTACKER, signed(9, 0), "reject") is not None
    assert score(node) == -1
    node.beat()
    assert ATTACKER not in node.mesh()
    for seqno in range(1, 20):
        node.deliver(ATTACKER, signed(9, seqno), "reject")
    assert node.router.counters[reasons.REJECTED] < 20
    assert graylisted(node)
    assert node.publish_from(ATTACKER, signed(9, 50)) == []
    node.router.publish(signed(OWN_NUMBER, 1), node.now)
    assert ATTACKER not in node.receivers(lambda rpc: rpc.publish)


@pytest.mark.req("GS11-01")
def test_a_direct_peer_is_heard_whatever_its_score() -> None:
    node, _ = attacked(direct=[ATTACKER])
    for seqno in range(20):
        assert node.deliver(ATTACKER, signed(9, seqno), "reject") is not None
    assert score(node) < -80
    assert len(node.publish_from(ATTACKER, signed(9, 50))) == 1


@pytest.mark.req("GS10-06", "GS12-04")
def test_giant_ids_are_not_kept() -> None:
    node, _ = attacked(message_id=lambda message: message.data)
    giant = bytes(100_000)
    assert node.publish_from(ATTACKER, signed(9, 1, TOPIC, giant)) == []
    node.receive(ATTACKER, ihave=[IHave(TOPIC, [giant])], idontwant=[giant], iwant=[giant])
    assert node.drain() == []
    assert node.router.sizes()["max_seen"][0] == node.router.sizes()["max_promises"][0] == 0
    assert not node.known(ATTACKER).unwanted
    assert score(node) == 0


@pytest.mark.req("GS10-06")
def test_a_function_for_ids_that_raises_on_short_data_harms_nobody() -> None:
    node, _ = attacked(message_id=lambda message: message.data[7].to_bytes() + message.data)
    fresh = node.publish_from(ATTACKER, signed(9, 1, TOPIC, b"short"), signed(9, 2, TOPIC, b"long enough"))
    assert [incoming.data for incoming in fresh] == [b"long enough"]
    assert node.router.counters == {reasons.BAD_ID: 1}


def test_copies_by_the_thousand_take_no_room() -> None:
    node, _ = attacked()
    (incoming,) = node.publish_from(1, signed(9, 1))
    node.publish_from(ATTACKER, *[signed(9, 1)] * 1_000)
    node.router.verified(incoming, None, node.now)
    node.publish_from(ATTACKER, *[signed(9, 1)] * 1_000)
    assert set(incoming.copies) == {peer(ATTACKER)}
    node.router.reject(incoming, node.now)
    assert node.invalid(ATTACKER) == 1, "once for all that came before the verdict"
    node.publish_from(ATTACKER, *[signed(9, 1)] * 7)
    assert node.invalid(ATTACKER) == 8, "and for each one after it"


@pytest.mark.req("GS10-26", "GS11-34")
def test_a_flood_of_messages_fills_the_queue_and_blames_nobody() -> None:
    node, _ = attacked(GossipsubConfig(max_checking=20))
    fresh = node.publish_from(ATTACKER, *(signed(9, seqno) for seqno in range(100)))
    assert len(fresh) == 20
    assert node.router.sizes()["max_checking"] == (20, 20)
    assert node.publish_from(1, signed(8, 1)) == []
    assert score(node, 1) == score(node) == 0
    for incoming in fresh:
        node.router.drop(incoming, node.now)
    assert len(node.publish_from(1, signed(8, 1))) == 1


@pytest.mark.req("GS11-36", "GS11-05")
def test_sybils_of_one_address_do_not_take_the_mesh() -> None:
    scores = Scores(ip_colocation_weight=-1.0, ip_colocation_threshold=3.0)
    node = Node(scores=scores)
    node.add(*HONEST, outbound=True)
    node.graft(*HONEST)
    sybils = range(100, 140)
    for number in sybils:
        node.router.add_peer(peer(number), V11, outbound=False, ips=["192.0.2.66"], now=node.now)
    for number in sybils:
        node.receive(number, graft=[TOPIC])
    assert node.mesh() == set(HONEST)


@pytest.mark.req("GS11-10", "GS11-11")
def test_who_dials_us_by_the_hundred_does_not_drive_out_those_that_we_dialled() -> None:
    node = Node()
    node.add(1, 2, outbound=True)
    for wave in range(5):
        numbers = range(100 + wave * 20, 120 + wave * 20)
        node.add(*numbers)
        for number in numbers:
            node.receive(number, graft=[TOPIC])
        node.beat()
        assert {1, 2} <= node.mesh()
        assert len(node.mesh()) <= 12


@pytest.mark.req("GS13-02", "GS11-17")
def test_extensions_again_and_again_end_in_the_graylist() -> None:
    node, _ = attacked()
    node.router.add_peer(peer(ATTACKER), V13, outbound=False, now=node.now)
    node.receive(ATTACKER, first=True, extensions=Extensions())
    node.receive(ATTACKER, extensions=Extensions())
    assert graylisted(node)
