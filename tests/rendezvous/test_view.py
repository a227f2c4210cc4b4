"""What a point has told of a namespace."""

from __future__ import annotations

import pytest

from p2pstack.errors import DecodeError
from p2pstack.identity.multiaddrs import parse
from p2pstack.identity.peer_id import PeerId
from p2pstack.rendezvous.messages import Discover, DiscoverResponse, Register
from p2pstack.rendezvous.status import Status
from p2pstack.rendezvous.view import MAX_COOKIE, RegisteredPeer, View
from tests.rendezvous.making import ADDRESS, PEERS, record, registration


def view(namespace: str = "a", *, max_peers: int = 100, max_addresses: int = 4) -> View:
    return View(namespace, PEERS[7], max_peers=max_peers, max_addresses=max_addresses)


def answer(*registrations: Register, cookie: bytes = b"cookie") -> DiscoverResponse:
    return DiscoverResponse(Status.OK, registrations, cookie)


def accept(target: View, given: DiscoverResponse, now: float) -> list[RegisteredPeer]:
    return target.accept(given.cookie, target.read(given.registrations, now))


@pytest.mark.req("RDV-07", "RDV-08")
def test_the_next_question_goes_on_from_the_last_answer() -> None:
    target = view()
    assert target.request(10) == Discover(b"a", 10, b"")
    before = target.asked
    accept(target, answer(cookie=b"c1"), 0.0)
    assert (before, target.asked) == (False, True)
    assert target.request(5) == Discover(b"a", 5, b"c1")
    target.restart()
    assert target.request(5) == Discover(b"a", 5, b"")


@pytest.mark.req("RDV-07", "RDV-10")
def test_peers_are_kept_until_their_time_is_over() -> None:
    target = view()
    news = accept(target, answer(registration(0, ttl=100), registration(1, ttl=300)), 0.0)
    assert [each.peer for each in news] == PEERS[:2]
    assert [str(each) for each in news[0].addresses] == [ADDRESS]
    assert [each.expires for each in news] == [100.0, 300.0]
    assert accept(target, answer(), 50.0) == []
    assert [each.peer for each in target.peers(99.0)] == PEERS[:2]
    assert [each.peer for each in target.peers(100.0)] == [PEERS[1]]
    assert len(target) == 1


@pytest.mark.req("RDV-10")
def test_only_what_is_new_is_news() -> None:
    target = view()
    accept(target, answer(registration(0, ttl=100)), 0.0)
    assert accept(target, answer(registration(0, ttl=100)), 50.0) == [], "a renewal"
    assert target.peers(140.0)[0].expires == 150.0
    moved = Register(b"a", record(0, seq=3, addresses=["/ip4/192.0.2.9/tcp/1"]), 100)
    assert len(accept(target, answer(moved), 60.0)) == 1
    assert accept(target, answer(registration(0, ttl=100)), 70.0) == [], "an older record"
    assert str(target.peers(80.0)[0].addresses[0]) == "/ip4/192.0.2.9/tcp/1"


@pytest.mark.misbehave
@pytest.mark.req("RDV-10")
def test_what_is_no_registration_is_skipped() -> None:
    target = view()
    news = accept(
        target,
        answer(
            Register(b"", record(0)),
            Register(b"x" * 10_000, record(0)),
            Register(b"b", record(1)),
            Register(b"a", record(2)[:-1]),
            Register(b"a", record(3, addresses=[])),
            Register(b"a", record(4, addresses=[f"{ADDRESS}/p2p/{PEERS[0]}"])),
            Register(b"a", record(7)),
            Register(b"a", record(5), None),
        ),
        0.0,
    )
    assert [each.peer for each in news] == [PEERS[5]]
    assert news[0].expires == 7_200.0
    assert target.skipped == 6, "we are not skipped, but left out"


@pytest.mark.misbehave
@pytest.mark.req("RDV-10")
def test_addresses_are_bounded_and_lose_their_peer() -> None:
    addresses = [f"/ip4/192.0.2.1/tcp/{port}/p2p/{PEERS[0]}" for port in range(1, 9)]
    (found,) = accept(view(), answer(Register(b"a", record(0, addresses=addresses), 2**64 - 1)), 0.0)
    assert [str(each) for each in found.addresses] == [f"/ip4/192.0.2.1/tcp/{port}" for port in range(1, 5)]
    assert found.expires == 259_200.0


@pytest.mark.misbehave
@pytest.mark.req("RDV-09")
def test_peers_are_bounded() -> None:
    target = view("", max_peers=2)
    news = accept(
        target, answer(*(registration(number, "xyz"[number], ttl=100 * (number + 1)) for number in (2, 0, 1))), 0.0
    )
    assert [(each.peer, each.namespace) for each in news] == [(PEERS[2], "z"), (PEERS[1], "y")]
    assert len(target) == 2


@pytest.mark.misbehave
@pytest.mark.req("RDV-08")
@pytest.mark.parametrize("cookie", [b"", bytes(MAX_COOKIE + 1)])
def test_an_answer_has_a_cookie_of_use(cookie: bytes) -> None:
    with pytest.raises(DecodeError):
        accept(view(), answer(registration(0), cookie=cookie), 0.0)


@pytest.mark.misbehave
@pytest.mark.req("RDV-09")
def test_a_full_view_lets_go_of_many_at_once() -> None:
    looks = 0

    class Counted(float):
        def __lt__(self, other: float) -> bool:
            nonlocal looks
            looks += 1
            return super().__lt__(other)

    target = view("", max_peers=300)
    for start in (0, 1_000):
        told = [
            RegisteredPeer(
                peer=PeerId(b"\x00\x02" + (start + number).to_bytes(2, "big")),
                namespace="a",
                addresses=(parse(ADDRESS),),
                seq=1,
                expires=Counted(start + number),
            )
            for number in range(300)
        ]
        assert len(target.accept(b"cookie", told)) == 300
    assert len(target) == 300
    assert [each.expires for each in target.peers(0.0)] == list(range(1_000, 1_300))
    assert looks < 30_000
