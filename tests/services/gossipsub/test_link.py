"""Our stream to a peer: when it opens, what ends it, and how often it is opened anew."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from p2pstack.aio.stream import Stream
from p2pstack.errors import StreamReset
from p2pstack.gossipsub.protocols import FLOODSUB, PROTOCOLS
from p2pstack.host.host import BaseHost
from p2pstack.identity.multiaddrs import parse
from p2pstack.services.gossipsub import link as link_module
from p2pstack.services.gossipsub.config import PubsubConfig
from p2pstack.services.gossipsub.link import Link
from p2pstack.services.gossipsub.service import Gossipsub
from p2pstack.services.standard import Host
from tests.services.gossipsub.pubsubs import TOPIC, Wild, config, host_of, id_of, pubsub_streams, pubsubs, texts, wild
from tests.services.hosts import LOOPBACK, backward, until

QUICK = config(reopen_delay=0.001)


@pytest.mark.req("GS10-28", "GS10-04")
@pytest.mark.parametrize("how", ["reset", "end", "data"])
async def test_a_stream_that_the_peer_ends_is_opened_anew(how: str) -> None:
    async with wild(QUICK) as (pubsub, peer):
        subscription = pubsub.subscribe(TOPIC)
        await until(lambda: peer.heard_of() == [True])
        (stream,) = peer.streams
        if how == "reset":
            stream.reset()
        elif how == "end":
            stream.close_write()
        else:
            stream.write(b"\0")
        await until(lambda: len(peer.streams) == 2)
        # The hello stands on the new stream, the peer is still known, and still gets messages.
        await until(lambda: peer.heard_of() == [True, True])
        assert peer.host.peer_id in pubsub.peers(TOPIC)
        assert (await pubsub.publish(TOPIC, b"on the new one")).peers == 1
        await until(lambda: peer.heard() == [b"on the new one"])
        await until(lambda: stream.failure is not None)
        counted = {"reset": 0, "end": pubsub.counters["end-of-outbound"], "data": pubsub.counters["data-on-outbound"]}
        assert counted[how] == (0 if how == "reset" else 1)
        peer.publish(b"and from it")
        assert await texts(subscription, 2) == [b"on the new one", b"and from it"]


@pytest.mark.req("GS10-28")
async def test_a_peer_that_ends_every_stream_is_given_up() -> None:
    async with wild(QUICK) as (pubsub, peer):
        for number in range(1, 5):
            await until(lambda number=number: len(peer.streams) == number)  # type: ignore[misc]
            peer.streams[-1].reset()
        await until(lambda: pubsub.counters["given-up"] == 1)
        assert len(peer.streams) == 4
        assert not pubsub.peers()
        assert peer.out is not None
        with pytest.raises(StreamReset):
            await peer.out.read()
        # What it opens now is refused ...
        with pytest.raises(StreamReset):
            await (await peer.open(pubsub)).read()
        # ... but with a new connection all begins anew.
        await peer.host.disconnect(id_of(pubsub))
        await peer.open(pubsub)
        await until(lambda: peer.host.peer_id in pubsub.peers())
        assert len(peer.streams) == 5


@pytest.mark.req("GS10-28")
async def test_a_stream_that_has_lived_long_begins_a_new_row() -> None:
    async with wild(config(reopen_delay=0.001, reopen_memory=1e-9)) as (pubsub, peer):
        for number in range(1, 10):
            await until(lambda number=number: len(peer.streams) == number)  # type: ignore[misc]
            peer.streams[-1].reset()
        await until(lambda: len(peer.streams) == 10)
        assert not pubsub.counters["given-up"]


@pytest.mark.req("GS10-01")
@pytest.mark.parametrize("protocol", PROTOCOLS)
async def test_the_newest_common_protocol_is_spoken(protocol: str) -> None:
    async with pubsubs(None) as (pubsub,), BaseHost() as host:
        peer = Wild(host)
        for other in PROTOCOLS[: PROTOCOLS.index(protocol)]:
            host.unhandle(other)
        await peer.open(pubsub, FLOODSUB)
        await until(lambda: peer.streams)
        assert peer.streams[0].protocol == protocol
        peer.subscribe(TOPIC)
        await pubsub.publish(TOPIC, b"understood")
        await until(lambda: peer.heard() == [b"understood"])


async def test_what_a_peer_has_told_is_proposed_at_once() -> None:
    async with pubsubs(None, None) as (near, far):
        host = host_of(near)
        assert host.connections()
        await host.identify.wait(host.connections()[0])  # type: ignore[attr-defined]
        await host.disconnect(id_of(far))
        await until(lambda: not near.peers())
        connection = await host.connect(host_of(far).full_addresses[0])
        # No answer was waited for: the stream is in use before anything can have come back.
        await until(lambda: near._engine.links[id_of(far)].outbound.stream is not None)
        await until(lambda: id_of(near) in far.peers())
        assert not connection.closed


async def test_what_a_peer_has_told_may_be_out_of_date() -> None:
    async with Host(listen=[LOOPBACK]) as other, pubsubs(QUICK) as (pubsub,):
        host = host_of(pubsub)
        host.peerstore.set_protocols(other.peer_id, PROTOCOLS)
        await host.connect(other.full_addresses[0])
        await until(lambda: other.peer_id in pubsub._engine.links)
        link = pubsub._engine.links[other.peer_id]
        await until(lambda: link._task is not None and link._task.done())
        assert not link.given_up
        assert not pubsub.peers()


async def test_identify_tells_of_peers_that_speak_it_now() -> None:
    async with Host(listen=[LOOPBACK]) as other, pubsubs(None) as (pubsub,):
        host = host_of(pubsub)
        await host.connect(other.full_addresses[0])
        await until(lambda: other.peer_id in pubsub._engine.links)
        link = pubsub._engine.links[other.peer_id]
        await until(lambda: link._task is not None and link._task.done())
        peer = Wild(other)
        await until(lambda: peer.streams)
        assert other.peer_id in pubsub.peers()


@pytest.mark.req("GS11-10", "GS11-36")
async def test_what_is_known_of_a_peer() -> None:
    async with pubsubs(None, None) as (near, far):
        dialled, accepted = far._engine.links[id_of(near)], near._engine.links[id_of(far)]
        assert dialled.dialled
        assert not accepted.dialled
        assert dialled.ips == accepted.ips == ["127.0.0.1"]


@pytest.mark.req("GS11-10", "GS11-36", "RELAY-12")
async def test_relayed_connections_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    async with pubsubs(None, None) as (near, far):
        link = far._engine.links[id_of(near)]
        (connection,) = host_of(far).connections()
        monkeypatch.setattr(connection, "circuit", parse("/ip4/192.0.2.1/tcp/4001/p2p-circuit"))
        assert link.connections == []
        assert not link.dialled
        assert link.ips == []
        assert link._best() is None


async def test_a_peer_without_an_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(link_module.random, "random", lambda: 0.0)
    tries = 0

    async def refuse(self: Link, connection: object) -> Stream:
        nonlocal tries
        tries += 1
        raise StreamReset(1)

    monkeypatch.setattr(Link, "_open", refuse)
    async with Host(listen=[LOOPBACK]) as other, pubsubs(QUICK, connect=False) as (pubsub,):
        await host_of(pubsub).connect(other.full_addresses[0])
        await until(lambda: pubsub.counters["given-up"] == 1)
        assert tries == QUICK.max_streams_in_a_row
        link = pubsub._engine.links[other.peer_id]
        link.start()
        assert link._task is not None
        assert link._task.done()


async def test_a_link_without_a_connection_does_nothing() -> None:
    async with BaseHost() as host, BaseHost() as other:

        def never(*_: object) -> None:
            pytest.fail("nothing happens")

        counters: Counter[str] = Counter()
        link = Link(
            host,
            other.peer_id,
            PubsubConfig(),
            counters,
            on_opened=never,
            on_given_up=never,
            on_renewed=never,
            on_change=never,
        )
        link.start()
        assert link._task is not None
        await link._task
        await link.finish()
        assert link.close() == [link._task]
        assert not counters


# -- the peer's stream


@pytest.mark.misbehave
@pytest.mark.req("GS10-05")
async def test_the_newer_stream_of_a_peer_replaces_the_older() -> None:
    async with wild() as (pubsub, peer):
        subscription = pubsub.subscribe(TOPIC)
        former = peer.out
        assert former is not None
        await peer.open(pubsub)
        with pytest.raises(StreamReset):
            await former.read()
        peer.publish(b"on the newer")
        assert await texts(subscription) == [b"on the newer"]
        assert len(pubsub_streams(host_of(pubsub), "inbound")) == 1
        assert peer.host.peer_id in pubsub.peers(TOPIC)


@pytest.mark.misbehave
@pytest.mark.req("GS10-04", "GS10-28")
async def test_a_peer_that_opens_its_stream_anew_is_told_again_but_not_without_end() -> None:
    """Go forgets what we have said when a stream of its own ends."""
    async with wild() as (pubsub, peer):
        pubsub.subscribe(TOPIC)
        await until(lambda: peer.heard_of() == [True])
        grafted = sum(TOPIC in rpc.graft for rpc in peer.received)
        for number in range(10):
            await peer.open(pubsub)
            peer.subscribe("other")
            told = min(2 + number, 1 + pubsub.config.max_streams_in_a_row)
            await until(lambda told=told: len(peer.heard_of()) == told)
        assert sum(TOPIC in rpc.graft for rpc in peer.received) == grafted + pubsub.config.max_streams_in_a_row
        assert pubsub.mesh(TOPIC) == [peer.host.peer_id]


async def test_a_peer_that_knew_an_earlier_pubsub_is_told_again() -> None:
    async with wild() as (pubsub, peer):
        host = host_of(pubsub)
        pubsub.subscribe(TOPIC)
        await until(lambda: peer.heard_of() == [True])
        await pubsub.stop()
        async with Gossipsub(host) as later:
            later.subscribe(TOPIC)
            told = len(peer.heard_of())
            await until(lambda: later._engine.links[peer.host.peer_id].outbound.stream is not None)
            await until(lambda: len(peer.heard_of()) > told)
            await peer.open(later)
            await until(lambda: peer.heard_of()[-2:] == [True, True])


@pytest.mark.misbehave
@pytest.mark.req("GS10-05")
async def test_streams_before_ours_is_open_wait_for_it_and_replace_each_other() -> None:
    async with pubsubs(None) as (pubsub,), BaseHost() as host:
        # It opens streams to us, but speaks nothing itself, until it does.
        await host.connect(host_of(pubsub).full_addresses[0])
        streams = [await host.open_stream(id_of(pubsub), PROTOCOLS[0]) for _ in range(10)]
        for stream in streams[:-1]:
            with pytest.raises(StreamReset):
                await stream.read()
        served = await backward(host_of(pubsub), host)
        await until(lambda: len(served.handlers) == 1)
        peer = Wild(host)
        peer.out = streams[-1]
        peer.subscribe(TOPIC)
        pubsub._engine.links[host.peer_id].start()
        await until(lambda: host.peer_id in pubsub.peers(TOPIC))


@pytest.mark.req("GS10-28")
async def test_the_peer_stays_when_its_stream_ends() -> None:
    async with wild() as (pubsub, peer):
        assert peer.out is not None
        peer.out.close_write()
        assert await peer.out.read() == b""
        assert (await pubsub.publish(TOPIC, b"you still want it")).peers == 1
        await until(lambda: peer.heard() == [b"you still want it"])
        async with asyncio.timeout(5):
            await peer.open(pubsub)
        peer.subscribe("another")
        await until(lambda: pubsub.peers("another"))
