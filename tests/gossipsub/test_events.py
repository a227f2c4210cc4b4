"""Which events come of what, in their order."""

from __future__ import annotations

from p2pstack.gossipsub.events import DirectPeersMissing, Grafted, PeerSubscribed, PeerUnsubscribed, Pruned
from p2pstack.gossipsub.values import Subscription
from tests.gossipsub.network import PASSIVE, TOPIC, Node, peer


def test_a_peer_that_comes_and_goes() -> None:
    node = Node()
    node.add(1)
    assert node.router.events() == [
        PeerSubscribed(peer=peer(1), topic=TOPIC),
        Grafted(peer=peer(1), topic=TOPIC),
    ]
    node.receive(1, subscriptions=[Subscription(True, "other")])
    node.remove(1)
    assert node.router.events() == [
        PeerSubscribed(peer=peer(1), topic="other"),
        PeerUnsubscribed(peer=peer(1), topic=TOPIC),
        Pruned(peer=peer(1), topic=TOPIC),
        PeerUnsubscribed(peer=peer(1), topic="other"),
    ]
    assert node.router.events() == [], "they were drained"


def test_joining_and_leaving() -> None:
    node = Node(topics=())
    node.add(1)
    node.router.events()
    node.router.join(TOPIC, node.now)
    node.router.leave(TOPIC, node.now)
    assert node.router.events() == [Grafted(peer=peer(1), topic=TOPIC), Pruned(peer=peer(1), topic=TOPIC)]


def test_saying_again_what_is_known_is_no_event() -> None:
    node = Node(PASSIVE)
    node.add(1)
    node.router.events()
    node.receive(1, subscriptions=[Subscription(True, TOPIC), Subscription(False, "never had")])
    assert node.router.events() == []


def test_direct_peers_that_are_missing() -> None:
    node = Node(direct=[1, 2, 3])
    node.add(2)
    node.router.events()
    node.pass_time(2.0)
    assert node.router.events() == [DirectPeersMissing(peers=sorted([peer(1), peer(3)]))]
