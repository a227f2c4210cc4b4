"""What is taken of a relay's grant, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from p2pstack.errors import DecodeError
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import parse
from p2pstack.relay.grant import Grant, check_reservation, ways_through
from p2pstack.relay.messages import Limit, Reservation
from p2pstack.relay.voucher import Voucher

RELAY, PEER, OTHER = (PrivateKey.from_seed(bytes([number]) * 32) for number in (1, 2, 3))
NOW = 1_700_000_000.0
LATER = 1_700_003_600
PUBLIC = parse("/ip4/5.10.0.1/tcp/4001")
PRIVATE = parse("/ip4/192.168.1.1/tcp/4001")
BEHIND = parse(f"{PUBLIC}/p2p/{RELAY.peer_id}/p2p-circuit")


def check(reservation: Reservation | None, limit: Limit | None = None, **changes: Any) -> Grant:
    arguments: dict[str, Any] = {
        "relay": RELAY.peer_id, "peer": PEER.peer_id, "reached": [PUBLIC], "now_unix": NOW, "min_lifetime": 20.0,
        "max_addresses": 8, **changes,
    }  # fmt: skip
    return check_reservation(reservation, limit, **arguments)


@pytest.mark.req("RELAY-08", "RELAY-11", "RELAY-13")
def test_the_least_that_holds() -> None:
    assert check(Reservation(LATER)) == Grant(LATER, (BEHIND,), Limit())


@pytest.mark.req("RELAY-11")
@pytest.mark.parametrize(
    ("reservation", "message"),
    [
        (None, "without saying which"),
        (Reservation(0), "expired"),
        (Reservation(int(NOW)), "expired 0 s ago"),
        (Reservation(int(NOW) + 19), "of no use"),
    ],
)
def test_no_time(reservation: Reservation | None, message: str) -> None:
    with pytest.raises(DecodeError, match=message) as caught:
        check(reservation)
    assert caught.value.requirement == "RELAY-11"


def test_time_without_end_is_taken() -> None:
    assert check(Reservation((1 << 64) - 1)).expires == (1 << 64) - 1


def test_the_limit_is_told_on() -> None:
    assert check(Reservation(LATER), Limit(120, 131_072)).limit == Limit(120, 131_072)


@pytest.mark.req("RELAY-08")
def test_a_good_voucher() -> None:
    sealed = Voucher(RELAY.peer_id, PEER.peer_id, LATER).seal(RELAY).to_bytes()
    assert check(Reservation(LATER, (), sealed)).expires == LATER


@pytest.mark.req("RELAY-08")
@pytest.mark.parametrize(
    "sealed",
    [
        b"",
        b"\xff",
        Voucher(RELAY.peer_id, OTHER.peer_id, LATER).seal(RELAY).to_bytes(),
        Voucher(OTHER.peer_id, PEER.peer_id, LATER).seal(OTHER).to_bytes(),
        Voucher(RELAY.peer_id, PEER.peer_id, int(NOW)).seal(RELAY).to_bytes(),
    ],
)
def test_a_bad_voucher(sealed: bytes) -> None:
    with pytest.raises(DecodeError):
        check(Reservation(LATER, (), sealed))


@pytest.mark.req("RELAY-13")
def test_where_the_relay_was_reached_comes_first() -> None:
    told = (PRIVATE, parse(f"{PUBLIC}/p2p/{RELAY.peer_id}"))
    addresses = check(Reservation(LATER, told)).addresses
    assert addresses == (BEHIND, parse(f"{PRIVATE}/p2p/{RELAY.peer_id}/p2p-circuit"))


@pytest.mark.req("RELAY-13")
def test_addresses_of_others_and_of_relays_are_skipped() -> None:
    told = [parse(f"{PUBLIC}/p2p/{OTHER.peer_id}"), parse(f"{PUBLIC}/p2p/{OTHER.peer_id}/p2p-circuit"), BEHIND, PUBLIC]
    assert ways_through(RELAY.peer_id, told) == (BEHIND,)


@pytest.mark.req("RELAY-13")
def test_a_relay_that_is_nowhere() -> None:
    with pytest.raises(DecodeError, match="where it is"):
        check(Reservation(LATER), reached=[])


def test_a_thousand_addresses() -> None:
    told = tuple(parse(f"/ip4/5.10.0.1/tcp/{port}") for port in range(1, 1_001))
    assert len(check(Reservation(LATER, told)).addresses) == 8
