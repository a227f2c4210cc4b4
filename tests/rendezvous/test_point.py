"""A rendezvous point: what it answers, and what happens."""

from __future__ import annotations

import pytest

from p2pstack.errors import ConfigError, DecodeError
from p2pstack.identity.peer_record import PeerRecord
from p2pstack.rendezvous.config import RendezvousConfig
from p2pstack.rendezvous.cookie import Cookie
from p2pstack.rendezvous.events import Expired, Registered, Unregistered
from p2pstack.rendezvous.messages import (
    Discover,
    DiscoverResponse,
    Message,
    Register,
    RegisterResponse,
    Unregister,
    encode,
)
from p2pstack.rendezvous.point import Point
from p2pstack.rendezvous.status import Status
from tests.rendezvous.making import EPOCH, PEERS, record, registration


def point(**config: int) -> Point:
    return Point(RendezvousConfig(**config), epoch=EPOCH)


def register(target: Point, number: int, namespace: str = "a", ttl: int | None = None, now: float = 0.0) -> int:
    answer = target.receive(PEERS[number], registration(number, namespace, ttl), now)
    assert isinstance(answer, RegisterResponse)
    return answer.status


def discover(target: Point, request: Discover, now: float = 0.0) -> DiscoverResponse:
    answer = target.receive(PEERS[7], request, now)
    assert isinstance(answer, DiscoverResponse)
    return answer


def told(answer: DiscoverResponse) -> list[tuple[str, int]]:
    """Namespace and number of the peer of each registration."""
    assert answer.status == Status.OK
    return [
        (each.namespace.decode(), PEERS.index(PeerRecord.open(each.record)[0].peer_id)) for each in answer.registrations
    ]


def test_an_epoch_has_three_bytes() -> None:
    with pytest.raises(ConfigError):
        Point(RendezvousConfig(), epoch=b"12")


@pytest.mark.req("RDV-03", "RDV-05")
@pytest.mark.parametrize(("ttl", "granted"), [(None, 7_200), (7_200, 7_200), (259_200, 259_200)])
def test_a_registration_is_made_and_its_time_told(ttl: int | None, granted: int) -> None:
    target = point()
    assert target.receive(PEERS[0], registration(0, ttl=ttl), 0.0) == RegisterResponse(Status.OK, granted)
    assert target.events() == [Registered(peer=PEERS[0], namespace="a", ttl=granted, renewed=False)]
    assert target.next_timeout() == granted
    target.handle_timeout(granted - 0.1)
    assert told(discover(target, Discover(b"a"), granted - 0.1)) == [("a", 0)]
    target.handle_timeout(float(granted))
    assert target.events() == [Expired(peer=PEERS[0], namespace="a")]
    assert target.next_timeout() is None


@pytest.mark.req("RDV-05")
def test_what_has_expired_is_not_told_even_if_the_timer_is_late() -> None:
    target = point()
    register(target, 0)
    assert told(discover(target, Discover(b"a"), 7_200.0)) == []


@pytest.mark.req("RDV-05")
def test_a_new_registration_supersedes() -> None:
    target = point()
    register(target, 0, ttl=259_200)
    register(target, 0, ttl=7_200, now=10.0)
    assert target.events()[-1] == Registered(peer=PEERS[0], namespace="a", ttl=7_200, renewed=True)
    assert target.next_timeout() == 7_210
    assert told(discover(target, Discover(b"a"), 7_209.0)) == [("a", 0)]
    assert told(discover(target, Discover(b"a"), 7_210.0)) == []


@pytest.mark.misbehave
@pytest.mark.req("RDV-03", "RDV-04", "RDV-05")
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (Register(b"", record(0)), Status.E_INVALID_NAMESPACE),
        (Register(b"x" * 256, record(0)), Status.E_INVALID_NAMESPACE),
        (Register(b"\xff", record(0)), Status.E_INVALID_NAMESPACE),
        (Register(b"a", record(0), 7_199), Status.E_INVALID_TTL),
        (Register(b"a", record(0), 259_201), Status.E_INVALID_TTL),
        (Register(b"a", record(0), 0), Status.E_INVALID_TTL),
        (Register(b"a", b""), Status.E_INVALID_SIGNED_PEER_RECORD),
        (Register(b"a", record(0)[:-1] + b"\x00"), Status.E_INVALID_SIGNED_PEER_RECORD),
        (Register(b"a", bytes(4_097)), Status.E_INVALID_SIGNED_PEER_RECORD),
        (Register(b"a", record(1)), Status.E_NOT_AUTHORIZED),
    ],
)
def test_registrations_that_are_refused(request_: Register, status: Status) -> None:
    target = point()
    answer = target.receive(PEERS[0], request_, 0.0)
    assert isinstance(answer, RegisterResponse)
    assert (answer.status, answer.ttl) == (status, 0)
    assert answer.text
    assert target.events() == []
    assert len(target.registrations) == 0
    assert target.answers == {("register", status): 1}


@pytest.mark.req("RDV-04", "RDV-12")
@pytest.mark.parametrize("legacy", [True, False])
def test_both_forms_of_records_are_taken(legacy: bool) -> None:
    target = point()
    request = Register(b"a", record(0, legacy=legacy))
    assert target.receive(PEERS[0], request, 0.0) == RegisterResponse(Status.OK, 7_200)
    assert discover(target, Discover(b"a")).registrations[0].record == request.record


@pytest.mark.misbehave
@pytest.mark.req("RDV-09")
def test_a_point_that_is_full_is_unavailable() -> None:
    target = point(max_registrations=1)
    assert register(target, 0) == Status.OK
    assert register(target, 1) == Status.E_UNAVAILABLE
    assert register(target, 0, now=5.0) == Status.OK
    assert register(target, 1, now=8_000.0) == Status.OK, "the time of the first is over"


@pytest.mark.req("RDV-06")
def test_only_the_peer_itself_ends_its_registration_and_there_is_no_answer() -> None:
    target = point()
    register(target, 0)
    target.events()
    requests: list[tuple[int, bytes]] = [(1, b"a"), (0, b"b"), (0, b""), (0, b"\xff")]
    assert [target.receive(PEERS[number], Unregister(name), 0.0) for number, name in requests] == [None] * 4
    assert target.events() == []
    assert target.receive(PEERS[0], Unregister(b"a"), 0.0) is None
    assert target.events() == [Unregistered(peer=PEERS[0], namespace="a")]
    assert told(discover(target, Discover())) == []


@pytest.mark.req("RDV-07")
def test_discovery_is_of_one_namespace_or_of_all() -> None:
    target = point()
    for number, namespace in ((0, "a"), (1, "b"), (0, "b"), (2, "a")):
        register(target, number, namespace)
    assert told(discover(target, Discover(b"a"))) == [("a", 0), ("a", 2)]
    assert told(discover(target, Discover(b"c"))) == []
    assert told(discover(target, Discover())) == [("a", 0), ("b", 1), ("b", 0), ("a", 2)]
    assert [each.ttl for each in discover(target, Discover(b"a"), 1.5).registrations] == [7_199, 7_199]


@pytest.mark.misbehave
@pytest.mark.req("RDV-03")
@pytest.mark.parametrize("name", [b"x" * 256, b"\xff"])
def test_discovery_of_what_is_no_namespace_is_refused(name: bytes) -> None:
    assert discover(point(), Discover(name)).status == Status.E_INVALID_NAMESPACE


@pytest.mark.req("RDV-07", "RDV-08")
@pytest.mark.parametrize("namespace", [b"a", b""])
def test_a_cookie_leads_from_page_to_page_and_then_to_what_is_new(namespace: bytes) -> None:
    target = point()
    for number in range(5):
        register(target, number)
    pages = []
    cookie = b""
    for _ in range(4):
        answer = discover(target, Discover(namespace, 2, cookie))
        cookie = answer.cookie
        pages.append([number for _, number in told(answer)])
    assert pages == [[0, 1], [2, 3], [4], []]
    register(target, 5)
    register(target, 1)
    target.receive(PEERS[5], Unregister(b"a"), 0.0)
    answer = discover(target, Discover(namespace, 0, cookie))
    assert told(answer) == [("a", 1)], "one is renewed, the other gone again"


@pytest.mark.req("RDV-08")
def test_a_cookie_for_all_is_good_for_one_namespace_too() -> None:
    target = point()
    for number, namespace in ((0, "a"), (1, "b"), (2, "a")):
        register(target, number, namespace)
    cookie = discover(target, Discover(b"", 2)).cookie
    assert told(discover(target, Discover(b"a", 0, cookie))) == [("a", 2)]


@pytest.mark.misbehave
@pytest.mark.req("RDV-08")
@pytest.mark.parametrize(
    ("namespace", "cookie"),
    [(b"a", b"short"), (b"a", Cookie(EPOCH, 1, "b").to_bytes()), (b"", Cookie(EPOCH, 1, "a").to_bytes())],
)
def test_cookies_that_are_refused(namespace: bytes, cookie: bytes) -> None:
    answer = discover(point(), Discover(namespace, 0, cookie))
    assert (answer.status, answer.cookie) == (Status.E_INVALID_COOKIE, b"")


@pytest.mark.req("RDV-08")
def test_with_a_cookie_of_an_earlier_life_all_is_told() -> None:
    target = point()
    register(target, 0)
    assert told(discover(target, Discover(b"a", 0, Cookie(b"old", 99, "a").to_bytes()))) == [("a", 0)]


@pytest.mark.misbehave
@pytest.mark.req("RDV-07", "RDV-09")
def test_an_answer_is_bounded_by_number_and_bytes() -> None:
    target = point(discover_limit=3)
    for number in range(5):
        register(target, number)
    assert len(discover(target, Discover(b"a", 2**64 - 1)).registrations) == 3
    target = point(max_record=300, max_answer=1_000)
    for number in range(5):
        register(target, number, "n" * 255)
    answer = discover(target, Discover())
    assert 0 < len(answer.registrations) < 5
    assert len(encode(answer)) <= 1_000
    assert len(discover(target, Discover(b"", 0, answer.cookie)).registrations) > 0


@pytest.mark.misbehave
@pytest.mark.req("RDV-01")
@pytest.mark.parametrize("answer", [RegisterResponse(0), DiscoverResponse(0)])
def test_an_answer_is_no_request(answer: Message) -> None:
    with pytest.raises(DecodeError):
        point().receive(PEERS[0], answer, 0.0)
