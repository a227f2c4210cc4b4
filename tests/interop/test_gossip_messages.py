"""Messages between p2pstack, go and rust: signed and unsigned, long and short, many, and at once (specs/gossipsub.md).

Each pair is tried with each as the dialer; ours is a host in this process. See gossip.py for the members.
"""

from __future__ import annotations

import pytest

from p2pstack.gossipsub import reasons
from tests.interop.gossip import TOPIC, Settings, all_get, connect, meet, member, ours, process
from tests.interop.harness import Peers
from tests.interop.pairs import each_other_kind, each_pair
from tests.interop.proxy import Proxy, Weather

pytestmark = pytest.mark.interop

each_side = pytest.mark.parametrize("we_dial", [True, False], ids=["we-dial", "we-are-dialled"])

KIB = 1024
RUST_LIMIT = 64 * KIB
"""Rust's longest RPC, unless told otherwise."""
GO_LIMIT = 1024 * KIB
ROUNDS = 10


@each_pair
@pytest.mark.req("GS10-02", "GS10-07", "GS10-08", "GS10-29")
async def test_signed_messages_both_ways(peers: Peers, dialer: str, listener: str) -> None:
    async with member(peers, listener, TOPIC) as far, member(peers, dialer, TOPIC) as near:
        await meet(near, far)
        for sender, other in ((near, far), (far, near)):
            for size in (1, 100, KIB, 60_000):
                await all_get(sender, [other], size * sender.kind.encode()[:1])
        assert set(near.got(TOPIC).values()) == set(far.got(TOPIC).values()) == {1}


@each_other_kind
@pytest.mark.req("GS10-29")
async def test_empty_data_keeps_its_signature(peers: Peers, kind: str) -> None:
    async with process(peers, kind, TOPIC) as node, ours(TOPIC) as own:
        await meet(own, node)
        await all_get(own, [node], b"")
        await all_get(node, [own], b"")


@each_pair
@pytest.mark.req("GS10-10")
async def test_messages_of_nobody_both_ways(peers: Peers, dialer: str, listener: str) -> None:
    settings = Settings(policy="anonymous")
    async with (
        member(peers, listener, TOPIC, settings=settings) as far,
        member(peers, dialer, TOPIC, settings=settings) as near,
    ):
        await meet(near, far)
        for size in (16, KIB, 60_000):
            await all_get(near, [far], size * b"n", signed=False)
            await all_get(far, [near], size * b"f", signed=False)


@each_other_kind
@pytest.mark.req("GS10-10")
async def test_who_is_permissive_takes_signed_messages_and_unsigned_ones(peers: Peers, kind: str) -> None:
    """Ours in the middle of three that sign, need not sign, and don't; each hears all that it can."""
    sha = "sha256"
    async with (
        process(peers, kind, TOPIC, settings=Settings(policy="lax", ids=sha)) as signer,
        process(peers, kind, TOPIC, settings=Settings(policy="lax-unsigned", ids=sha)) as nobody,
        ours(TOPIC, settings=Settings(policy="lax", ids=sha)) as own,
    ):
        await meet(own, signer)
        await meet(nobody, own)
        await all_get(signer, [own, nobody], b"signed")
        await all_get(nobody, [own, signer], b"unsigned", signed=False)
        await all_get(own, [nobody, signer], b"signed by us")


@each_other_kind
@pytest.mark.req("GS10-10")
async def test_unsigned_messages_are_not_taken_by_who_wants_signatures(peers: Peers, kind: str) -> None:
    async with (
        process(peers, kind, TOPIC, settings=Settings(policy="lax-unsigned")) as nobody,
        process(peers, kind, TOPIC) as strict,
        ours(TOPIC) as own,
        ours(TOPIC, settings=Settings(policy="lax-unsigned")) as our_nobody,
    ):
        await meet(own, nobody)
        await meet(our_nobody, strict)
        await nobody.publish(TOPIC, b"who am I?")
        await own.until(lambda: own.pubsub.counters[reasons.MISSING_SIGNATURE] == 1, "refused message")
        assert not own.got(TOPIC)
        # the stream lives on at both of the strict ones
        await all_get(own, [nobody], b"signed")
        await our_nobody.publish(TOPIC, b"who am I?")
        await all_get(strict, [our_nobody], b"signed, too")
        assert not strict.got(TOPIC)


@each_other_kind
@each_side
@pytest.mark.req("GS10-04", "GS10-22")
async def test_a_message_right_behind_subscribe_arrives(peers: Peers, kind: str, we_dial: bool) -> None:
    topics = [f"topic-{number}" for number in range(ROUNDS)]
    async with process(peers, kind, *topics) as node, ours() as own:
        await connect(*((own, node) if we_dial else (node, own)))
        for topic in topics:
            own.subscribe(topic)
            await own.publish(topic, topic.encode())
        for topic in topics:
            await node.gets(own.peer_id, topic.encode(), topic)


@each_pair
@pytest.mark.req("GS10-24")
async def test_a_thousand_messages_and_none_is_lost(peers: Peers, dialer: str, listener: str) -> None:
    count = 1000
    async with member(peers, listener, TOPIC) as far, member(peers, dialer, TOPIC) as near:
        await meet(near, far)
        for sender, other in ((near, far), (far, near)):
            await sender.burst(TOPIC, size=KIB, count=count, rate=1000)
            await other.gets_many(count)
            assert set(other.got(TOPIC).values()) == {1}
            assert len(other.got(TOPIC)) == count


@pytest.mark.parametrize("kind", ["go"])
@pytest.mark.req("GS10-03")
async def test_go_and_we_send_each_other_up_to_a_mebibyte(peers: Peers, kind: str) -> None:
    async with process(peers, kind, TOPIC) as node, ours(TOPIC) as own:
        await meet(own, node)
        for size in (RUST_LIMIT + 1, 300_000, GO_LIMIT - 200):
            await all_get(own, [node], size * b"o")
            await all_get(node, [own], size * b"g")


@pytest.mark.parametrize("kind", ["rust"])
@pytest.mark.req("GS10-03", "GS10-28")
async def test_a_message_beyond_rusts_limit_costs_no_more_than_itself(peers: Peers, kind: str) -> None:
    """Rust ends its side of the stream at an RPC beyond its limit; the next stream goes on."""
    async with process(peers, kind, TOPIC) as node, ours(TOPIC) as own:
        await meet(own, node)
        await all_get(own, [node], (RUST_LIMIT - 200) * b"o")
        await all_get(node, [own], (RUST_LIMIT - 200) * b"r")
        for number in range(2):
            await own.publish(TOPIC, (RUST_LIMIT + 1) * bytes([number]))
            await own.has_opened(node, number + 2)
            await all_get(own, [node], b"after %d" % number)
            await all_get(node, [own], b"back after %d" % number)
        assert max(map(len, (node.got(TOPIC), own.got(TOPIC)))) == 3


@pytest.mark.parametrize("kind", ["rust"])
@pytest.mark.req("GS10-03")
async def test_rust_with_a_higher_limit_takes_long_messages(peers: Peers, kind: str) -> None:
    async with process(peers, kind, TOPIC, settings=Settings(max_transmit=262_144)) as node, ours(TOPIC) as own:
        await meet(node, own)
        await all_get(own, [node], 250_000 * b"o")
        await all_get(node, [own], 250_000 * b"r")


@each_other_kind
@pytest.mark.req("GS10-01")
async def test_one_byte_at_a_time(peers: Peers, kind: str) -> None:
    slow = Weather(segment=1)
    async with (
        process(peers, kind, TOPIC) as node,
        ours(TOPIC) as own,
        Proxy(node.address, up=slow, down=slow) as proxy,
    ):
        await own.dial(proxy.address)
        await own.meshes_with(node)
        await node.meshes_with(own)
        for size in (1, 3 * KIB):
            await all_get(own, [node], size * b"o")
            await all_get(node, [own], size * b"n")
