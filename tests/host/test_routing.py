"""The DHT is what the host expects of whoever finds addresses."""

from __future__ import annotations

import inspect

from p2pstack.host.routing import PeerRouter
from p2pstack.services.kad.service import Kademlia


def test_the_dht_can_be_asked_as_the_host_asks() -> None:
    wanted = inspect.signature(PeerRouter.find_addresses)
    given = inspect.signature(Kademlia.find_addresses)
    assert list(given.parameters) == list(wanted.parameters)
    assert inspect.iscoroutinefunction(Kademlia.find_addresses)
