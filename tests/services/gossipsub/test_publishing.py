"""Publishing: what it waits for, what it says, and that one slow peer holds up nobody for long."""

from __future__ import annotations

import asyncio

import pytest

from p2pstack.errors import DeadlineExceeded, HostClosed, LimitExceeded, LocalError
from p2pstack.gossipsub.ids import sha256_id
from p2pstack.host.host import BaseHost
from p2pstack.services.gossipsub.config import PubsubConfig
from p2pstack.services.gossipsub.publishing import NotEnoughPeers
from tests.services.gossipsub.pubsubs import TOPIC, Wild, config, id_of, join, pubsubs, receive, texts, wild
from tests.services.hosts import until

SLOW = config(publish_mark=10_000, max_queue=1_200_000, publish_timeout=0.05)
"""Little room for a peer, and little patience."""


# -- enough peers


@pytest.mark.req("GS10-22")
async def test_without_enough_peers_nothing_is_sent() -> None:
    async with pubsubs(None, None) as (near, far):
        theirs = far.subscribe(TOPIC)
        await near.publish(TOPIC, b"to one")
        with pytest.raises(NotEnoughPeers, match="1 peers") as caught:
            await near.publish(TOPIC, b"to two", peers=2, timeout=0.01)
        assert isinstance(caught.value, DeadlineExceeded)
        assert (caught.value.topic, caught.value.wanted, caught.value.known) == (TOPIC, 2, 1)
        await near.publish(TOPIC, b"to one again")
        assert await texts(theirs, 2) == [b"to one", b"to one again"]


async def test_a_publish_waits_for_peers() -> None:
    async with pubsubs(None, None, connect=False) as (near, far):
        theirs = far.subscribe(TOPIC)
        task = asyncio.create_task(near.publish(TOPIC, b"patience"))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not task.done()
        await join(near, far)
        assert (await task).peers == 1
        assert await texts(theirs) == [b"patience"]


async def test_zero_peers_are_not_waited_for() -> None:
    async with pubsubs(None) as (alone,):
        assert (await alone.publish(TOPIC, b"into the void", peers=0, timeout=0.0)).peers == 0


async def test_the_time_may_be_no_time() -> None:
    async with pubsubs(None) as (alone,):
        with pytest.raises(NotEnoughPeers):
            await alone.publish(TOPIC, b"now or never", timeout=0.0)


async def test_publishes_that_wait_keep_their_order() -> None:
    async with pubsubs(None, None, connect=False) as (near, far):
        theirs = far.subscribe(TOPIC)
        tasks = [asyncio.create_task(near.publish(TOPIC, b"%d" % number)) for number in range(50)]
        for _ in range(3):
            await asyncio.sleep(0)
        await join(near, far)
        tasks += [asyncio.create_task(near.publish(TOPIC, b"%d" % number)) for number in range(50, 100)]
        await asyncio.gather(*tasks)
        messages = await receive(theirs, 100)
        assert [each.data for each in messages] == [b"%d" % number for number in range(100)]
        numbers = [each.seqno or b"" for each in messages]
        assert numbers == sorted(numbers)
        assert not near._publisher._turns


async def test_a_topic_that_waits_holds_up_no_other() -> None:
    async with pubsubs(None, None) as (near, far):
        theirs = far.subscribe(TOPIC)
        task = asyncio.create_task(near.publish("nobody's", b"waits"))
        assert (await near.publish(TOPIC, b"passes")).peers == 1
        assert await texts(theirs) == [b"passes"]
        assert not task.done()
        task.cancel()
        await asyncio.wait((task,))
        assert not near._publisher._turns


async def test_who_waits_is_told_of_the_end() -> None:
    async with pubsubs(None) as (alone,):
        task = asyncio.create_task(alone.publish(TOPIC, b"waits", timeout=60.0))
        await until(lambda: alone._engine.changed)
        await alone.stop()
        with pytest.raises(HostClosed):
            await task


# -- room


@pytest.mark.req("GS10-24")
async def test_a_slow_reader_holds_the_publisher_back() -> None:
    async with wild(config(publish_mark=10_000, publish_timeout=30.0)) as (pubsub, peer):
        peer.reading = False
        sent = 0

        async def publish() -> None:
            nonlocal sent
            for number in range(2_000):
                await pubsub.publish(TOPIC, b"%04d" % number + bytes(2_000))
                sent += 1

        task = asyncio.create_task(publish())
        await until(lambda: id_of_peer(peer) in pubsub._engine.congested)
        for _ in range(100):
            await asyncio.sleep(0)
        assert sent < 1_000
        assert pubsub.usage()["max_queue"].current < 20_000
        (stream,) = peer.streams
        size = 0
        while not task.done() or size < 2_000 * 2_000:
            size += len(await stream.read())
        assert sent == 2_000
        assert not pubsub.counters["queue-full"]
        assert not pubsub._engine.congested


def id_of_peer(peer: Wild) -> object:
    return peer.host.peer_id


@pytest.mark.req("GS10-24")
async def test_a_peer_that_does_not_read_is_waited_for_once() -> None:
    async with wild(SLOW) as (pubsub, peer):
        peer.reading = False
        async with pubsubs(None) as (good,):
            theirs = good.subscribe(TOPIC)
            await join(good, pubsub)
            await until(lambda: len(pubsub.peers(TOPIC)) == 2)
            results = []
            async with asyncio.timeout(10):
                for number in range(40):
                    results.append(await pubsub.publish(TOPIC, b"%02d" % number + bytes(100_000)))
            assert [each.data[:2] for each in await receive(theirs, 40)] == [b"%02d" % number for number in range(40)]
            assert results[0].peers == 2
            assert (results[-1].peers, results[-1].dropped) == (1, 1)
            dropped = sum(result.dropped for result in results)
            assert pubsub.counters["queue-full"] == dropped > 0
            link = pubsub._engine.links[peer.host.peer_id]
            assert link.outbound.stalled
            assert link.outbound.queued_bytes <= 1_200_000


@pytest.mark.req("GS10-24")
async def test_dropping_instead_of_waiting() -> None:
    async with wild(config(publish_mark=10_000, max_queue=1_200_000, publish_timeout=30.0)) as (pubsub, peer):
        peer.reading = False
        async with asyncio.timeout(10):
            results = [await pubsub.publish(TOPIC, bytes(100_000), drop_when_full=True) for _ in range(40)]
        assert results[0].dropped == 0
        assert results[-1].dropped == 1
        assert not pubsub._engine.links[peer.host.peer_id].outbound.stalled


async def test_after_a_stall_the_peer_counts_again() -> None:
    async with wild(SLOW) as (pubsub, peer):
        peer.reading = False
        async with asyncio.timeout(10):
            for _ in range(20):
                await pubsub.publish(TOPIC, bytes(100_000))
        outbound = pubsub._engine.links[peer.host.peer_id].outbound
        assert outbound.stalled
        (stream,) = peer.streams
        async with asyncio.timeout(10):
            while outbound.queued_bytes:
                await stream.read()
        assert not outbound.stalled
        assert not pubsub._engine.congested
        assert (await pubsub.publish(TOPIC, b"welcome back")).dropped == 0


# -- what can't be sent


@pytest.mark.req("GS10-03")
@pytest.mark.parametrize("policy", [None, PubsubConfig(author=False, policy=config().policy.PERMISSIVE)])
async def test_the_longest_message(policy: PubsubConfig | None) -> None:
    async with pubsubs(policy, PubsubConfig(policy=config().policy.PERMISSIVE)) as (near, far):
        theirs = far.subscribe(TOPIC)
        limit = near.config.router.max_rpc
        overhead = near._publisher._overhead + len(TOPIC) + 8 + 2
        await near.publish(TOPIC, bytes(limit - overhead))
        (message,) = await receive(theirs)
        assert len(message.data) == limit - overhead
        assert len(message.message.encoded) + 8 == limit
        with pytest.raises(LimitExceeded, match="max_rpc"):
            await near.publish(TOPIC, bytes(limit - overhead + 1))
        assert near.peers(TOPIC)


@pytest.mark.req("GS10-03")
async def test_what_is_too_long_is_refused_at_once() -> None:
    async with pubsubs(None) as (alone,):
        with pytest.raises(LimitExceeded, match="max_rpc"):
            await alone.publish(TOPIC, bytes(1_048_576), timeout=60.0)
        with pytest.raises(LimitExceeded, match="max_topic_size"):
            await alone.publish("t" * 1_025, b"", timeout=60.0)


async def test_the_same_message_twice() -> None:
    async with pubsubs(PubsubConfig(message_id=sha256_id), None) as (near, far):
        far.subscribe(TOPIC)
        await near.publish(TOPIC, b"once")
        with pytest.raises(LocalError, match="id"):
            await near.publish(TOPIC, b"once")


async def test_others_get_their_turn() -> None:
    async with pubsubs(config(publish_burst=8)) as (alone,):
        turns = 0

        async def count() -> None:
            nonlocal turns
            while True:
                await asyncio.sleep(0)
                turns += 1

        task = asyncio.create_task(count())
        for _ in range(80):
            await alone.publish(TOPIC, b"busy", peers=0)
        task.cancel()
        assert turns >= 9


async def test_the_message_ids_differ() -> None:
    async with pubsubs(None, None) as (near, far):
        theirs = far.subscribe(TOPIC)
        results = [await near.publish(TOPIC, b"same") for _ in range(3)]
        assert len({result.message_id for result in results}) == 3
        assert [each.id for each in await receive(theirs, 3)] == [result.message_id for result in results]
        assert id_of(near).to_bytes() in results[0].message_id


async def test_a_host_without_pubsub_is_no_peer_of_a_topic() -> None:
    async with pubsubs(None) as (pubsub,), BaseHost() as other:
        await other.connect(pubsub._host.full_addresses[0])
        with pytest.raises(NotEnoughPeers):
            await pubsub.publish(TOPIC, b"", timeout=0.01)
