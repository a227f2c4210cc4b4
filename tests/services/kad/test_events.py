"""What the DHT tells while it runs."""

from __future__ import annotations

from p2pstack.services.kad.config import Mode
from p2pstack.services.kad.events import DhtModeChanged, DhtPeerAdded, DhtPeerRemoved, DhtRefreshed
from tests.services.hosts import next_event
from tests.services.kad.nodes import PROTOCOL, node


async def test_events_come_with_those_of_the_host() -> None:
    async with node() as (far, other), node() as (host, dht):
        with_events = host.events(DhtPeerAdded, DhtPeerRemoved, DhtModeChanged, DhtRefreshed)
        async with with_events as events:
            await dht.bootstrap([str(far.full_addresses[0])])
            added = await next_event(events, DhtPeerAdded)
            assert (added.protocol, added.peer) == (PROTOCOL, far.peer_id)
            refreshed = await next_event(events, DhtRefreshed)
            assert refreshed.size == 1
            assert refreshed.lookups >= 2
            dht.mode = Mode.CLIENT
            changed = await next_event(events, DhtModeChanged)
            assert not changed.server
            other.mode = Mode.CLIENT
            removed = await next_event(events, DhtPeerRemoved)
            assert removed.peer == far.peer_id
