"""The messages of rendezvous, and a point that peers ask for all sorts of things, against a plain model of it."""

from __future__ import annotations

from fuzz.expect import caught
from fuzz.source import Source
from p2pstack.errors import DecodeError
from p2pstack.identity import multiaddrs
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.peer_record import PeerRecord
from p2pstack.rendezvous.config import RendezvousConfig
from p2pstack.rendezvous.messages import (
    MAX_REGISTRATIONS,
    Discover,
    DiscoverResponse,
    Register,
    RegisterResponse,
    Unregister,
    decode,
    encode,
)
from p2pstack.rendezvous.point import Point
from p2pstack.rendezvous.status import Status, describe
from p2pstack.rendezvous.view import View

_KEYS = [PrivateKey.from_seed(bytes((number,)) * 32) for number in range(1, 4)]
_PEERS = [key.peer_id for key in _KEYS]
_ADDRESS = multiaddrs.parse("/ip4/192.0.2.1/tcp/4001")
_RECORDS = [
    PeerRecord(key.peer_id, 1, (_ADDRESS,)).seal(key, legacy=bool(number % 2)).to_bytes()
    for number, key in enumerate(_KEYS)
]
_NAMES = ("a", "b", "c")
_CONFIG = RendezvousConfig(
    min_ttl=1, default_ttl=4, max_ttl=16, max_registrations=5, registrations_per_peer=2, max_namespaces=2
)


def message(data: bytes) -> None:
    """What a point or its client reads is bounded, and survives being written again; a view takes only what is good."""
    error = caught(DecodeError, decode, data)
    if error is not None:
        assert error.requirement
        return
    read = decode(data)
    if isinstance(read, RegisterResponse | DiscoverResponse):
        assert describe(read.status, read.text)
    if isinstance(read, DiscoverResponse):
        assert len(read.registrations) <= MAX_REGISTRATIONS
        _view(read)
    elif not isinstance(read, RegisterResponse):
        assert decode(encode(read)) == read
        Point(_CONFIG, epoch=b"abc").receive(_PEERS[0], read, 0.0)


def _view(answer: DiscoverResponse) -> None:
    """A client keeps only what is signed by whom it is said to be of."""
    view = View("", _PEERS[0], max_peers=2, max_addresses=1)
    if caught(DecodeError, view.accept, answer.cookie, view.read(answer.registrations, 0.0)) is not None:
        return
    assert len(view) <= 2
    signed = {PeerRecord.open(each.record)[0].peer_id for each in answer.registrations if _is_signed(each.record)}
    assert {each.peer for each in view.peers(0.0)} <= signed - {_PEERS[0]}


def _is_signed(record: bytes) -> bool:
    return caught(DecodeError, PeerRecord.open, record) is None


def point(data: bytes) -> None:
    """After any course of requests exactly those are found who are registered, by pages as well as at once."""
    source = Source(data)
    target = Point(_CONFIG, epoch=b"abc")
    held: dict[tuple[int, str], float] = {}
    cookies: list[bytes] = [b""]
    now = 0.0
    for step in source.steps(60):
        peer, name = (step >> 2) % 3, _NAMES[(step >> 4) % 3]
        held = {key: until for key, until in held.items() if until > now}
        if step & 3 == 0:
            _register(target, held, peer, name, source.byte(), now)
        elif step & 3 == 1:
            assert target.receive(_PEERS[peer], Unregister(name.encode()), now) is None
            held.pop((peer, name), None)
        elif step & 3 == 2:
            _page(target, step, source.byte(), cookies, now)
        else:
            now += (step >> 2) % 8
            target.handle_timeout(now)
        held = {key: until for key, until in held.items() if until > now}
        assert _everybody(target, now) == sorted(held)


def _register(target: Point, held: dict[tuple[int, str], float], peer: int, name: str, how: int, now: float) -> None:
    """Register, with a record that may be another's and a ttl that may be none."""
    owner, ttl = (peer + (how >> 6) // 3) % 3, how % 20
    answer = target.receive(_PEERS[peer], Register(name.encode(), _RECORDS[owner], ttl or None), now)
    assert isinstance(answer, RegisterResponse)
    names = {each for _, each in held}
    room = len(held) < 5 and sum(each == peer for each, _ in held) < 2 and (name in names or len(names) < 2)
    good = owner == peer and ttl <= 16 and (room or (peer, name) in held)
    assert (answer.status == Status.OK) == good
    if good:
        held[peer, name] = now + (ttl or 4)


def _page(target: Point, step: int, how: int, cookies: list[bytes], now: float) -> None:
    """Ask with some cookie, of this namespace or another: it is taken or refused, and leads on."""
    namespace = (_NAMES[(step >> 4) % 3] if how & 1 else "").encode()
    cookie = cookies[(how >> 3) % len(cookies)]
    answer = target.receive(_PEERS[0], Discover(namespace, (how >> 1) & 3, cookie), now)
    assert isinstance(answer, DiscoverResponse)
    if cookie[8:] in {b"", namespace}:
        assert answer.status == Status.OK
        cookies.append(answer.cookie)
        again = target.receive(_PEERS[0], Discover(namespace, 0, answer.cookie), now)
        assert isinstance(again, DiscoverResponse)
        told = {(each.namespace, each.record) for each in answer.registrations}
        assert not told & {(each.namespace, each.record) for each in again.registrations}, "nothing is told twice"
    else:
        assert answer.status == Status.E_INVALID_COOKIE


def _everybody(target: Point, now: float) -> list[tuple[int, str]]:
    """Who is found, page by page."""
    found: list[tuple[int, str]] = []
    cookie = b""
    for _ in range(4):
        answer = target.receive(_PEERS[0], Discover(b"", 2, cookie), now)
        assert isinstance(answer, DiscoverResponse)
        found += [(_RECORDS.index(each.record), each.namespace.decode()) for each in answer.registrations]
        cookie = answer.cookie
    assert len(found) == len(set(found))
    return sorted(found)
