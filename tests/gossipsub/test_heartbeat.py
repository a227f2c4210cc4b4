from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.values import Prune
from tests.gossipsub.network import TOPIC, Node, Scores, peer, signed

# Nothing is grafted by us before the heartbeat: the test fills the mesh through a JOIN that finds nobody.


def meet(node: Node, *numbers: int, outbound: bool = False) -> None:
    """Add peers that are subscribed and may be grafted, without grafting them yet."""
    state = node.router._state
    for number in numbers:
        node.router.add_peer(peer(number), "/meshsub/1.2.0", outbound=outbound, now=node.now)
        state.subscribed(node.known(number), TOPIC)
    node.drain()


@pytest.mark.req("GS10-19", "GS10-16")
@pytest.mark.parametrize(("there", "after"), [(0, 0), (3, 3), (4, 6), (5, 5), (6, 6), (12, 12), (13, 6), (20, 6)])
def test_a_mesh_comes_back_into_its_bounds(there: int, after: int) -> None:
    node = Node()
    meet(node, *range(there), outbound=True)
    for number in range(there):
        node.router._state.enter_mesh(node.known(number), TOPIC, node.now)
    if there == 4:
        meet(node, *range(50, 60), outbound=True)
    before = node.mesh()
    node.beat()
    assert len(node.mesh()) == after
    sent = node.sent()
    assert {number for number, rpc in sent.items() if rpc.graft} == node.mesh() - before
    assert {number for number, rpc in sent.items() if rpc.prune == [Prune(TOPIC, [], 60)]} == before - node.mesh()
    node.beat()
    assert len(node.mesh()) == after, "and there it stays"


@pytest.mark.req("GS11-12")
def test_members_of_negative_score_go() -> None:
    scores = Scores()
    node = Node(GossipsubConfig(peer_exchange=True), scores=scores)
    meet(node, *range(5))
    node.beat()
    scores[1], scores[2] = -0.01, 0.0
    node.drain()
    node.beat()
    assert node.mesh() == {0, 2, 3, 4}
    assert node.sent_to(1).prune == [Prune(TOPIC, [], 60)]


@pytest.mark.req("GS11-11")
@given(st.integers(13, 30), st.integers(0, 1_000))
def test_a_cut_spares_the_best(count: int, seed: int) -> None:
    scores = Scores()
    node = Node(scores=scores, seed=seed)
    for number in range(count):
        scores[number] = float(number)
        node.add(number)
        node.router._state.enter_mesh(node.known(number), TOPIC, node.now)
    node.beat()
    assert len(node.mesh()) == 6
    assert set(range(count - 4, count)) <= node.mesh()


@pytest.mark.req("GS11-11")
def test_the_others_are_cut_by_chance() -> None:
    kept = set()
    for seed in range(10):
        scores = Scores()
        node = Node(scores=scores, seed=seed)
        for number in range(20):
            scores[number] = float(number)
            node.add(number)
            node.router._state.enter_mesh(node.known(number), TOPIC, node.now)
        node.beat()
        kept |= node.mesh()
    assert len(kept) > 10


@pytest.mark.req("GS11-10", "GS11-11")
@given(
    st.sets(st.integers(0, 19)),
    st.sampled_from([(6, 4, 2), (6, 6, 2), (6, 12, 3), (6, 0, 2), (4, 4, 2), (6, 4, 0)]),
    st.integers(0, 1_000),
)
def test_a_cut_keeps_as_many_that_we_dialled_as_it_needs(
    outbound: set[int], degrees: tuple[int, int, int], seed: int
) -> None:
    d, d_score, d_out = degrees
    scores = Scores()
    node = Node(GossipsubConfig(d=d, d_low=4, d_high=12, d_score=d_score, d_out=d_out), scores=scores, seed=seed)
    for number in range(20):
        scores[number] = float(number)
        node.add(number, outbound=number in outbound)
        state = node.router._state
        if peer(number) not in node.router.mesh(TOPIC):
            state.enter_mesh(node.known(number), TOPIC, node.now)
    node.beat()
    mesh = node.mesh()
    assert len(mesh) == d
    assert len(mesh & outbound) >= min(d_out, len(outbound))
    best = set(range(20 - d_score, 20))
    spared = min(d, d_score) - d_out
    assert len(mesh & best) >= spared


@pytest.mark.req("GS11-10")
def test_the_quota_is_filled_where_the_mesh_is_large_enough() -> None:
    node = Node()
    meet(node, *range(6))
    node.beat()
    assert node.mesh() == set(range(6))
    node.drain()
    meet(node, 10, 11, 12, outbound=True)
    node.beat()
    assert len(node.mesh() & {10, 11, 12}) == 2
    assert node.receivers(lambda rpc: rpc.graft) == node.mesh() & {10, 11, 12}
    node.beat()
    assert len(node.mesh()) == 8


@pytest.mark.req("GS11-10")
def test_a_small_mesh_is_only_filled_up() -> None:
    node = Node(GossipsubConfig(d=6, d_low=5))
    meet(node, 1, 2)
    node.beat()
    assert node.mesh() == {1, 2}


def opportunistic(scores: Scores, **settings: float) -> Node:
    """Six members with scores 0 to 5 that we dialled, and ten others."""
    node = Node(scores=scores, **settings)  # type: ignore[arg-type]
    meet(node, *range(6), outbound=True)
    node.beat()
    assert node.mesh() == set(range(6))
    for number in range(6):
        scores[number] = float(number)
    meet(node, *range(20, 30))
    node.drain()
    return node


@pytest.mark.req("GS11-13")
def test_a_poor_mesh_gets_better_peers_once_a_minute() -> None:
    scores = Scores(opportunistic_graft_threshold=3.5)
    node = opportunistic(scores)
    # The median of 0 to 5 is the element at 3.
    scores[20], scores[21], scores[22], scores[23] = 3.0, 3.1, 4.0, 9.0
    while node.router._state.tick < 59:
        node.beat()
        assert node.mesh() == set(range(6))
    node.beat()
    better = node.mesh() - set(range(6))
    assert len(better) == 2
    assert better < {21, 22, 23}
    assert node.receivers(lambda rpc: rpc.graft) == better


@pytest.mark.req("GS11-13")
def test_a_good_mesh_stays_as_it_is() -> None:
    scores = Scores(opportunistic_graft_threshold=3.0)
    node = opportunistic(scores)
    scores[20] = 9.0
    node.pass_time(130.0)
    assert node.mesh() == set(range(6))


@pytest.mark.req("GS11-13")
def test_better_peers_in_back_off_or_direct_do_not_come() -> None:
    scores = Scores(opportunistic_graft_threshold=3.5)
    node = opportunistic(scores, direct=[20])  # type: ignore[arg-type]
    scores[20] = scores[21] = scores[22] = 9.0
    node.router._state.backoffs.add(TOPIC, peer(21), node.now + 1_000.0)
    node.pass_time(61.0)
    assert node.mesh() == {*range(6), 22}


@pytest.mark.req("GS11-13")
def test_a_mesh_of_one_is_not_looked_at() -> None:
    scores = Scores(opportunistic_graft_threshold=3.5)
    node = Node(GossipsubConfig(d=1, d_low=1, d_out=0, opportunistic_graft_ticks=1), scores=scores)
    node.add(1)
    meet(node, 2)
    scores[2] = 9.0
    node.beat(3)
    assert node.mesh() == {1}


@pytest.mark.req("GS10-16")
def test_a_mesh_of_nobody_stays_empty() -> None:
    node = Node(GossipsubConfig(d=0, d_low=0, d_high=0, d_score=0, d_out=0))
    node.add(*range(10), outbound=True)
    node.beat(3)
    assert node.mesh() == set()
    node.receive(1, graft=[TOPIC])
    node.beat()
    assert node.mesh() == set()
    assert set(node.router.publish(signed(255, 1), node.now)) == {peer(number) for number in range(10)}
