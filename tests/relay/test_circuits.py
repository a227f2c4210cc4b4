"""A relay's circuits: so many in all, so many of a peer at either end."""

from __future__ import annotations

import pytest

from p2pstack.errors import LimitExceeded
from p2pstack.identity.keys import PrivateKey
from p2pstack.relay.circuits import Circuits
from p2pstack.relay.config import Rate, RelayConfig

PEERS = [PrivateKey.from_seed(bytes([number]) * 32).peer_id for number in range(1, 10)]
CONFIG = RelayConfig(max_circuits=4, circuits_per_peer=2, circuit_rate_per_peer=Rate(2, 10.0))


def name_of(refusal: LimitExceeded | None) -> str:
    return refusal.name if refusal is not None else ""


@pytest.mark.misbehave
@pytest.mark.req("RELAY-07")
def test_a_peer_counts_at_either_end() -> None:
    ledger = Circuits(CONFIG)
    assert ledger.open(PEERS[0], PEERS[1]) is None
    assert ledger.open(PEERS[2], PEERS[0]) is None
    assert ledger.most_per_peer == 2
    assert name_of(ledger.open(PEERS[0], PEERS[3])) == "relay.circuits_per_peer"
    assert name_of(ledger.open(PEERS[3], PEERS[0])) == "relay.circuits_per_peer"
    assert len(ledger) == 2
    ledger.close(PEERS[0], PEERS[1])
    assert ledger.open(PEERS[3], PEERS[0]) is None


@pytest.mark.misbehave
@pytest.mark.req("RELAY-07")
def test_there_are_no_more_than_fit() -> None:
    ledger = Circuits(CONFIG)
    results = [name_of(ledger.open(PEERS[number], PEERS[number + 4])) for number in range(4)]
    assert results == [""] * 4
    assert name_of(ledger.open(PEERS[8], PEERS[7])) == "relay.max_circuits"
    for number in range(4):
        ledger.close(PEERS[number], PEERS[number + 4])
    assert (len(ledger), ledger.most_per_peer) == (0, 0)


@pytest.mark.misbehave
@pytest.mark.req("RELAY-07")
def test_requests_have_a_rate() -> None:
    ledger = Circuits(CONFIG)
    assert [name_of(ledger.ask(PEERS[0], "a", 0.0)) for _ in range(3)] == ["", "", "relay.circuit_rate_per_peer"]
    assert ledger.ask(PEERS[0], "a", 10.0) is None
