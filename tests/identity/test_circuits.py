from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from p2pstack.errors import ConfigError, DecodeError
from p2pstack.identity.circuits import Circuit, circuit_address, is_circuit, split_circuit
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import parse, peer_id_of, with_peer, without_peer

RELAY = PrivateKey.from_seed(bytes([3]) * 32).peer_id
TARGET = PrivateKey.from_seed(bytes([2]) * 32).peer_id
WHERE = parse("/ip4/192.0.2.1/tcp/4001")


@pytest.mark.req("RELAY-10")
def test_a_way_through_a_relay_is_put_together_and_taken_apart() -> None:
    way = circuit_address(WHERE, RELAY)
    assert str(way) == f"/ip4/192.0.2.1/tcp/4001/p2p/{RELAY}/p2p-circuit"
    assert split_circuit(way) == Circuit(RELAY, WHERE, None)
    whole = with_peer(way, TARGET)
    assert split_circuit(whole) == Circuit(RELAY, WHERE, TARGET)
    assert peer_id_of(whole) == TARGET
    assert without_peer(whole) == way
    assert is_circuit(way)
    assert is_circuit(whole)


def test_the_relays_address_may_be_left_out_or_name_the_relay() -> None:
    way = circuit_address(None, RELAY)
    assert str(way) == f"/p2p/{RELAY}/p2p-circuit"
    assert split_circuit(with_peer(way, TARGET)) == Circuit(RELAY, None, TARGET)
    assert circuit_address(with_peer(WHERE, RELAY), RELAY) == circuit_address(WHERE, RELAY)
    with pytest.raises(ConfigError):
        circuit_address(with_peer(WHERE, TARGET), RELAY)


@pytest.mark.req("RELAY-10")
@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("/ip4/192.0.2.1/tcp/4001", "through one relay"),
        (f"/ip4/192.0.2.1/tcp/4001/p2p/{RELAY}", "through one relay"),
        (f"/p2p/{RELAY}/p2p-circuit/p2p/{TARGET}/p2p-circuit", "through one relay"),
        ("/ip4/192.0.2.1/tcp/4001/p2p-circuit", "does not name its relay"),
        (f"/p2p-circuit/p2p/{TARGET}", "0 bytes"),
        (f"/p2p/{RELAY}/p2p-circuit/tcp/1", "no peer"),
        (f"/p2p/{RELAY}/p2p-circuit/tcp/1/p2p/{TARGET}", "no peer"),
    ],
)
def test_what_is_no_way_through_one_relay(text: str, reason: str) -> None:
    address = parse(text)
    assert is_circuit(address) is ("p2p-circuit" in text)
    with pytest.raises(DecodeError, match=reason):
        split_circuit(address)


@given(st.binary(min_size=32, max_size=32), st.integers(0, 65_535), st.booleans())
def test_any_relay_and_address_survive(seed: bytes, port: int, named: bool) -> None:
    relay = PrivateKey.from_seed(seed).peer_id
    where = parse(f"/ip6/2001:db8::1/tcp/{port}") if named else None
    assert split_circuit(with_peer(circuit_address(where, relay), TARGET)) == Circuit(relay, where, TARGET)
