"""Subscriptions: bounded, visible when they overflow, and over when they are closed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from p2pstack.errors import ConfigError, LocalError
from p2pstack.gossipsub.incoming import Incoming
from p2pstack.gossipsub.values import Message
from p2pstack.host.events import Event
from p2pstack.identity.keys import PrivateKey
from p2pstack.services.gossipsub.events import MessagesDropped
from p2pstack.services.gossipsub.subscription import Subscription
from tests.services.gossipsub.pubsubs import TOPIC, config, host_of, pubsubs, wild
from tests.services.hosts import next_event, until

PEER = PrivateKey.generate().peer_id


def message(data: bytes) -> Incoming:
    return Incoming(Message(data, TOPIC), data, PEER, 0.0)


def made(events: list[Event], **bounds: Any) -> tuple[Subscription, list[Subscription]]:
    closed: list[Subscription] = []
    limits = {"max_messages": 10, "max_bytes": 1_000_000, **bounds}
    return Subscription(TOPIC, emit=events.append, on_close=closed.append, **limits), closed


async def test_messages_come_in_order() -> None:
    subscription, _ = made([])
    for number in range(5):
        subscription.put(message(b"%d" % number))
    assert len(subscription) == 5
    assert subscription.queued_bytes == 5 * len(Message(b"0", TOPIC).encoded)
    assert [(await anext(subscription)).data for _ in range(5)] == [b"0", b"1", b"2", b"3", b"4"]
    assert subscription.queued_bytes == 0


async def test_a_reader_waits_and_is_woken() -> None:
    subscription, _ = made([])
    task = asyncio.ensure_future(anext(subscription))
    await asyncio.sleep(0)
    assert not task.done()
    subscription.put(message(b"first"))
    subscription.put(message(b"second"))
    assert (await task).data == b"first"
    assert (await anext(subscription)).data == b"second"


async def test_a_wait_that_was_given_up_takes_nothing() -> None:
    subscription, _ = made([])
    task = asyncio.ensure_future(anext(subscription))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait((task,))
    subscription.put(message(b"kept"))
    assert (await anext(subscription)).data == b"kept"


async def test_one_reader_at_a_time() -> None:
    subscription, _ = made([])
    task = asyncio.ensure_future(anext(subscription))
    await asyncio.sleep(0)
    with pytest.raises(LocalError, match="another task"):
        await anext(subscription)
    subscription.close()
    with pytest.raises(StopAsyncIteration):
        await task


@pytest.mark.parametrize("bounds", [{"max_messages": 3}, {"max_bytes": 3 * len(Message(b"0", TOPIC).encoded)}])
async def test_the_oldest_messages_are_dropped_and_told(bounds: dict[str, int]) -> None:
    events: list[Event] = []
    subscription, _ = made(events, **bounds)
    for number in range(8):
        subscription.put(message(b"%d" % number))
    assert subscription.dropped == 5
    assert events == [MessagesDropped(topic=TOPIC, count=1, total=1)]
    subscription.report()
    subscription.report()
    assert events[1:] == [MessagesDropped(topic=TOPIC, count=4, total=5)]
    assert [(await anext(subscription)).data for _ in range(3)] == [b"5", b"6", b"7"]
    assert subscription.queued_bytes == 0


async def test_a_message_above_the_bound_is_not_lost() -> None:
    subscription, _ = made([], max_bytes=10)
    subscription.put(message(bytes(1_000)))
    assert (await anext(subscription)).data == bytes(1_000)
    assert subscription.dropped == 0


@pytest.mark.parametrize("bounds", [{"max_messages": 0}, {"max_bytes": 0}])
def test_bounds_are_positive(bounds: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="positive"):
        made([], **bounds)


async def test_what_is_queued_can_be_read_after_the_end() -> None:
    subscription, closed = made([])
    async with subscription as same:
        assert same is subscription
        subscription.put(message(b"last"))
    subscription.close()
    assert subscription.closed
    assert closed == [subscription]
    assert [each.data async for each in subscription] == [b"last"]


async def test_an_overflow_is_seen_from_outside() -> None:
    async with wild(config(router={"heartbeat_interval": 0.01})) as (pubsub, peer):
        events = host_of(pubsub).events(MessagesDropped)
        subscription = pubsub.subscribe(TOPIC, max_messages=10)
        peer.publish(*(b"%d" % number for number in range(100)))
        await until(lambda: subscription.dropped == 90)
        first = await next_event(events, MessagesDropped)
        assert (first.topic, first.count, first.total) == (TOPIC, 1, 1)
        told = first
        while told.total < 90:
            told = await next_event(events, MessagesDropped)
        assert told.total == 90


async def test_a_slow_reader_holds_up_no_other() -> None:
    async with pubsubs(None, None) as (near, far):
        slow, quick = far.subscribe(TOPIC, max_messages=1), far.subscribe(TOPIC)
        for number in range(50):
            await near.publish(TOPIC, b"%d" % number)
        await until(lambda: len(quick) == 50)
        assert slow.dropped == 49
        assert quick.dropped == 0
