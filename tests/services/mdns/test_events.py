"""What the events carry."""

from __future__ import annotations

import pytest

from p2pstack.host.events import Event
from p2pstack.identity.multiaddrs import parse
from p2pstack.services.mdns.events import MdnsPeerExpired, MdnsPeerFound
from tests.mdns.lan import peer_of


@pytest.mark.parametrize("kind", [MdnsPeerFound, MdnsPeerExpired])
def test_they_are_events_of_the_host(kind: type) -> None:
    assert issubclass(kind, Event)


def test_what_they_tell() -> None:
    address = parse("/ip4/192.168.1.7/tcp/4001")
    found = MdnsPeerFound(peer=peer_of(1), addresses=(address,))
    assert (found.peer, found.addresses) == (peer_of(1), (address,))
    assert MdnsPeerExpired(peer=peer_of(1)).peer == peer_of(1)
