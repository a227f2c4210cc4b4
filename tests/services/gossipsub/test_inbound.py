"""What peers send: in pieces, in masses, and what can't be read."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from p2pstack.errors import StreamReset
from p2pstack.gossipsub.codec import encode_rpc
from p2pstack.gossipsub.values import Message, Rpc
from p2pstack.host.host import BaseHost
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.gossipsub.validation import Verdict
from p2pstack.wire.framing import encode_frame
from tests.services.gossipsub.pubsubs import TOPIC, Wild, config, receive, texts, wild
from tests.services.hosts import until


@pytest.mark.req("GS10-02", "GS10-05")
@pytest.mark.parametrize("size", [1, 7, 1_000, 100_000])
async def test_rpcs_may_be_cut_anywhere(size: int) -> None:
    async with wild() as (pubsub, peer):
        subscription = pubsub.subscribe(TOPIC)
        sent = [b"%d" % number for number in range(20)]
        frames = [frame for data in sent for frame in encode_rpc(Rpc(publish=[peer.message(data)]))]
        data = b"\0".join(frames) + b"\0\0"  # an RPC of no bytes is no fault
        assert peer.out is not None
        for offset in range(0, len(data), size):
            peer.out.write(data[offset : offset + size])
            if size > 1:
                await asyncio.sleep(0)
        assert await texts(subscription, 20) == sent
        assert peer.out.failure is None


@pytest.mark.req("GS10-14")
async def test_many_messages_in_one_rpc_keep_their_order() -> None:
    async with wild() as (pubsub, peer):
        subscription = pubsub.subscribe(TOPIC)
        sent = [b"%d" % number for number in range(500)]
        payload = b"".join(b"\x12" + encode_frame(peer.message(data).encoded) for data in sent)
        assert peer.out is not None
        peer.out.write(encode_frame(payload))
        assert await texts(subscription, 500) == sent


def _too_long(_: object) -> bytes:
    return b"\x81\x80\x40"


def _no_length(_: object) -> bytes:
    return b"\xff" * 10


def _no_rpc(_: object) -> bytes:
    return encode_frame(b"\x0a\xff\xff\xff")


@pytest.mark.misbehave
@pytest.mark.req("GS10-03", "GS10-05", "GEN-02", "GEN-06")
@pytest.mark.parametrize("bad", [_too_long, _no_length, _no_rpc])
async def test_what_can_not_be_read_costs_the_stream(bad: Callable[[object], bytes]) -> None:
    async with wild() as (pubsub, peer):
        subscription = pubsub.subscribe(TOPIC)
        assert peer.out is not None
        peer.out.write(bad(None))
        with pytest.raises(StreamReset):
            await peer.out.read()
        connection = peer.out.connection
        await peer.open(pubsub)
        peer.publish(b"better")
        assert await texts(subscription) == [b"better"]
        assert not connection.closed


@pytest.mark.misbehave
@pytest.mark.req("GS10-05")
async def test_what_came_before_the_fault_counts() -> None:
    async with wild() as (pubsub, peer):
        subscription = pubsub.subscribe(TOPIC)
        (good,) = encode_rpc(Rpc(publish=[peer.message(b"good")]))
        assert peer.out is not None
        peer.out.write(good + _no_rpc(None) + good)
        with pytest.raises(StreamReset):
            await peer.out.read()
        assert await texts(subscription) == [b"good"]
        assert pubsub.counters["undecodable"] == 1


@pytest.mark.misbehave
@pytest.mark.req("GS10-08", "GS10-10")
@pytest.mark.parametrize("count", [1, 4, 5, 40])
async def test_forged_messages_among_good_ones(count: int) -> None:
    async with wild() as (pubsub, peer):
        subscription = pubsub.subscribe(TOPIC)
        messages = []
        for number in range(count):
            good, other = peer.message(b"good %d" % number), peer.message(b"other")
            forged = Message(b"forged", TOPIC, other.source, other.seqno, other.signature)
            messages += [forged, good]
        peer.say(Rpc(publish=messages))
        assert await texts(subscription, count) == [b"good %d" % number for number in range(count)]
        await until(lambda: pubsub.counters["bad-signature"] == count)
        assert pubsub.usage()["max_checking"].current == 0


@pytest.mark.misbehave
@pytest.mark.req("GS10-12")
async def test_copies_are_delivered_once() -> None:
    async with wild() as (pubsub, peer):
        subscription = pubsub.subscribe(TOPIC)
        message = peer.message(b"again and again")
        peer.say(Rpc(publish=[message] * 100))
        peer.publish(b"end")
        assert await texts(subscription, 2) == [b"again and again", b"end"]
        assert pubsub.counters["duplicate"] == 99


async def test_an_observer_sees_each_rpc_and_each_copy() -> None:
    seen: list[tuple[PeerId, Rpc]] = []
    observer = config(on_rpc=lambda sender, rpc: seen.append((sender, rpc)))
    async with wild(observer) as (pubsub, peer):
        subscription = pubsub.subscribe(TOPIC)
        message = peer.message(b"twice")
        peer.say(Rpc(publish=[message]))
        peer.say(Rpc(publish=[message]))
        peer.publish(b"end")
        await texts(subscription, 2)
        assert {sender for sender, _ in seen} == {peer.host.peer_id}
        assert [each.data for _, rpc in seen for each in rpc.publish] == [b"twice", b"twice", b"end"]


@pytest.mark.req("GS12-02")
async def test_the_mesh_is_told_before_the_validators_are_done() -> None:
    release = asyncio.Event()

    async def slow(_: object) -> Verdict:
        await release.wait()
        return Verdict.ACCEPT

    async with wild() as (pubsub, peer):
        subscription = pubsub.subscribe(TOPIC)
        pubsub.validate(TOPIC, slow)
        async with BaseHost() as host:
            other = Wild(host)
            await other.open(pubsub)
            other.subscribe(TOPIC)
            await until(lambda: host.peer_id in pubsub.mesh(TOPIC))
            peer.publish(bytes(2_000))
            await until(lambda: any(rpc.idontwant for rpc in other.received))
            assert not other.heard()
            release.set()
            await until(lambda: other.heard() == [bytes(2_000)])
            assert await texts(subscription) == [bytes(2_000)]


@pytest.mark.req("GS10-24")
async def test_a_flood_leaves_the_loop_its_turns() -> None:
    async with wild(config(verify_threads=0)) as (pubsub, peer):
        subscription = pubsub.subscribe(TOPIC, max_messages=2_000)
        peer.publish(*(b"%d" % number + bytes(500) for number in range(2_000)))
        turns = 0
        while len(subscription) < 2_000:
            await asyncio.sleep(0)
            turns += 1
        assert turns > 20
        assert len(await receive(subscription, 2_000)) == 2_000


async def test_the_end_of_the_host_while_messages_are_verified() -> None:
    async with wild() as (pubsub, peer):
        pubsub.subscribe(TOPIC)
        peer.publish(*(b"%d" % number for number in range(500)))
        await until(lambda: pubsub.usage()["max_checking"].current)
        await pubsub.stop()
        for connection in pubsub._host.connections():
            for task in connection.shut_down_handlers():
                await asyncio.wait((task,))
        assert pubsub.usage()["max_checking"].current == 0
