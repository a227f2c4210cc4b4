"""Hop streams whose request has not come: few of a peer, and not too many in all."""

from __future__ import annotations

import pytest

from p2pstack.identity.keys import PrivateKey
from p2pstack.relay.config import RelayConfig
from p2pstack.relay.requests import Requests

PEERS = [PrivateKey.from_seed(bytes([number]) * 32).peer_id for number in range(1, 5)]


@pytest.mark.misbehave
@pytest.mark.req("GEN-04")
def test_requests_are_bounded() -> None:
    requests = Requests(RelayConfig(requests_per_peer=2, max_requests=3))
    assert requests.begin(PEERS[0]) is None
    assert requests.begin(PEERS[0]) is None
    refusal = requests.begin(PEERS[0])
    assert refusal is not None
    assert refusal.name == "relay.requests_per_peer"
    assert requests.begin(PEERS[1]) is None
    refusal = requests.begin(PEERS[2])
    assert refusal is not None
    assert refusal.name == "relay.max_requests"
    requests.end(PEERS[0])
    assert requests.begin(PEERS[0]) is None
    for peer in (PEERS[0], PEERS[0], PEERS[1]):
        requests.end(peer)
    assert len(requests) == 0
    assert not requests._per_peer
