from __future__ import annotations

import asyncio

import pytest

from p2pstack.host.events import (
    AddressesChanged,
    Event,
    EventBus,
    EventStream,
    PeerConnected,
    PeerDisconnected,
    ProtocolsChanged,
)
from p2pstack.identity.keys import PrivateKey

PEER = PrivateKey.from_seed(bytes(32)).peer_id
CONNECTED = PeerConnected(peer=PEER)
GONE = PeerDisconnected(peer=PEER)


def numbered(number: int) -> ProtocolsChanged:
    return ProtocolsChanged(protocols=(f"/{number}",))


async def rest(events: EventStream) -> list[Event]:
    """All events until the end, which must come."""
    async with asyncio.timeout(5):
        return [event async for event in events]


async def test_every_listener_gets_what_it_asked_for_in_order() -> None:
    bus = EventBus(10)
    everything, of_peers, addresses = (
        bus.listen(),
        bus.listen(PeerConnected, PeerDisconnected),
        bus.listen(AddressesChanged),
    )
    for event in (CONNECTED, numbered(1), GONE):
        bus.emit(event)
    bus.close()
    assert await rest(everything) == [CONNECTED, numbered(1), GONE]
    assert await rest(of_peers) == [CONNECTED, GONE]
    assert await rest(addresses) == []


@pytest.mark.req("GEN-04")
async def test_who_falls_behind_loses_the_oldest_and_is_told_how_many() -> None:
    bus = EventBus(3)
    slow, picky = bus.listen(), bus.listen(PeerConnected)
    for number in range(5):
        bus.emit(numbered(number))
    bus.close()
    assert (slow.dropped, picky.dropped) == (2, 0)
    assert await rest(slow) == [numbered(2), numbered(3), numbered(4)]


async def test_a_listener_waits_for_the_next_event() -> None:
    bus = EventBus(3)
    events = bus.listen()
    waiting = asyncio.create_task(anext(events))
    await asyncio.sleep(0)
    assert not waiting.done()
    bus.emit(CONNECTED)
    bus.emit(GONE)
    assert await waiting == CONNECTED
    assert await anext(events) == GONE


async def test_closing_ends_a_wait() -> None:
    bus = EventBus(3)
    waiting = asyncio.create_task(rest(bus.listen()))
    await asyncio.sleep(0)
    bus.close()
    assert await waiting == []


async def test_a_wait_that_was_cancelled_costs_nothing() -> None:
    bus = EventBus(3)
    events = bus.listen()
    waiting = asyncio.create_task(anext(events))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.wait([waiting])
    bus.emit(CONNECTED)
    assert await anext(events) == CONNECTED


async def test_a_closed_listener_hears_nothing_more_but_keeps_what_it_has() -> None:
    bus = EventBus(3)
    other = bus.listen()
    async with bus.listen() as events:
        bus.emit(CONNECTED)
    events.close()
    bus.emit(GONE)
    assert await rest(events) == [CONNECTED]
    assert [await anext(other), await anext(other)] == [CONNECTED, GONE]


async def test_who_listens_after_the_end_hears_that_it_is_over() -> None:
    bus = EventBus(3)
    bus.close()
    late = bus.listen()
    bus.emit(CONNECTED)
    assert await rest(late) == []
