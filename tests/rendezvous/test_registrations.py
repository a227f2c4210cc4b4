"""Registrations: one a peer and namespace, for a time, numbered, and no more than fit."""

from __future__ import annotations

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from p2pstack.errors import LimitExceeded
from p2pstack.identity.peer_id import PeerId
from p2pstack.rendezvous.config import RendezvousConfig
from p2pstack.rendezvous.registrations import Registrations
from tests.rendezvous.making import PEERS

SMALL = RendezvousConfig(max_registrations=5, registrations_per_peer=2, max_namespaces=3)


def name_of(refusal: LimitExceeded | None) -> str:
    return refusal.name if refusal is not None else ""


def found(ledger: Registrations, number: int = 0, namespace: str = "", limit: int = 100) -> list[tuple[int, PeerId]]:
    return [(each.number, each.peer) for each in ledger.after(number, namespace, limit)]


@pytest.mark.req("RDV-05")
def test_a_registration_holds_for_its_time() -> None:
    ledger = Registrations(SMALL)
    assert ledger.next_expiry() is None
    assert ledger.add(PEERS[0], "a", b"r", 100.0, 0.0) is None
    assert ledger.add(PEERS[1], "a", b"r", 50.0, 0.0) is None
    assert ledger.next_expiry() == 50.0
    assert ledger.expire(49.9) == []
    assert [each.peer for each in ledger.expire(50.0)] == [PEERS[1]]
    assert ledger.holds(PEERS[0], "a")
    assert not ledger.holds(PEERS[1], "a")
    assert [each.peer for each in ledger.expire(1_000.0)] == [PEERS[0]]
    assert (len(ledger), ledger.namespaces, ledger.most_per_peer) == (0, 0, 0)


@pytest.mark.req("RDV-05", "RDV-08")
def test_a_renewal_takes_the_place_of_what_was_there_and_is_new() -> None:
    ledger = Registrations(SMALL)
    ledger.add(PEERS[0], "a", b"old", 100.0, 0.0)
    ledger.add(PEERS[1], "a", b"r", 100.0, 0.0)
    ledger.add(PEERS[0], "a", b"new", 100.0, 60.0)
    assert len(ledger) == 2
    assert found(ledger, namespace="a") == [(2, PEERS[1]), (3, PEERS[0])]
    assert ledger.after(2, "a", 9)[0].record == b"new"
    assert [each.peer for each in ledger.expire(120.0)] == [PEERS[1]]


@pytest.mark.req("RDV-07", "RDV-08")
def test_what_comes_behind_a_number_is_found_in_order() -> None:
    ledger = Registrations(RendezvousConfig())
    for number, peer in enumerate(PEERS[:6]):
        ledger.add(peer, "ab"[number % 2], b"r", 100.0, 0.0)
    assert [number for number, _ in found(ledger)] == [1, 2, 3, 4, 5, 6]
    assert found(ledger, namespace="b") == [(2, PEERS[1]), (4, PEERS[3]), (6, PEERS[5])]
    assert found(ledger, 2, "b", 1) == [(4, PEERS[3])]
    assert found(ledger, 6, "b") == found(ledger, 0, "c") == []
    assert ledger.remove(PEERS[3], "b")
    assert not ledger.remove(PEERS[3], "b")
    assert found(ledger, 2, "b") == [(6, PEERS[5])]


@pytest.mark.misbehave
@pytest.mark.req("RDV-09")
def test_there_are_no_more_than_fit() -> None:
    ledger = Registrations(SMALL)
    tries = [(0, "a"), (0, "b"), (0, "c"), (1, "a"), (1, "c"), (2, "d"), (2, "a"), (3, "a")]
    results = [name_of(ledger.add(PEERS[peer], namespace, b"r", 9.0, 0.0)) for peer, namespace in tries]
    assert results == [
        "", "", "rendezvous.registrations_per_peer", "", "",
        "rendezvous.max_namespaces", "", "rendezvous.max_registrations",
    ]  # fmt: skip
    assert (len(ledger), ledger.namespaces, ledger.most_per_peer) == (5, 3, 2)
    assert ledger.add(PEERS[0], "a", b"r", 9.0, 0.0) is None, "a renewal is no further one"


@pytest.mark.misbehave
@pytest.mark.req("RDV-09")
def test_ids_that_come_from_one_ip_group_share_its_places() -> None:
    ledger = Registrations(RendezvousConfig(registrations_per_group=2))
    full = "rendezvous.registrations_per_group"
    groups = [b"\x05\x0a", b"\x05\x0a", b"\x05\x0a", b"\x05\x0b", b""]
    results = [name_of(ledger.add(PEERS[each], "a", b"r", 9.0, 0.0, group)) for each, group in enumerate(groups)]
    assert results == ["", "", full, "", ""]
    assert ledger.most_per_group == 2
    assert ledger.add(PEERS[0], "a", b"r", 9.0, 0.0, b"\x05\x0a") is None, "a renewal is no further one"
    assert name_of(ledger.add(PEERS[3], "a", b"new", 9.0, 0.0, b"\x05\x0a")) == full, "it moves to where no room is"
    assert ledger.after(0, "a", 9)[2].record == b"r"
    assert ledger.add(PEERS[0], "a", b"r", 9.0, 0.0, b"\x05\x0b") is None
    assert ledger.add(PEERS[3], "a", b"r", 9.0, 0.0, b"\x05\x0a") is None, "room was made"
    assert len(ledger.expire(9.0)) == 4
    assert (ledger.most_per_group, ledger.most_per_peer) == (0, 0)


@pytest.mark.misbehave
@pytest.mark.req("RDV-09")
def test_deadlines_do_not_pile_up() -> None:
    ledger = Registrations(SMALL)
    for now in range(1_000):
        ledger.add(PEERS[0], "a", b"r", 5_000.0, float(now))
    assert len(ledger._deadlines) < 100
    assert ledger.expire(5_998.0) == []
    assert len(ledger.expire(5_999.0)) == 1


class LedgerMachine(RuleBasedStateMachine):
    """Any course of events against a plain dictionary."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Registrations(SMALL)
        self.now = 0.0
        self.model: dict[tuple[PeerId, str], tuple[int, float]] = {}
        self.number = 0

    @rule(peer=st.sampled_from(PEERS[:4]), namespace=st.sampled_from("abcd"), ttl=st.sampled_from([10.0, 99.0]))
    def add(self, peer: PeerId, namespace: str, ttl: float) -> None:
        names = {name for _, name in self.model}
        own = sum(each == peer for each, _ in self.model)
        room = len(self.model) < 5 and own < 2 and (namespace in names or len(names) < 3)
        good = (peer, namespace) in self.model or room
        assert (self.ledger.add(peer, namespace, b"", ttl, self.now) is None) == good
        if good:
            self.number += 1
            self.model[peer, namespace] = (self.number, self.now + ttl)

    @rule(peer=st.sampled_from(PEERS[:4]), namespace=st.sampled_from("abcd"))
    def remove(self, peer: PeerId, namespace: str) -> None:
        assert self.ledger.remove(peer, namespace) == (self.model.pop((peer, namespace), None) is not None)

    @rule(seconds=st.sampled_from([0.0, 5.0, 60.0]))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        over = {key for key, (_, until) in self.model.items() if until <= self.now}
        assert {(each.peer, each.namespace) for each in self.ledger.expire(self.now)} == over
        for key in over:
            del self.model[key]

    @invariant()
    def agree(self) -> None:
        assert len(self.ledger) == len(self.model)
        for namespace in ("", "a", "b", "c", "d"):
            for after in (0, self.number // 2, self.number):
                wanted = sorted(
                    (number, peer)
                    for (peer, name), (number, _) in self.model.items()
                    if number > after and namespace in {"", name}
                )
                assert found(self.ledger, after, namespace) == wanted


TestLedger = LedgerMachine.TestCase
