"""A relay's reservations: one a peer, for a time, and no more than fit."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from p2pstack.errors import LimitExceeded
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.peer_id import PeerId
from p2pstack.relay.config import Rate, RelayConfig
from p2pstack.relay.reservations import Reservations

PEERS = [PrivateKey.from_seed(bytes([number]) * 32).peer_id for number in range(1, 13)]
FREE = RelayConfig(
    max_reservations=4,
    reservations_per_ip=2,
    reservation_lifetime=100.0,
    reservation_rate_per_peer=None,
    reservation_rate_per_ip=None,
)


def name_of(refusal: LimitExceeded | None) -> str:
    return refusal.name if refusal is not None else ""


@pytest.mark.req("RELAY-04")
def test_a_reservation_holds_for_its_time() -> None:
    ledger = Reservations(FREE)
    assert ledger.next_expiry() is None
    assert ledger.reserve(PEERS[0], "a", 0.0) is None
    assert ledger.holds(PEERS[0], 99.9)
    assert not ledger.holds(PEERS[0], 100.0)
    assert not ledger.holds(PEERS[1], 0.0)
    assert ledger.next_expiry() == 100.0
    assert ledger.expire(99.9) == []
    assert ledger.expire(100.0) == [PEERS[0]]
    assert (len(ledger), ledger.most_per_source) == (0, 0)


@pytest.mark.req("RELAY-03")
def test_a_renewal_takes_the_place_of_what_was_there() -> None:
    ledger = Reservations(FREE)
    for now, peer in enumerate(PEERS[:4]):
        assert ledger.reserve(peer, str(now), float(now)) is None
    assert ledger.reserve(PEERS[0], "0", 50.0) is None
    assert len(ledger) == 4
    assert ledger.peers == [PEERS[1], PEERS[2], PEERS[3], PEERS[0]]
    assert ledger.expire(103.0) == PEERS[1:4]
    assert ledger.holds(PEERS[0], 149.0)


@pytest.mark.misbehave
@pytest.mark.req("RELAY-07")
def test_there_are_no_more_than_fit() -> None:
    ledger = Reservations(FREE)
    results = [name_of(ledger.reserve(peer, str(number), 0.0)) for number, peer in enumerate(PEERS)]
    assert results == [""] * 4 + ["relay.max_reservations"] * 8
    assert ledger.end(PEERS[2])
    assert not ledger.end(PEERS[2])
    assert ledger.reserve(PEERS[9], "9", 0.0) is None


@pytest.mark.misbehave
@pytest.mark.req("RELAY-07")
def test_an_address_has_no_more_than_its_share() -> None:
    ledger = Reservations(FREE)
    assert [name_of(ledger.reserve(peer, "a", 0.0)) for peer in PEERS[:3]] == ["", "", "relay.reservations_per_ip"]
    assert ledger.most_per_source == 2
    assert ledger.reserve(PEERS[0], "a", 1.0) is None, "a renewal is no further one"
    assert ledger.reserve(PEERS[2], "b", 1.0) is None
    assert name_of(ledger.reserve(PEERS[2], "a", 1.0)) == "relay.reservations_per_ip", "nor may one move in"
    assert ledger.holds(PEERS[2], 1.0), "what it had stays"
    assert ledger.reserve(PEERS[0], "b", 1.0) is None
    assert ledger.reserve(PEERS[3], "a", 1.0) is None


def test_loopback_is_exempt_from_the_share() -> None:
    ledger = Reservations(FREE)
    assert [ledger.reserve(peer, "", 0.0) for peer in PEERS[:4]] == [None] * 4
    assert ledger.most_per_source == 0
    assert ledger.end(PEERS[0])


@pytest.mark.misbehave
@pytest.mark.req("RELAY-07")
def test_requests_have_a_rate() -> None:
    ledger = Reservations(RelayConfig(reservation_rate_per_peer=Rate(2, 10.0)))
    assert [name_of(ledger.reserve(PEERS[0], "a", 0.0)) for _ in range(3)] == [
        "", "", "relay.reservation_rate_per_peer",
    ]  # fmt: skip
    assert ledger.holds(PEERS[0], 0.0)
    assert ledger.reserve(PEERS[0], "a", 10.0) is None


class LedgerMachine(RuleBasedStateMachine):
    """Any course of events against a plain dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Reservations(FREE)
        self.now = 0.0
        self.model: dict[PeerId, tuple[float, str]] = {}

    @rule(peer=st.sampled_from(PEERS), source=st.sampled_from(["a", "b", ""]))
    def reserve(self, peer: PeerId, source: str) -> None:
        held = self.model.get(peer)
        others = sum(1 for each in self.model.values() if each[1] == source)
        room = held is not None or len(self.model) < 4
        share = not source or (held is not None and held[1] == source) or others < 2
        assert (self.ledger.reserve(peer, source, self.now) is None) == (room and share)
        if room and share:
            self.model[peer] = (self.now + 100.0, source)

    @rule(peer=st.sampled_from(PEERS))
    def end(self, peer: PeerId) -> None:
        assert self.ledger.end(peer) == (self.model.pop(peer, None) is not None)

    @rule(seconds=st.sampled_from([0.0, 1.0, 60.0, 100.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        expired = {peer for peer, (until, _) in self.model.items() if until <= self.now}
        assert set(self.ledger.expire(self.now)) == expired
        for peer in expired:
            del self.model[peer]

    @invariant()
    def agree(self) -> None:
        assert set(self.ledger.peers) == set(self.model)
        assert all(self.ledger.holds(peer, self.now) for peer in self.model)
        assert self.ledger.next_expiry() == min((until for until, _ in self.model.values()), default=None)
        assert self.ledger.most_per_source <= 2


TestLedger = LedgerMachine.TestCase
