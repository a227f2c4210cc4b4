"""The router in its surroundings: heartbeats, what is protected, and events that are missed."""

from __future__ import annotations

import asyncio

import pytest

from p2pstack.errors import ConnectionClosed
from p2pstack.gossipsub.values import Prune, Rpc
from p2pstack.host.config import HostConfig
from p2pstack.services.gossipsub.service import Gossipsub
from p2pstack.services.gossipsub.validation import Verdict
from p2pstack.services.standard import Host
from tests.services.gossipsub.pubsubs import TOPIC, config, host_of, id_of, join, pubsubs, texts, wild
from tests.services.hosts import LOOPBACK, until

QUICK = {"heartbeat_interval": 0.01, "heartbeat_delay": 0.01}


@pytest.mark.req("GS10-19", "GS10-16")
async def test_heartbeats_make_a_mesh() -> None:
    async with wild(config(router=QUICK)) as (pubsub, peer):
        pubsub.subscribe(TOPIC)
        await until(lambda: pubsub.mesh(TOPIC) == [peer.host.peer_id])
        peer.say(Rpc(prune=[Prune(TOPIC, [], 1)]))
        await until(lambda: not pubsub.mesh(TOPIC))
        await until(lambda: pubsub.mesh(TOPIC) == [peer.host.peer_id])
        await until(lambda: sum(TOPIC in rpc.graft for rpc in peer.received) == 2)


async def test_members_of_the_mesh_are_protected() -> None:
    async with wild() as (pubsub, peer):
        manager = host_of(pubsub)._manager
        assert not manager.is_protected(peer.host.peer_id)
        subscription = pubsub.subscribe(TOPIC)
        await until(lambda: pubsub.mesh(TOPIC))
        assert manager.is_protected(peer.host.peer_id)
        subscription.close()
        assert not manager.is_protected(peer.host.peer_id)
        pubsub.subscribe(TOPIC)
        await host_of(pubsub).disconnect(peer.host.peer_id)
        await until(lambda: not pubsub.peers())
        assert not manager.is_protected(peer.host.peer_id)


@pytest.mark.req("GS11-09", "GS11-15")
async def test_gossip_brings_what_a_mesh_has_not() -> None:
    # A router that keeps nobody in its mesh can only gossip.
    nobody = {"d": 0, "d_low": 0, "d_high": 0, "d_score": 0, "d_out": 0, "flood_publish": False}
    async with pubsubs(config(router={**QUICK, **nobody}), None) as (near, far):
        near.subscribe(TOPIC)
        theirs = far.subscribe(TOPIC)
        await until(lambda: near.peers(TOPIC) and far.peers(TOPIC))
        result = await near.publish(TOPIC, b"by word of mouth")
        assert result.peers == 0
        assert await texts(theirs) == [b"by word of mouth"]


async def test_ends_of_connections_that_are_missed_are_noticed_later() -> None:
    host_config = HostConfig(event_queue=1)
    async with Host(listen=[LOOPBACK], config=host_config) as host, Gossipsub(host) as pubsub:
        async with pubsubs(None, None, connect=False) as others:
            for other in others:
                await join(other, pubsub)
            assert len(pubsub.peers()) == 2
            for connection in host.connections():
                connection.abort(ConnectionClosed())
            await until(lambda: not pubsub.peers())
        assert not pubsub._engine.links


async def test_a_second_connection_tells_the_router() -> None:
    async with pubsubs(None, None) as (near, far):
        near.subscribe(TOPIC)
        dialer = host_of(near)._dialer
        assert dialer is not None
        assert not near._engine.links[id_of(far)].dialled
        second = await dialer.dial(id_of(far), host_of(far).addresses, None)
        assert near._engine.links[id_of(far)].dialled
        assert near._engine.router._state.peers[id_of(far)].outbound
        second.abort(ConnectionClosed())
        await until(lambda: len(host_of(near).connections()) == 1)
        assert id_of(far) in near.peers()
        await until(lambda: not near._engine.router._state.peers[id_of(far)].outbound)
        assert not near._engine.links[id_of(far)].dialled


async def test_what_is_planned_is_flushed_once() -> None:
    async def accept(_: object) -> Verdict:
        await asyncio.sleep(0)
        return Verdict.ACCEPT

    async with wild() as (pubsub, peer):
        subscription = pubsub.subscribe(TOPIC)
        pubsub.validate(TOPIC, accept)
        peer.publish(*(b"%d" % number for number in range(20)))
        assert len(await texts(subscription, 20)) == 20
        await pubsub.publish(TOPIC, b"own")
        await until(lambda: peer.heard() == [b"own"])


async def test_the_end_of_a_stranger_is_no_event() -> None:
    async with pubsubs(None, None) as (near, far):
        near._engine.ended(host_of(near).peer_id)
        assert near._engine.forget(host_of(near).peer_id) == []
        assert near.peers() == [id_of(far)]
