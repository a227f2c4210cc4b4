"""The channel by which a manager is asked."""

from __future__ import annotations

import asyncio

import pytest

from p2pstack.errors import DeadlineExceeded, HostClosed, LimitExceeded
from p2pstack.shinkai.network.channel import EventChannel, EventSender
from p2pstack.shinkai.network.events import DiscoverPeers


@pytest.mark.req("SHK-70")
async def test_events_come_in_their_order_and_senders_wait_for_room() -> None:
    channel = EventChannel(2, 5.0)
    sender = EventSender(channel)
    events = [DiscoverPeers() for _ in range(4)]
    sender.try_send(events[0])
    await sender.send(events[1])
    assert len(sender) == 2
    with pytest.raises(LimitExceeded, match="max_events"):
        sender.try_send(events[2])
    with pytest.raises(DeadlineExceeded, match="no room"):
        await sender.send(events[2], timeout=0.01)
    waiting = [asyncio.create_task(sender.send(event)) for event in events[2:]]
    await asyncio.sleep(0)
    got = []
    while len(got) < 4:
        event = await channel.get()
        got.append(event)
        assert len(channel) <= 2
    await asyncio.gather(*waiting)
    assert all(one is other for one, other in zip(got, events, strict=True))


@pytest.mark.req("SHK-70")
async def test_the_end_wakes_everybody() -> None:
    channel = EventChannel(1, 5.0)
    sender = EventSender(channel)
    reader = asyncio.create_task(channel.get())
    await asyncio.sleep(0)
    assert channel.close() == []
    assert await reader is None

    channel = EventChannel(1, 5.0)
    sender = EventSender(channel)
    left = DiscoverPeers()
    sender.try_send(left)
    late = asyncio.create_task(sender.send(DiscoverPeers()))
    await asyncio.sleep(0)
    assert channel.close() == [left]
    with pytest.raises(HostClosed):
        await late
    with pytest.raises(HostClosed):
        sender.try_send(DiscoverPeers())
    assert await channel.get() is None
