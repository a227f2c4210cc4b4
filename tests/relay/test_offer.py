"""Which addresses a relay names."""

from __future__ import annotations

import pytest

from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import parse, with_peer
from p2pstack.relay.offer import ADDRESS_ROOM, offered_addresses

RELAY, OTHER = (PrivateKey.from_seed(bytes([number]) * 32).peer_id for number in (3, 4))


@pytest.mark.req("RELAY-13")
def test_addresses_name_the_relay_once() -> None:
    plain = parse("/ip4/192.0.2.1/tcp/4001")
    full = with_peer(plain, RELAY)
    assert offered_addresses([plain, full, plain], RELAY) == (full,)


@pytest.mark.req("RELAY-10", "RELAY-13")
def test_others_and_ways_through_others_are_left_out() -> None:
    addresses = [
        parse(f"/ip4/192.0.2.1/tcp/4001/p2p/{OTHER}"),
        parse(f"/ip4/192.0.2.1/tcp/4001/p2p/{OTHER}/p2p-circuit"),
        parse(f"/ip4/192.0.2.1/tcp/4001/p2p/{OTHER}/p2p-circuit/p2p/{RELAY}"),
    ]
    assert offered_addresses(addresses, RELAY) == ()


@pytest.mark.req("RELAY-01", "RELAY-13")
def test_they_fit_a_message() -> None:
    addresses = [parse(f"/ip4/192.0.2.1/tcp/{port}") for port in range(1, 1_000)]
    offered = offered_addresses(addresses, RELAY)
    assert 30 < len(offered) < 60
    assert sum(len(address.to_bytes()) + 3 for address in offered) <= ADDRESS_ROOM
