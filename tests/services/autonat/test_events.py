from __future__ import annotations

from p2pstack.autonat.reachability import Reachability
from p2pstack.host.events import Event
from p2pstack.identity.multiaddrs import parse
from p2pstack.services.autonat.events import ReachabilityChanged


def test_it_is_an_event_of_the_host() -> None:
    address = parse("/ip4/5.10.0.1/tcp/4001")
    event = ReachabilityChanged(reachability=Reachability.PUBLIC, addresses=(address,))
    assert isinstance(event, Event)
    assert event.addresses == (address,)
