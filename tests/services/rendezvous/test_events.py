"""The events of rendezvous are events of the host."""

from __future__ import annotations

import dataclasses

import pytest

from p2pstack.errors import LocalError
from p2pstack.host.events import Event
from p2pstack.services.rendezvous.events import (
    NamespaceJoined,
    NamespaceLost,
    PeerRegistered,
    PeersDiscovered,
    PeerUnregistered,
)
from tests.host.hosts import key

PEER = key(1).peer_id
EVENTS: list[Event] = [
    PeerRegistered(peer=PEER, namespace="a", ttl=9, renewed=False),
    PeerUnregistered(peer=PEER, namespace="a", expired=True),
    NamespaceJoined(point=PEER, namespace="a", ttl=9),
    NamespaceLost(point=PEER, namespace="a", error=LocalError("x"), retry_in=1.0),
    PeersDiscovered(point=PEER, namespace="a", peers=()),
]


@pytest.mark.parametrize("event", EVENTS)
def test_events_do_not_change(event: Event) -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        event.namespace = "b"  # type: ignore[attr-defined]
