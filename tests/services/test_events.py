"""What the services' events carry."""

from __future__ import annotations

import pytest

from p2pstack.host.events import Event
from p2pstack.identity.keys import PrivateKey
from p2pstack.services.events import IdentifyFailed, PeerIdentified, PeerInfo

PEER = PrivateKey.from_seed(b"\x01" * 32).peer_id


@pytest.mark.parametrize("kind", [PeerIdentified, IdentifyFailed])
def test_they_are_events_of_the_host(kind: type) -> None:
    assert issubclass(kind, Event)


def test_a_peer_that_has_told_nothing() -> None:
    info = PeerInfo(peer=PEER)
    assert info.protocols == ()
    assert info.addresses == ()
    assert info.observed is None


def test_the_record_does_not_fill_the_log() -> None:
    assert "secretive" not in repr(PeerInfo(peer=PEER, record=b"secretive"))
