"""Events are values; what a sender asks with one is settled once."""

from __future__ import annotations

import asyncio

import pytest

from p2pstack.errors import LocalError
from p2pstack.host.events import Event
from p2pstack.shinkai.network import events
from p2pstack.shinkai.network.events import NetworkEvent, Notice, PeerDown, PingPeer
from p2pstack.shinkai.network.work import EventWorker
from tests.shinkai.network.nodes import KEYS

PEER = KEYS["alice"].signature.peer_id


@pytest.mark.req("SHK-70")
def test_all_the_originals_events_are_there() -> None:
    named = {each.__name__ for each in NetworkEvent.__subclasses__()}
    assert named >= {
        "SendMessage", "BroadcastMessage", "SendDirectMessage", "SendResponse", "AddPeer", "PingPeer", "DiscoverPeers",
        "TryDirectConnectionUpgrade", "ConnectToDiscoveredPeer",
    }  # fmt: skip
    assert named < set(events.__all__)
    assert {each.__name__ for each in Notice.__subclasses__()} < set(events.__all__)
    assert isinstance(PeerDown(peer=PEER), Event)


async def test_a_result_is_settled_once() -> None:
    event = PingPeer(peer_id=PEER, result=asyncio.get_running_loop().create_future())
    EventWorker.settle(event, value=1.0)
    EventWorker.settle(event, error=LocalError("late"))
    assert event.result is not None
    assert await event.result == 1.0
