from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.values import Prune, Rpc, Subscription
from tests.gossipsub.network import FLOOD, PASSIVE, TOPIC, V10, V11, Node, Scores, peer

FULL = GossipsubConfig(d=0, d_low=0, d_out=0, d_high=3, d_score=0, peer_exchange=True)


def until(node: Node, number: int, topic: str = TOPIC) -> float:
    """Seconds for which the peer is still backed off."""
    return round(node.router._state.backoffs.until(topic, peer(number)) - node.now, 6)


# -- joining and leaving


@pytest.mark.req("GS10-17")
def test_joining_grafts_up_to_d_peers_by_chance() -> None:
    meshes = set()
    for seed in range(5):
        node = Node(topics=(), seed=seed)
        node.add(*range(20))
        node.router.join(TOPIC, node.now)
        assert len(node.mesh()) == 6
        sent = node.sent()
        assert {number for number, rpc in sent.items() if rpc.graft == [TOPIC]} == node.mesh()
        assert set(sent) == set(range(20)), "the subscription goes to everybody"
        meshes.add(frozenset(node.mesh()))
    assert len(meshes) > 1


@pytest.mark.req("GS10-17", "GS11-01", "GS11-03", "GS10-27")
def test_joining_takes_none_that_must_not_be_in_a_mesh() -> None:
    scores = Scores()
    node = Node(topics=(), scores=scores, direct=[1])
    node.add(1, 2, 3, 5)
    node.add(4, protocol=FLOOD)
    scores[2] = -1.0
    node.router._state.backoffs.add(TOPIC, peer(3), node.now + 1.0)
    node.router.join(TOPIC, node.now)
    assert node.mesh() == {5}


@pytest.mark.req("GS10-17", "GS11-02")
def test_leaving_prunes_all_and_backs_off_for_a_short_time() -> None:
    node = Node()
    node.add(1, 2)
    node.add(3, protocol=V10)
    node.router.leave(TOPIC, node.now)
    sent = node.sent()
    assert sent[1] == Rpc(subscriptions=[Subscription(False, TOPIC)], prune=[Prune(TOPIC, [], 10)])
    assert sent[3].prune == [Prune(TOPIC, [], None)], "the first version has no back-off"
    assert [until(node, number) for number in (1, 2, 3)] == [10.0] * 3
    node.router.join(TOPIC, node.now)
    assert node.mesh() == set(), "we keep to it as well"
    node.pass_time(11.0)
    node.beat()
    assert node.mesh() == {1, 2, 3}


# -- GRAFT


@pytest.mark.req("GS10-18", "GS11-05")
def test_a_graft_lets_in_and_subscribes() -> None:
    node = Node(PASSIVE)
    node.add(1, topics=[])
    node.receive(1, graft=[TOPIC])
    assert node.mesh() == {1}
    assert node.router.peers_in(TOPIC) == [peer(1)]
    assert node.drain() == []


@pytest.mark.req("GS11-05")
def test_a_graft_of_a_member_is_nothing() -> None:
    scores = Scores()
    node = Node(PASSIVE, scores=scores)
    node.add(1)
    node.graft(1)
    scores[1] = -5.0
    node.router._state.backoffs.add(TOPIC, peer(1), node.now + 60.0)
    node.receive(1, graft=[TOPIC])
    assert node.mesh() == {1}
    assert node.drain() == []
    assert node.penalties(1) == 0


@pytest.mark.req("GS11-05")
def test_a_graft_for_an_unknown_topic_is_ignored() -> None:
    node = Node(PASSIVE, scores=Scores())
    node.add(1)
    node.receive(1, graft=["unknown"])
    assert node.drain() == []
    assert until(node, 1, "unknown") < 0
    assert node.penalties(1) == 0
    assert node.router.topics == [TOPIC]


@pytest.mark.req("GS11-05")
def test_a_bad_score_is_refused_and_backed_off() -> None:
    scores = Scores()
    node = Node(FULL, scores=scores)
    node.add(1, 2)
    scores[1] = -0.1
    node.receive(1, graft=[TOPIC])
    assert node.mesh() == set()
    assert node.sent_to(1) == Rpc(prune=[Prune(TOPIC, [], 60)], has_control=False)
    assert until(node, 1) == 60.0
    assert node.penalties(1) == 0


@pytest.mark.req("GS11-05", "GS10-18")
def test_a_full_mesh_takes_only_those_that_we_dialled() -> None:
    node = Node(FULL)
    node.add(1, 2, 3, 4)
    node.add(5, outbound=True)
    node.graft(1, 2, 3)
    node.receive(4, graft=[TOPIC])
    assert node.mesh() == {1, 2, 3}
    (prune,) = node.sent_to(4).prune
    assert prune.backoff == 60
    assert {each.peer for each in prune.peers} == {peer(number).to_bytes() for number in (1, 2, 3, 5)}
    assert until(node, 4) == 60.0
    node.graft(5)
    assert node.mesh() == {1, 2, 3, 5}


@pytest.mark.req("GS11-01", "GS11-05")
def test_a_direct_peer_is_pruned_and_told_of_nobody() -> None:
    node = Node(FULL, direct=[1], scores=Scores())
    node.add(1, 2)
    node.receive(1, graft=[TOPIC])
    assert node.mesh() == set()
    assert node.sent_to(1).prune == [Prune(TOPIC, [], 60)]
    assert node.penalties(1) == 0


@pytest.mark.req("GS11-04")
@pytest.mark.parametrize(("after", "penalty"), [(0.0, 2), (9.9, 2), (10.1, 1), (59.9, 1), (60.0, 0)])
def test_a_graft_in_back_off_costs(after: float, penalty: int) -> None:
    node = Node(FULL, scores=Scores())
    node.add(1, 2)
    node.graft(1)
    node.receive(1, prune=[Prune(TOPIC, [], 60)])
    node.now += after
    node.receive(1, graft=[TOPIC])
    assert node.penalties(1) == penalty
    if not penalty:
        assert node.mesh() == {1}
        return
    assert node.mesh() == set()
    assert until(node, 1) == 60.0, "it begins anew"
    assert node.sent_to(1).prune == [Prune(TOPIC, [], 60)], "without other peers"


@pytest.mark.req("GS11-04")
@pytest.mark.parametrize(("after", "penalties"), [(0.05, (0, 2)), (1.0, (0, 2)), (1.1, (2, 4))])
def test_a_graft_that_crosses_our_prune_is_no_fault(after: float, penalties: tuple[int, int]) -> None:
    node = Node(GossipsubConfig(d=1, d_low=0, d_high=1, d_out=0, d_score=0), scores=Scores())
    node.add(1, 2, outbound=True)
    node.graft(1, 2)
    members = node.mesh()
    node.router.handle_timeout(node.now + 0.1)
    (cut,) = members - node.mesh()
    node.now += 0.1 + after
    for penalty in penalties:
        node.receive(cut, graft=[TOPIC])
        assert node.penalties(cut) == penalty
    assert cut not in node.mesh()


@pytest.mark.req("GS11-04")
def test_the_ten_seconds_begin_anew_with_the_back_off() -> None:
    node = Node(PASSIVE, scores=Scores())
    node.add(1)
    node.receive(1, prune=[Prune(TOPIC, [], 60)])
    node.now += 50.0
    node.receive(1, graft=[TOPIC])
    assert node.penalties(1) == 1
    node.now += 5.0
    node.receive(1, graft=[TOPIC])
    assert node.penalties(1) == 3


@pytest.mark.req("GS11-05")
def test_the_order_of_the_checks() -> None:
    scores = Scores()
    node = Node(FULL, scores=scores, direct=[1])
    node.add(1, 2, 3, 4, 5)
    node.graft(3, 4, 5)
    for number in (1, 2):
        scores[number] = -1.0
        node.router._state.backoffs.add(TOPIC, peer(number), node.now + 60.0)
    node.receive(1, graft=[TOPIC])
    assert node.penalties(1) == 0, "direct comes before back-off"
    node.receive(2, graft=[TOPIC])
    assert node.penalties(2) == 2, "back-off comes before the score"
    counters = node.router.counters
    assert (counters["graft-direct"], counters["graft-backoff"]) == (1, 1)
    assert (counters["graft-score"], counters["graft-mesh-full"]) == (0, 0)


@pytest.mark.req("GS11-05")
@pytest.mark.parametrize("other", ["unknown", "backed off"])
def test_one_refusal_without_names_takes_them_from_the_whole_answer(other: str) -> None:
    node = Node(FULL, topics=[TOPIC, "backed off"])
    node.add(1, 2, 3, 4)
    node.graft(1, 2, 3)
    node.router._state.backoffs.add("backed off", peer(4), node.now + 60.0)
    node.receive(4, graft=[TOPIC, other])
    prunes = node.sent_to(4).prune
    assert [prune.peers for prune in prunes] == [[]] * len(prunes)
    assert prunes[0].topic == TOPIC


@pytest.mark.req("GS11-05")
def test_the_score_is_taken_once_an_rpc() -> None:
    scores = Scores()
    node = Node(FULL, topics=["a", "b"], scores=scores)
    node.add(1, topics=["a", "b"])
    node.router._state.backoffs.add("a", peer(1), node.now + 60.0)
    node.receive(1, graft=["a", "b"])
    assert node.penalties(1) == 2
    assert node.router.score.score(peer(1)) < 0
    assert node.mesh("b") == {1}


@pytest.mark.req("GS11-04", "GS11-06")
def test_the_same_graft_many_times_is_answered_once() -> None:
    node = Node(FULL, scores=Scores())
    node.add(*range(40))
    node.graft(1, 2, 3)
    node.receive(4, graft=[TOPIC] * 100)
    assert node.sent_to(4).prune == [Prune(TOPIC, [], 60)], "one answer, and without names"
    assert node.penalties(4) == 2 * 99, "from the second one on it comes in back-off"


def test_a_peer_with_too_many_topics_is_refused_rather_than_left_in_the_dark() -> None:
    node = Node(GossipsubConfig(d=0, d_low=0, d_out=0, max_topics_per_peer=2))
    node.add(1, topics=["a", "b"])
    node.receive(1, graft=[TOPIC])
    assert node.mesh() == set()
    assert node.sent_to(1).prune == [Prune(TOPIC, [], 60)]


# -- PRUNE


@pytest.mark.req("GS10-18", "GS11-02")
@pytest.mark.parametrize(
    ("told", "seconds"),
    [(None, 60.0), (0, 60.0), (1, 1.0), (10, 10.0), (3_600, 3_600.0), (3_601, 3_600.0), (2**64 - 1, 3_600.0)],
)
def test_a_prune_is_kept_to(told: int | None, seconds: float) -> None:
    node = Node(PASSIVE)
    node.add(1)
    node.graft(1)
    node.receive(1, prune=[Prune(TOPIC, [], told)])
    assert node.mesh() == set()
    assert until(node, 1) == seconds
    assert node.router.peers_in(TOPIC) == [peer(1)], "it still wants the topic"
    assert node.drain() == [], "it is not answered"


@pytest.mark.req("GS11-02")
@given(st.lists(st.integers(0, 2**64 - 1) | st.integers(1, 4_000), min_size=1, max_size=6))
def test_a_back_off_is_never_shortened(told: list[int]) -> None:
    node = Node(PASSIVE)
    node.add(1)
    ends = []
    for seconds in told:
        node.receive(1, prune=[Prune(TOPIC, [], seconds)])
        ends.append(node.now + until(node, 1))
        node.now += 1.0
    assert ends == sorted(ends)
    assert ends[-1] <= node.now + 3_600.0


@pytest.mark.req("GS11-05")
def test_a_prune_for_a_topic_of_others_is_ignored() -> None:
    node = Node(PASSIVE)
    node.add(1)
    node.receive(1, prune=[Prune("other", [], 60)])
    assert until(node, 1, "other") < 0
    assert len(node.router._state.backoffs) == 0


@pytest.mark.req("GS11-02", "GS11-20")
def test_a_back_off_stays_when_the_peer_comes_back() -> None:
    node = Node()
    node.add(1)
    node.receive(1, prune=[Prune(TOPIC, [], 60)])
    node.remove(1)
    node.add(1)
    assert node.mesh() == set()
    assert until(node, 1) == 60.0


@pytest.mark.req("GS11-03")
def test_no_graft_before_the_end_and_a_heartbeat_more() -> None:
    node = Node()
    node.add(1)
    node.receive(1, prune=[Prune(TOPIC, [], 30)])
    end = node.now + 30.0
    while not node.mesh():
        node.beat()
        assert node.now < end + 3.0, "it must come back"
    assert node.now >= end + 1.0
    assert node.receivers(lambda rpc: rpc.graft) == {1}


@pytest.mark.req("GS11-02")
def test_what_we_send_names_the_seconds_to_all_who_read_them() -> None:
    scores = Scores()
    node = Node(PASSIVE, scores=scores)
    node.add(1, protocol=V11)
    node.add(2, protocol=V10)
    node.graft(1, 2)
    scores[1] = scores[2] = -1.0
    node.beat()
    sent = node.sent()
    assert sent[1].prune == [Prune(TOPIC, [], 60)]
    assert sent[2].prune == [Prune(TOPIC, [], None)]
    assert 59.0 <= until(node, 1) <= 60.0
