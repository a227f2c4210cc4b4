from __future__ import annotations

import pytest

from p2pstack.gossipsub.config import GossipsubConfig
from p2pstack.gossipsub.events import PeersOffered
from p2pstack.gossipsub.values import PeerInfo, Prune
from p2pstack.identity import multiaddrs
from p2pstack.identity.peer_record import PeerRecord
from tests.gossipsub.network import FLOOD, OWN, TOPIC, V10, Node, Scores, key, peer

OFFERING = GossipsubConfig(d=0, d_low=0, d_out=0, d_high=2, d_score=0, peer_exchange=True)
"""Takes two into a mesh, and names others to the third."""
ADDRESS = multiaddrs.parse("/ip4/192.0.2.7/tcp/4001")


def record(number: int, *, signer: int | None = None) -> bytes:
    signer = number if signer is None else signer
    return PeerRecord(peer(signer), 1, (ADDRESS,)).seal(key(signer)).to_bytes()


def refused(node: Node, number: int) -> Prune:
    """The peer comes to a mesh that is full."""
    node.receive(number, graft=[TOPIC])
    (prune,) = node.sent_to(number).prune
    assert prune.topic == TOPIC
    return prune


def offered(node: Node) -> list[PeersOffered]:
    return [event for event in node.router.events() if isinstance(event, PeersOffered)]


# -- what we name


@pytest.mark.req("GS11-06")
def test_who_finds_the_mesh_full_is_told_of_others() -> None:
    records = {peer(1): record(1)}
    node = Node(OFFERING, record_of=records.get)
    node.add(1, 2, 3)
    node.graft(1, 2)
    found = refused(node, 3).peers
    assert {each.peer: each.record for each in found} == {peer(1).to_bytes(): record(1), peer(2).to_bytes(): None}


@pytest.mark.req("GS11-06", "GS11-11")
def test_who_is_cut_from_the_mesh_is_told_of_others() -> None:
    node = Node(GossipsubConfig(d=2, d_low=1, d_high=3, d_score=1, d_out=0, peer_exchange=True))
    node.add(1, outbound=True)
    node.add(2, 3, 4, outbound=True)
    node.graft(2, 3, 4)
    assert len(node.mesh()) == 4
    node.beat()
    sent = {number: rpc.prune for number, rpc in node.sent().items() if rpc.prune}
    assert len(sent) == 2
    assert all(len(prunes[0].peers) == 3 for prunes in sent.values())


@pytest.mark.req("GS11-06")
def test_at_most_sixteen_by_chance() -> None:
    found = set()
    for seed in range(3):
        node = Node(OFFERING, seed=seed)
        node.add(*range(40))
        node.graft(0, 1)
        peers = [each.peer for each in refused(node, 39).peers]
        assert len(set(peers)) == 16
        assert peer(39).to_bytes() not in peers
        found.add(tuple(peers))
    assert len(found) == 3


@pytest.mark.req("GS11-06", "GS10-27")
def test_who_is_never_named() -> None:
    scores = Scores()
    node = Node(OFFERING, scores=scores)
    node.add(1, 2, 3, 4)
    node.add(5, protocol=FLOOD)
    node.add(6, topics=["other"])
    node.graft(1, 2)
    scores[4] = -1.0
    assert {each.peer for each in refused(node, 3).peers} == {peer(1).to_bytes(), peer(2).to_bytes()}


@pytest.mark.req("GS11-06", "GS11-02")
def test_the_first_version_knows_neither_peers_nor_back_off() -> None:
    node = Node(OFFERING)
    node.add(1, 2)
    node.add(3, protocol=V10)
    node.graft(1, 2)
    assert refused(node, 3) == Prune(TOPIC, [], None)


@pytest.mark.req("GS11-06")
def test_off_unless_asked_for() -> None:
    node = Node(GossipsubConfig(d=0, d_low=0, d_out=0, d_high=2, d_score=0))
    node.add(1, 2, 3)
    node.graft(1, 2)
    assert refused(node, 3) == Prune(TOPIC, [], 60)


@pytest.mark.req("GS11-06", "GS11-12")
def test_a_bad_score_gets_no_names() -> None:
    scores = Scores()
    node = Node(OFFERING, scores=scores)
    node.add(1, 2, 3)
    node.graft(1, 2)
    scores[1] = scores[3] = -1.0
    assert refused(node, 3).peers == []
    node.beat()
    assert node.sent_to(1).prune == [Prune(TOPIC, [], 60)]
    # Even where names were asked for, as in a cut.
    assert node.router._mesh._exchange.offer(node.known(3), TOPIC) == []


# -- what others name


def pruned(node: Node, *peers: PeerInfo, topic: str = TOPIC) -> list[PeersOffered]:
    node.router.events()
    node.receive(1, prune=[Prune(topic, list(peers), 60)])
    return offered(node)


@pytest.mark.req("GS11-07", "ENV-05")
def test_bad_entries_are_left_out_one_by_one() -> None:
    scores = Scores(accept_px_threshold=10.0)
    node = Node(scores=scores)
    node.add(1, 2)
    scores[1] = 10.0
    entries = [
        PeerInfo(peer(20).to_bytes(), record(20)),
        PeerInfo(peer(21).to_bytes(), record(21, signer=22)),
        PeerInfo(peer(23).to_bytes(), b"rubbish"),
        PeerInfo(b"no id"),
        PeerInfo(b""),
        PeerInfo(peer(24).to_bytes()),
        PeerInfo(peer(25).to_bytes(), b""),
        PeerInfo(peer(2).to_bytes()),
        PeerInfo(OWN.to_bytes()),
    ]
    (event,) = pruned(node, *entries)
    assert (event.topic, event.sender) == (TOPIC, peer(1))
    assert dict(event.peers) == {peer(20): (ADDRESS,), peer(24): (), peer(25): ()}
    assert node.router.counters["px-bad-entry"] == 4


@pytest.mark.req("GS11-07")
def test_only_from_peers_with_a_good_score() -> None:
    scores = Scores(accept_px_threshold=10.0)
    node = Node(scores=scores, config=GossipsubConfig(peer_exchange=True))
    node.add(1)
    scores[1] = 9.99
    assert pruned(node, PeerInfo(peer(20).to_bytes())) == []
    assert node.router.counters["px-refused"] == 1
    scores[1] = 10.0
    assert len(pruned(node, PeerInfo(peer(20).to_bytes()))) == 1


@pytest.mark.req("GS11-07")
def test_sixteen_are_taken_by_chance() -> None:
    firsts = set()
    for seed in range(4):
        node = Node(GossipsubConfig(peer_exchange=True), seed=seed)
        node.add(1)
        (event,) = pruned(node, *(PeerInfo(peer(number).to_bytes()) for number in range(20, 80)))
        assert len({each for each, _ in event.peers}) == 16
        firsts.add(event.peers[0][0])
    assert len(firsts) > 1


@pytest.mark.req("GS11-07")
def test_without_scoring_only_those_who_exchange_peers_listen() -> None:
    node = Node()
    node.add(1)
    assert pruned(node, PeerInfo(peer(20).to_bytes())) == []
    assert node.router.counters["px-refused"] == 1


@pytest.mark.req("GS11-07")
def test_only_for_our_topics_and_for_news() -> None:
    node = Node(GossipsubConfig(peer_exchange=True))
    node.add(1)
    assert pruned(node, PeerInfo(peer(20).to_bytes()), topic="other") == []
    assert pruned(node) == []
    assert pruned(node, PeerInfo(peer(1).to_bytes())) == []


@pytest.mark.req("GS11-07", "GEN-04")
def test_names_are_read_up_to_a_number_in_a_heartbeat() -> None:
    node = Node(GossipsubConfig(d=0, d_low=0, d_out=0, peer_exchange=True, max_exchanged=20))
    node.add(1)
    names = [PeerInfo(peer(number).to_bytes()) for number in range(10, 26)]
    node.receive(1, prune=[Prune(TOPIC, names, 60)] * 1_000)
    assert [len(event.peers) for event in offered(node)] == [16, 4]
    assert node.router.counters["px-limit"] == 998
    node.beat()
    assert len(pruned(node, *names)) == 1
