"""Whom a bootstrap list leads to."""

from __future__ import annotations

import pytest

from p2pstack.errors import ConfigError, DeadlineExceeded, DecodeError
from p2pstack.identity.multiaddrs import Multiaddr, parse
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.bootstrap_targets import Place, Targets
from tests.host.hosts import key

OWN = key(9).peer_id
REASON = DeadlineExceeded("it took too long")
NOBODY: list[PeerId] = []


def peer(number: int) -> PeerId:
    return key(number).peer_id


def at(number: int, port: int = 4001) -> Multiaddr:
    return parse(f"/ip4/192.0.2.{number}/tcp/{port}/p2p/{peer(number)}")


def targets(*addresses: str | Multiaddr, max_found: int = 3) -> Targets:
    return Targets(addresses, OWN, max_found)


def whom(places: list[Place]) -> list[PeerId | None]:
    return [place.peer for place in places]


@pytest.mark.req("PEERS-11")
def test_addresses_of_a_peer_are_one_place() -> None:
    book = targets(at(1), at(2), at(1, 4002), at(1), str(at(9)))
    first, second = book.places()
    assert (first.peer, first.addresses) == (peer(1), (at(1), at(1, 4002)))
    assert (second.peer, second.addresses) == (peer(2), (at(2),))
    assert book.peers() == {peer(1), peer(2)}, "we are none of them"


@pytest.mark.req("PEERS-11")
def test_an_address_without_a_peer_is_whoevers() -> None:
    book = targets("/dns4/boot.example/tcp/4001")
    (place,) = book.due(0.0, NOBODY)
    assert (place.peer, place.is_list) == (None, False)
    assert book.peers() == set()
    place.reached = peer(1)
    assert book.peers() == {peer(1)}
    assert book.due(0.0, [peer(1)]) == []
    assert book.next_due(0.0, [peer(1)]) is None


@pytest.mark.req("PEERS-11")
@pytest.mark.parametrize("address", ["/ip4/192.0.2.1/udp/4001/quic-v1", "/ip4/192.0.2.1"])
def test_where_nobody_can_be_dialled_is_told(address: str) -> None:
    with pytest.raises(ConfigError, match="no bootstrap address"):
        targets(address)


@pytest.mark.req("PEERS-11")
def test_an_empty_list_and_nonsense_are_told() -> None:
    with pytest.raises(ConfigError, match="no bootstrap address"):
        targets()
    with pytest.raises(DecodeError):
        targets("boot.example")


@pytest.mark.req("PEERS-11")
def test_a_name_stands_for_its_peers_and_is_asked_again_when_they_fail() -> None:
    book = targets("/dnsaddr/boot.example")
    (name,) = book.due(0.0, NOBODY)
    assert name.is_list
    nameless = parse("/ip4/192.0.2.8/tcp/1")
    assert book.found(name, [at(1), at(1, 4002), nameless, at(9), at(2), at(3), at(4)]) == 3
    name.retry_at = 100.0
    assert whom(book.due(0.0, NOBODY)) == [peer(1), peer(2), peer(3)]
    assert book.places()[1].addresses == (at(1), at(1, 4002))
    book.failed(book.places()[1], 7.0, REASON)
    assert name.retry_at == 7.0
    assert whom(book.due(8.0, [peer(2), peer(3)])) == [peer(1)], "the name only where nobody else is left"
    book.failed(book.places()[1], 20.0, REASON)
    assert book.due(8.0, [peer(2), peer(3)]) == [name]
    assert book.found(name, [at(1), at(5)]) == 2
    assert [(place.peer, place.failures) for place in book.places()[1:]] == [(peer(1), 2), (peer(5), 0)]


@pytest.mark.req("PEERS-12")
def test_who_failed_is_left_alone() -> None:
    book = targets(at(1), at(2))
    first = book.places()[0]
    book.failed(first, 5.0, REASON)
    assert whom(book.due(4.0, NOBODY)) == [peer(2)]
    assert book.next_due(4.0, [peer(2)]) == 1.0
    assert book.next_due(9.0, [peer(2)]) == 0.0
    assert whom(book.due(5.0, NOBODY)) == [peer(1), peer(2)]


@pytest.mark.req("PEERS-12")
def test_why_a_place_leads_to_nobody_is_known_until_it_does_or_its_peer_has_come() -> None:
    book = targets(at(1), "/ip4/192.0.2.2/tcp/1")
    first, second = book.places()
    for place in (first, second):
        book.failed(place, 5.0, REASON)
    second.reached = peer(2)
    assert [(place, place.error) for place in book.failing(NOBODY)] == [(first, REASON), (second, REASON)]
    assert book.failing([peer(1)]) == [second]
    assert book.failing([peer(2)]) == [first]
    first.worked(9.0)
    assert book.failing(NOBODY) == [second]
    assert (first.failures, first.retry_at) == (0, 9.0)
