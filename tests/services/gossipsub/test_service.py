"""Pubsub between hosts: publish and subscribe, the beginning and the end."""

from __future__ import annotations

import asyncio
import threading

import pytest

from p2pstack.errors import ConnectionClosed, HostClosed, LocalError
from p2pstack.gossipsub.protocols import PROTOCOLS
from p2pstack.gossipsub.score.config import ScoreConfig
from p2pstack.gossipsub.signing import SigningPolicy
from p2pstack.host.events import Event
from p2pstack.host.host import BaseHost
from p2pstack.identity.keys import PrivateKey
from p2pstack.services.gossipsub.config import PubsubConfig
from p2pstack.services.gossipsub.events import PeerGrafted, PeerJoinedTopic, PeerLeftTopic, PeerPruned
from p2pstack.services.gossipsub.service import Gossipsub
from p2pstack.services.standard import Host
from tests.host.hosts import nothing_left
from tests.services.gossipsub.pubsubs import (
    TOPIC,
    config,
    host_of,
    id_of,
    join,
    pubsub_streams,
    pubsubs,
    receive,
    texts,
    wild,
)
from tests.services.hosts import LOOPBACK, next_event, until

# -- messages


@pytest.mark.req("GS10-01", "GS10-04", "GS10-18", "GS10-21")
async def test_messages_go_both_ways() -> None:
    async with pubsubs(None, None) as (near, far):
        mine, theirs = near.subscribe(TOPIC), far.subscribe(TOPIC)
        result = await near.publish(TOPIC, b"there")
        (message,) = await receive(theirs)
        assert (message.data, message.topic, message.author) == (b"there", TOPIC, id_of(near))
        assert (message.peer, message.id) == (id_of(near), result.message_id)
        assert (result.peers, result.dropped) == (1, 0)
        await far.publish(TOPIC, b"and back")
        assert await texts(mine, 2) == [b"there", b"and back"]
        assert await texts(theirs) == [b"and back"]


@pytest.mark.req("GS10-22")
async def test_a_publish_right_behind_connect_arrives() -> None:
    async with pubsubs(None, None, connect=False) as (near, far):
        theirs = far.subscribe(TOPIC)
        await host_of(near).connect(host_of(far).full_addresses[0])
        result = await near.publish(TOPIC, b"at once")
        assert result.peers == 1
        assert await texts(theirs) == [b"at once"]


@pytest.mark.req("GS10-22")
async def test_a_publish_right_behind_subscribe_arrives() -> None:
    async with pubsubs(None, None) as (near, far):
        near.subscribe(TOPIC)
        theirs = far.subscribe(TOPIC)
        await near.publish(TOPIC, b"at once")
        assert await texts(theirs) == [b"at once"]


@pytest.mark.req("GS10-21", "GS10-12")
async def test_messages_are_sent_on_once() -> None:
    async with pubsubs(None, None, None) as (first, second, third):
        subscriptions = [each.subscribe(TOPIC) for each in (first, second, third)]
        await until(lambda: id_of(third) in second.mesh(TOPIC) and id_of(first) in second.mesh(TOPIC))
        sent = [b"%d" % number for number in range(100)]
        for data in sent:
            await first.publish(TOPIC, data)
        for subscription in subscriptions:
            assert await texts(subscription, 100) == sent
        assert not any(len(subscription) for subscription in subscriptions)


async def test_own_messages_come_to_every_own_subscription() -> None:
    async with pubsubs(None) as (alone,):
        first, second = alone.subscribe(TOPIC), alone.subscribe(TOPIC)
        result = await alone.publish(TOPIC, b"to myself", peers=0)
        assert result.peers == 0
        for subscription in (first, second):
            (message,) = await receive(subscription)
            assert (message.data, message.peer, message.id) == (b"to myself", id_of(alone), result.message_id)


@pytest.mark.req("GS10-04")
async def test_the_topic_is_left_with_the_last_subscription() -> None:
    async with wild() as (pubsub, peer):
        first, second = pubsub.subscribe(TOPIC), pubsub.subscribe(TOPIC)
        assert pubsub.topics == [TOPIC]
        first.close()
        assert pubsub.topics == [TOPIC]
        second.close()
        second.close()
        assert pubsub.topics == []
        await until(lambda: peer.heard_of() == [True, False])
        async with pubsub.subscribe(TOPIC):
            await until(lambda: peer.heard_of() == [True, False, True])
        await until(lambda: peer.heard_of() == [True, False, True, False])


@pytest.mark.req("GS10-13", "GS10-17")
async def test_who_unsubscribes_gets_nothing_more() -> None:
    async with pubsubs(None, None) as (near, far):
        async with far.subscribe(TOPIC) as theirs:
            await near.publish(TOPIC, b"first")
            assert await texts(theirs) == [b"first"]
        await until(lambda: not near.peers(TOPIC))
        assert (await near.publish(TOPIC, b"second", peers=0)).peers == 0
        async with asyncio.timeout(5):
            assert [each async for each in theirs] == []


@pytest.mark.deadline(60)
async def test_thousands_of_messages_arrive_in_order() -> None:
    count = 5_000
    async with pubsubs(None, None) as (near, far):
        theirs = far.subscribe(TOPIC, max_messages=count)
        sent = [b"%06d" % number + bytes(500) for number in range(count)]
        results = [await near.publish(TOPIC, data) for data in sent]
        assert {(result.peers, result.dropped) for result in results} == {(1, 0)}
        assert await texts(theirs, count) == sent
        assert theirs.dropped == 0
        assert not far.counters


# -- policies


ANONYMOUS = PubsubConfig(policy=SigningPolicy.STRICT_NO_SIGN)
LAX = PubsubConfig(policy=SigningPolicy.PERMISSIVE)
LAX_ANONYMOUS = PubsubConfig(policy=SigningPolicy.PERMISSIVE, author=False)


@pytest.mark.req("GS10-10")
@pytest.mark.parametrize(
    ("sender", "receiver", "reason"),
    [
        (ANONYMOUS, ANONYMOUS, None),
        (LAX, LAX, None),
        (LAX_ANONYMOUS, LAX_ANONYMOUS, None),
        (None, LAX, None),
        (LAX_ANONYMOUS, None, "missing-signature"),
        (None, ANONYMOUS, "unexpected-signature"),
        (ANONYMOUS, LAX_ANONYMOUS, None),
    ],
)
async def test_policies(sender: PubsubConfig | None, receiver: PubsubConfig | None, reason: str | None) -> None:
    async with pubsubs(sender, receiver) as (near, far):
        theirs = far.subscribe(TOPIC)
        await near.publish(TOPIC, b"signed or not")
        if reason is None:
            (message,) = await receive(theirs)
            assert message.author == (id_of(near) if near.config.signs else None)
        else:
            await until(lambda: far.counters[reason] == 1)
            assert not len(theirs)


async def test_the_author_can_be_somebody_else() -> None:
    key = PrivateKey.generate()
    async with pubsubs(PubsubConfig(author=key), None) as (near, far):
        theirs = far.subscribe(TOPIC)
        await near.publish(TOPIC, b"in the name of")
        assert [each.author for each in await receive(theirs)] == [key.peer_id]


# -- peers


@pytest.mark.req("GS10-04", "GS11-20")
async def test_events_tell_of_topics_and_meshes() -> None:
    async with pubsubs(None, None) as (near, far):
        events = host_of(near).events(PeerJoinedTopic, PeerLeftTopic, PeerGrafted, PeerPruned)
        near.subscribe(TOPIC)
        theirs = far.subscribe(TOPIC)
        joined = await next_event(events, PeerJoinedTopic)
        assert (joined.peer, joined.topic) == (id_of(far), TOPIC)
        assert (await next_event(events, PeerGrafted)).peer == id_of(far)
        assert near.mesh(TOPIC) == [id_of(far)]
        theirs.close()
        # In either order: the PRUNE goes first where the peer has us in its mesh by now.
        last = [await next_event(events, Event) for _ in range(2)]
        assert {type(event) for event in last} == {PeerPruned, PeerLeftTopic}
        assert {event.peer for event in last if isinstance(event, PeerPruned | PeerLeftTopic)} == {id_of(far)}
        assert near.mesh(TOPIC) == []


@pytest.mark.req("GS11-20")
async def test_a_peer_that_is_gone_is_forgotten() -> None:
    async with pubsubs(None, None) as (near, far):
        near.subscribe(TOPIC)
        far.subscribe(TOPIC)
        await until(lambda: near.mesh(TOPIC))
        await host_of(near).disconnect(id_of(far))
        await until(lambda: not near.peers() and not far.peers())
        assert not near.mesh(TOPIC)
        assert not near.peers(TOPIC)
        assert not near._engine.links


async def test_a_peer_that_comes_back_at_once_is_greeted_anew() -> None:
    async with pubsubs(None, None) as (near, far):
        near.subscribe(TOPIC)
        theirs = far.subscribe(TOPIC)
        for number in range(3):
            (connection,) = host_of(near).connections(id_of(far))
            connection.abort(ConnectionClosed())
            await host_of(near).connect(host_of(far).full_addresses[0])
            await near.publish(TOPIC, b"%d" % number)
            assert await texts(theirs) == [b"%d" % number]


async def test_a_peer_whose_end_was_missed_is_greeted_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    async with pubsubs(None, None) as (near, far):
        near.subscribe(TOPIC)
        theirs = far.subscribe(TOPIC)
        await until(lambda: near.mesh(TOPIC))
        link = near._engine.links[id_of(far)]
        with monkeypatch.context() as patch:
            patch.setattr(near._engine, "ended", lambda peer: None)
            await host_of(near).disconnect(id_of(far))
            await until(lambda: not far.peers())
        assert near.mesh(TOPIC)
        await host_of(near).connect(host_of(far).full_addresses[0])
        assert link.closed
        assert near._engine.links[id_of(far)] is not link
        await near.publish(TOPIC, b"once more")
        assert await texts(theirs) == [b"once more"]


@pytest.mark.req("GS10-28")
async def test_with_a_second_connection_the_first_may_end() -> None:
    async with pubsubs(None, None) as (near, far):
        near.subscribe(TOPIC)
        theirs = far.subscribe(TOPIC)
        host = host_of(near)
        (first,) = host.connections(id_of(far))
        dialer = host._dialer
        assert dialer is not None
        second = await dialer.dial(id_of(far), host_of(far).addresses, None)
        await until(lambda: len(host_of(far).connections(id_of(near))) == 2)
        await near.publish(TOPIC, b"by the first")
        assert await texts(theirs) == [b"by the first"]
        first.abort(ConnectionClosed())
        await until(lambda: host.connections(id_of(far)) == [second])
        await near.publish(TOPIC, b"by the second")
        assert await texts(theirs) == [b"by the second"]
        assert len(pubsub_streams(host, "outbound")) == 1


async def test_pubsub_that_comes_after_the_connection() -> None:
    async with Host(listen=[LOOPBACK]) as one, Host(listen=[LOOPBACK]) as other, Gossipsub(one) as near:
        connection = await one.connect(other.full_addresses[0])
        await one.identify.wait(connection)
        near.subscribe(TOPIC)
        async with Gossipsub(other) as far:
            theirs = far.subscribe(TOPIC)
            await near.publish(TOPIC, b"better late")
            assert await texts(theirs) == [b"better late"]
            await far.publish(TOPIC, b"than never")
        await until(lambda: not near.peers())


@pytest.mark.req("GS10-01")
async def test_hosts_without_pubsub_are_left_alone() -> None:
    async with pubsubs(None) as (pubsub,), Host(listen=[LOOPBACK]) as other:
        connection = await host_of(pubsub).connect(other.full_addresses[0])
        await host_of(pubsub).identify.wait(connection)  # type: ignore[attr-defined]
        link = pubsub._engine.links[other.peer_id]
        await until(lambda: link._task is not None and link._task.done())
        assert not pubsub.peers()
        assert not pubsub_streams(host_of(pubsub), "outbound")
        assert not connection.closed


# -- what can be asked


async def test_scores_and_usage() -> None:
    async with pubsubs(PubsubConfig(score=ScoreConfig()), None) as (near, far):
        assert near.score(id_of(far)) == 0.0
        assert set(near.scores()) == {id_of(far)}
        assert far.scores() == {}
        assert far.score(id_of(near)) == 0.0
        far.subscribe(TOPIC)
        await near.publish(TOPIC, b"counts")
        usage = near.usage()
        assert usage["max_seen"].current == 1
        assert usage["max_cache"].current > 6
        assert {"max_queue", "max_validations", "max_exchanged", "max_checking"} <= set(usage)
        assert all(each.current <= each.limit for each in usage.values())


# -- the beginning and the end


async def test_it_is_started_and_stopped_with_its_host() -> None:
    host = Host(listen=[LOOPBACK])
    pubsub = Gossipsub(host)
    subscription = pubsub.subscribe(TOPIC)
    with pytest.raises(HostClosed):
        await pubsub.publish(TOPIC, b"too early")
    async with pubsubs(None) as (other,):
        async with host:
            await join(pubsub, other)
            await other.publish(TOPIC, b"here")
            assert await texts(subscription) == [b"here"]
        assert [each async for each in subscription] == []
        with pytest.raises(HostClosed):
            await pubsub.publish(TOPIC, b"too late")
        with pytest.raises(HostClosed):
            pubsub.subscribe(TOPIC)
        with pytest.raises(HostClosed):
            await pubsub.start()
        await pubsub.stop()


async def test_a_host_has_one() -> None:
    async with BaseHost() as host, Gossipsub(host):
        with pytest.raises(LocalError, match="already"):
            Gossipsub(host)
    async with BaseHost() as host:
        async with Gossipsub(host) as first:
            assert set(PROTOCOLS) <= set(host.protocols)
            await first.start()
        assert not set(PROTOCOLS) & set(host.protocols)
        async with Gossipsub(host):
            assert set(PROTOCOLS) <= set(host.protocols)


async def test_what_was_published_arrives_though_all_ends_at_once() -> None:
    count = 2_000
    async with pubsubs(None) as (far,):
        theirs = far.subscribe(TOPIC)
        async with Host() as host, Gossipsub(host) as near:
            await join(near, far)
            for number in range(count):
                await near.publish(TOPIC, b"%d" % number + bytes(1_000))
        assert len(await receive(theirs, count)) == count


async def test_stopping_leaves_nothing_behind() -> None:
    threads = threading.active_count()
    async with nothing_left():
        async with pubsubs(None, None) as (near, far):
            theirs = far.subscribe(TOPIC, max_messages=1_000)
            far.validate("slow", _never)
            far.subscribe("slow")
            for number in range(1_000):
                await near.publish(TOPIC, b"%d" % number)
            await receive(theirs, 1_000)
            await near.publish("slow", b"looked at for ever")
            await until(lambda: far.usage()["max_validations"].current)
            assert threading.active_count() > threads
        assert threading.active_count() == threads


async def test_the_connection_stays_when_pubsub_ends() -> None:
    async with Host(listen=[LOOPBACK]) as one, pubsubs(None) as (far,):
        theirs = far.subscribe(TOPIC)
        async with Gossipsub(one) as near:
            await join(near, far)
            near.subscribe(TOPIC)
            await until(lambda: far.mesh(TOPIC))
        await until(lambda: not far.peers(TOPIC))
        (connection,) = one.connections()
        assert not connection.closed
        assert not pubsub_streams(one, "outbound")
        async with Gossipsub(one) as near:
            await near.publish(TOPIC, b"again")
            assert await texts(theirs) == [b"again"]


async def test_stopping_does_not_wait_long_for_a_peer_that_does_not_read() -> None:
    async with wild(config(close_timeout=0.05)) as (pubsub, peer):
        peer.reading = False
        for _ in range(40):
            await pubsub.publish(TOPIC, bytes(100_000), drop_when_full=True)
        async with asyncio.timeout(5):
            await pubsub.stop()
        assert not pubsub._engine.links


async def _never(_: object) -> bool:
    await asyncio.Event().wait()
    return True
