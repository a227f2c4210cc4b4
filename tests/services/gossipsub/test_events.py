"""The events of pubsub come as those of the host do."""

from __future__ import annotations

import pytest

from p2pstack.host.events import Event, EventBus
from p2pstack.identity.keys import PrivateKey
from p2pstack.services.gossipsub import events as module
from p2pstack.services.gossipsub.events import MessagesDropped, PeerGrafted, PeerJoinedTopic, PeerLeftTopic, PeerPruned

PEER = PrivateKey.generate().peer_id


@pytest.mark.parametrize("kind", [PeerJoinedTopic, PeerLeftTopic, PeerGrafted, PeerPruned])
async def test_listeners_get_those_of_their_type(kind: type[PeerJoinedTopic]) -> None:
    bus = EventBus(10)
    listener = bus.listen(kind)
    event = kind(peer=PEER, topic="news")
    bus.emit(MessagesDropped(topic="news", count=1, total=1))
    bus.emit(event)
    assert await anext(listener) is event


def test_all_are_events_of_a_host() -> None:
    assert all(issubclass(getattr(module, name), Event) for name in module.__all__)
