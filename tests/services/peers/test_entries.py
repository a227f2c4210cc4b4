"""What is remembered of a peer."""

from __future__ import annotations

import pytest

from p2pstack.services.peers.entries import KnownAddress, KnownPeer
from tests.services.peers.known import address, peer


@pytest.mark.req("PEERS-04")
def test_an_address_lives_from_when_it_was_told_or_worked() -> None:
    assert KnownAddress(first_seen=1.0, last_told=5.0).expires(10.0) == 15.0
    assert KnownAddress(first_seen=1.0, last_told=5.0, last_success=7.0).expires(10.0) == 17.0


@pytest.mark.req("PEERS-06")
def test_addresses_that_worked_come_first_then_those_that_failed_least() -> None:
    entry = KnownPeer(
        peer=peer(1),
        first_seen=0.0,
        last_seen=0.0,
        addresses={
            address(1): KnownAddress(first_seen=1.0, last_told=9.0, failures=2),
            address(2): KnownAddress(first_seen=1.0, last_told=1.0),
            address(3): KnownAddress(first_seen=1.0, last_told=1.0, last_success=1.0, failures=5),
            address(4): KnownAddress(first_seen=1.0, last_told=2.0),
        },
    )
    assert entry.best_addresses() == [address(3), address(4), address(2), address(1)]
