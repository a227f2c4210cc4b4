"""Rates: the burst, what comes after it, and a memory that does not grow."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.identity.keys import PrivateKey
from p2pstack.relay.config import Rate
from p2pstack.relay.rates import Rates, RequestRates

PEER, OTHER = (PrivateKey.from_seed(bytes([number]) * 32).peer_id for number in (1, 2))


def taken(rates: Rates, key: str, times: list[float]) -> list[bool]:
    """What is allowed of requests at ``times``."""
    results = []
    for now in times:
        results.append(rates.allows(key, now))
        if results[-1]:
            rates.take(key, now)
    return results


@pytest.mark.req("RELAY-07")
def test_a_burst_and_then_one_an_interval() -> None:
    rates = Rates(Rate(3, 10.0), 100)
    assert taken(rates, "a", [0.0, 0.0, 0.0, 0.0, 9.9, 10.0, 10.0, 20.0]) == [
        True, True, True, False, False, True, False, True,
    ]  # fmt: skip
    assert taken(rates, "b", [20.0]) == [True]
    assert taken(rates, "a", [200.0] * 4) == [True, True, True, False]


@given(st.lists(st.floats(min_value=0, max_value=50), max_size=60).map(sorted))
def test_it_is_a_token_bucket(times: list[float]) -> None:
    rates = Rates(Rate(4, 2.0), 100)
    tokens, since = 4.0, 0.0
    for now, allowed in zip(times, taken(rates, "a", times), strict=True):
        tokens, since = min(4.0, tokens + (now - since) / 2.0), now
        if abs(tokens - 1.0) > 1e-6:
            assert allowed == (tokens >= 1.0)
        if allowed:
            tokens -= 1.0


@pytest.mark.misbehave
@pytest.mark.req("GEN-04")
def test_what_is_remembered_is_bounded_and_forgotten_in_time() -> None:
    rates = Rates(Rate(2, 1.0), 10)
    for number in range(1_000):
        rates.take(str(number), 0.0)
    assert len(rates) == 10
    assert not taken(rates, "999", [0.0, 0.0])[1]
    rates.take("late", 5.0)
    assert len(rates) == 1


@pytest.mark.req("RELAY-07")
def test_peers_and_addresses_have_their_own_rates() -> None:
    rates = RequestRates("circuit", Rate(1, 10.0), Rate(2, 10.0), 100)
    assert rates.admit(PEER, "192.0.2.1", 0.0) is None
    refusal = rates.admit(PEER, "192.0.2.2", 0.0)
    assert refusal is not None
    assert (refusal.name, refusal.limit) == ("relay.circuit_rate_per_peer", 1)
    assert rates.admit(OTHER, "192.0.2.1", 0.0) is None
    refusal = rates.admit(PEER, "192.0.2.1", 10.0)
    assert refusal is None
    rates.admit(OTHER, "192.0.2.1", 10.0)
    third = PrivateKey.from_seed(b"\x03" * 32).peer_id
    refusal = rates.admit(third, "192.0.2.1", 10.0)
    assert refusal is not None
    assert (refusal.name, refusal.limit) == ("relay.circuit_rate_per_ip", 2)
    assert rates.admit(third, "192.0.2.9", 10.0) is None, "what was refused for its address was not counted"


def test_loopback_and_no_rates_at_all() -> None:
    exempt = RequestRates("circuit", None, Rate(1, 10.0), 100)
    assert [exempt.admit(PEER, "", 0.0) for _ in range(5)] == [None] * 5
    free = RequestRates("circuit", None, None, 100)
    assert [free.admit(PEER, "192.0.2.1", 0.0) for _ in range(100)] == [None] * 100
