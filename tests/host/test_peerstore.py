from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.host.config import PeerstoreConfig
from p2pstack.host.peerstore import FOREVER, Peerstore
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import Multiaddr, parse, with_peer

PEERS = [PrivateKey.from_seed(bytes([number]) * 32).peer_id for number in range(1, 8)]
ALICE, BOB, CAROL, DAVE = PEERS[:4]


def store(**options: Any) -> Peerstore:
    return Peerstore(PeerstoreConfig(**options))


def address(number: int) -> Multiaddr:
    return parse(f"/ip4/192.0.2.{number}/tcp/4001")


def test_an_unknown_peer_is_nothing() -> None:
    peers = store()
    assert ALICE not in peers
    assert len(peers) == 0
    assert peers.get(ALICE) is None
    assert peers.addresses(ALICE, 0.0) == []
    assert peers.protocols(ALICE) is None
    assert not peers.speaks(ALICE, "/x/1")
    peers.forget(ALICE)
    peers.unpin(ALICE, 0.0)
    assert ALICE not in peers


def test_addresses_expire() -> None:
    peers = store()
    peers.add_addresses(ALICE, [address(1)], until=10.0)
    peers.add_addresses(ALICE, [address(2)], until=20.0)
    peers.add_addresses(ALICE, [address(3)], until=FOREVER)
    assert peers.addresses(ALICE, 9.9) == [address(1), address(2), address(3)]
    assert peers.addresses(ALICE, 10.0) == [address(2), address(3)]
    assert peers.addresses(ALICE, 1e12) == [address(3)]
    assert ALICE in peers


def test_an_address_is_kept_without_the_peer_in_it_and_once() -> None:
    peers = store()
    peers.add_addresses(ALICE, [with_peer(address(1), ALICE), address(1)], until=10.0)
    assert peers.addresses(ALICE, 0.0) == [address(1)]


@pytest.mark.req("TCP-04")
def test_an_address_that_names_another_peer_is_not_kept() -> None:
    peers = store()
    peers.add_addresses(ALICE, [with_peer(address(1), BOB), address(2)], until=10.0)
    assert peers.addresses(ALICE, 0.0) == [address(2)]


def test_learning_an_address_again_never_shortens_its_life() -> None:
    peers = store()
    for until in (10.0, 30.0, 20.0):
        peers.add_addresses(ALICE, [address(1)], until)
    assert peers.addresses(ALICE, 29.0) == [address(1)]
    assert peers.addresses(ALICE, 30.0) == []


def test_what_a_peer_says_of_itself_replaces_what_it_said_before_but_not_what_was_set_for_good() -> None:
    peers = store()
    peers.add_addresses(ALICE, [address(1)], FOREVER)
    peers.replace_addresses(ALICE, [address(2), address(3)], 10.0)
    peers.replace_addresses(ALICE, [address(3), address(4)], 20.0)
    assert peers.addresses(ALICE, 0.0) == [address(1), address(3), address(4)]


@pytest.mark.req("GEN-04")
def test_a_peer_has_a_bounded_number_of_addresses_of_which_the_first_to_expire_go() -> None:
    peers = store(max_addresses=3)
    peers.add_addresses(ALICE, [address(1)], FOREVER)
    peers.add_addresses(ALICE, [address(2)], 30.0)
    peers.add_addresses(ALICE, [address(3)], 10.0)
    peers.add_addresses(ALICE, [address(4), address(5)], 20.0)
    assert len(peers.addresses(ALICE, 0.0)) == 3
    assert {address(1), address(2)} < set(peers.addresses(ALICE, 0.0))
    assert address(3) not in peers.addresses(ALICE, 0.0)


@pytest.mark.req("GEN-04")
def test_the_number_of_peers_is_bounded_and_the_one_used_longest_ago_is_forgotten() -> None:
    peers = store(max_peers=2)
    peers.add_addresses(ALICE, [address(1)], 10.0)
    peers.add_addresses(BOB, [address(2)], 10.0)
    peers.set_agent(ALICE, "a", "v")
    assert peers.peers() == [BOB, ALICE]
    peers.add_addresses(CAROL, [address(3)], 10.0)
    assert peers.peers() == [ALICE, CAROL]
    assert len(peers) == 2


@pytest.mark.req("GEN-04", "GEN-11")
def test_a_connected_peer_is_never_forgotten_for_room() -> None:
    peers = store(max_peers=2)
    peers.pin(ALICE)
    peers.add_addresses(BOB, [address(2)], 10.0)
    for peer in (CAROL, DAVE):
        peers.add_addresses(peer, [address(3)], 10.0)
        assert peers.peers() == [ALICE, peer]
    peers.pin(DAVE)
    peers.pin(BOB)
    assert peers.peers() == [ALICE, DAVE, BOB], "the limit on connections bounds these"
    peers.unpin(ALICE, 10.0)
    peers.add_addresses(CAROL, [address(3)], 10.0)
    assert ALICE not in peers


def test_when_a_peer_is_gone_its_addresses_expire_but_not_later_than_they_would_have() -> None:
    peers = store()
    peers.pin(ALICE)
    peers.add_addresses(ALICE, [address(1)], 5.0)
    peers.add_addresses(ALICE, [address(2)], 1_000.0)
    peers.add_addresses(ALICE, [address(3)], FOREVER)
    peers.unpin(ALICE, 10.0)
    assert peers.addresses(ALICE, 4.9) == [address(1), address(2), address(3)]
    assert peers.addresses(ALICE, 5.0) == [address(2), address(3)]
    assert peers.addresses(ALICE, 10.0) == [address(3)]


@pytest.mark.req("GEN-04")
def test_protocols_are_remembered_up_to_a_number() -> None:
    peers = store(max_protocols=2)
    peers.set_protocols(ALICE, ["/a", "/b", "/c"])
    assert peers.protocols(ALICE) == ("/a", "/b")
    assert peers.speaks(ALICE, "/b")
    assert not peers.speaks(ALICE, "/c")
    peers.set_protocols(ALICE, [])
    assert peers.protocols(ALICE) == ()


def test_agent_and_network_are_remembered() -> None:
    peers = store()
    peers.set_agent(ALICE, "go-libp2p", "ipfs/0.1.0")
    entry = peers.get(ALICE)
    assert entry is not None
    assert (entry.agent, entry.protocol_version) == ("go-libp2p", "ipfs/0.1.0")


@pytest.mark.req("ENV-06")
def test_an_older_record_does_not_replace_a_newer_one() -> None:
    peers = store()
    assert peers.accept_record(ALICE, b"five", 5)
    assert not peers.accept_record(ALICE, b"four", 4)
    assert peers.accept_record(ALICE, b"five again", 5)
    assert peers.accept_record(BOB, b"zero", 0)
    entry = peers.get(ALICE)
    assert entry is not None
    assert (entry.record, entry.record_seq) == (b"five again", 5)


def test_a_peer_can_be_forgotten() -> None:
    peers = store()
    peers.add_addresses(ALICE, [address(1)], FOREVER)
    peers.forget(ALICE)
    assert ALICE not in peers
    assert peers.addresses(ALICE, 0.0) == []


@given(st.lists(st.tuples(st.sampled_from(["add", "pin", "unpin", "forget"]), st.sampled_from(PEERS)), max_size=40))
def test_no_more_peers_than_allowed_are_known_beside_the_connected_ones(steps: list[tuple[str, Any]]) -> None:
    peers = store(max_peers=3)
    connected: set[Any] = set()
    for step, peer in steps:
        if step == "add":
            peers.add_addresses(peer, [address(1)], 10.0)
        elif step == "pin":
            connected.add(peer)
            peers.pin(peer)
        elif step == "unpin":
            connected.discard(peer)
            peers.unpin(peer, 10.0)
        elif peer not in connected:
            peers.forget(peer)
        assert connected <= set(peers.peers())
        assert len(peers) <= max(3, len(connected) + 1)
