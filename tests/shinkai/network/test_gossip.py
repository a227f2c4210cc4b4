"""Gossip: topics, discovery, and payloads of those who wish us ill."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from p2pstack.errors import DeadlineExceeded, LimitExceeded
from p2pstack.gossipsub.ids import rust_id
from p2pstack.gossipsub.signing import SigningPolicy
from p2pstack.services.gossipsub.config import PubsubConfig
from p2pstack.services.gossipsub.publishing import NotEnoughPeers
from p2pstack.services.gossipsub.service import Gossipsub
from p2pstack.services.standard import Host
from p2pstack.shinkai import json_form
from p2pstack.shinkai.limits.config import BandwidthConfig
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.network.config import GossipConfig, HandlerConfig
from p2pstack.shinkai.network.gossip import NETWORK, direct_topic, own_topics, topic_of
from p2pstack.shinkai.network.manager import LibP2PManager
from p2pstack.shinkai.network.profiles import Profile, seed_pubsub
from tests.aio.shell import until
from tests.shinkai.network.nodes import KEYS, LOOPBACK, QUICK, manager_of, meet, text

PEER = KEYS["alice"].signature.peer_id
BOBS = topic_of(text("x"))


@contextlib.asynccontextmanager
async def bob_and_a_rogue(
    folder: Path, *, pubsub: PubsubConfig | None = None, **options: Any
) -> AsyncIterator[tuple[LibP2PManager, Gossipsub]]:
    """A manager, and pubsub that may publish to it what it likes; at the end the manager still takes messages."""
    async with (
        manager_of("bob", Profile.SEED, folder, **options) as bob,
        Host(listen=[LOOPBACK]) as host,
        Gossipsub(host, config=pubsub or replace(seed_pubsub(), max_queue=8_000_000)) as rogue,
    ):
        await host.connect(bob.addresses[0])
        await until(lambda: bob.peer_id in rogue.peers(BOBS) and bob.peer_id in rogue.peers(NETWORK))
        yield bob, rogue
        async with manager_of("alice", Profile.SEED, folder) as alice:
            await meet(alice, bob)
            await until(lambda: bool(alice.topic_peers(BOBS)))
            before = bob.handler.counters["accepted"]
            await alice.broadcast(BOBS, text("still there?"))
            await until(lambda: bob.handler.counters["accepted"] == before + 1)


@pytest.mark.req("SHK-72")
def test_topics_follow_from_names() -> None:
    assert topic_of(text("x", recipient="carol")) == "shinkai-@@carol.shinkai"
    peer = str(PEER)
    with_profile = own_topics(ShinkaiName.parse("@@Bob.shinkai/main"), PEER)
    assert with_profile == (
        "shinkai-network",
        "shinkai-@@bob.shinkai/main",
        "shinkai-@@bob.shinkai",
        f"shinkai-direct-{peer}",
    )
    assert own_topics(ShinkaiName.parse("bob"), PEER) == (NETWORK, "shinkai-@@bob.shinkai", direct_topic(PEER))


@pytest.mark.req("SHK-72", "SHK-74")
async def test_payloads_that_are_no_messages_are_counted_and_that_is_all(tmp_path: Path) -> None:
    async with bob_and_a_rogue(tmp_path) as (bob, rogue):
        for payload in (b"\xff\xfe", b"", b"{}", b"[" * 100_000, b"[" * 500 + b"]" * 500, b'{"identity":"@@x"}'):
            await rogue.publish(NETWORK, payload)
        for payload in (
            b'{"type":"discovery"}',
            b'{"type":"discovery","peer_id":"nobody"}',
            b'{"type":"discovery","peer_id":"%s"' % b"x" * 1_100,
            b'{"type":' + b"[" * 900,
        ):
            await rogue.publish(NETWORK, payload)
        await until(lambda: bob.counters["max_discovery"] == 1 and bob.counters["bad-discovery"] == 3)
        await until(lambda: bob.handler.counters.total() == 5)
        assert bob.handler.counters == {"malformed": 3, "oversized": 1, "too-deep": 1}
        assert bob.counters["no-utf-8"] == 1


@pytest.mark.req("SHK-72")
async def test_a_message_without_an_author_is_dropped(tmp_path: Path) -> None:
    config = replace(seed_pubsub(), author=False, message_id=None)
    async with bob_and_a_rogue(tmp_path, pubsub=config) as (bob, rogue):
        await rogue.publish(NETWORK, json_form.encode(text("by nobody")))
        await until(lambda: bob.counters["no-author"] == 1)
        assert bob.handler.counters["accepted"] == 0


@pytest.mark.req("SHK-72")
async def test_the_longest_message_passes_and_a_longer_one_is_refused_before_it_is_sent(tmp_path: Path) -> None:
    async with manager_of("alice", Profile.SEED, tmp_path) as alice, manager_of("bob", Profile.SEED, tmp_path) as bob:
        await meet(alice, bob)
        await until(lambda: bool(alice.topic_peers(BOBS)))
        room = 262_144 - len(json_form.encode(text(""))) - 400
        await alice.broadcast(BOBS, text("x" * room))
        await until(lambda: bob.handler.counters["accepted"] == 1)
        with pytest.raises(LimitExceeded, match=r"max_rpc of 262144"):
            await alice.broadcast(BOBS, text("x" * 262_144))
        network = await alice.broadcast(NETWORK, text("to everybody"))
        assert (network.peers, network.network_peers) == (1, 1)


@pytest.mark.req("SHK-72")
async def test_an_rpc_beyond_the_limit_costs_its_sender_the_stream(tmp_path: Path) -> None:
    router = replace(seed_pubsub().router, max_rpc=2_000_000)
    config = replace(seed_pubsub(), router=router)
    async with bob_and_a_rogue(tmp_path, pubsub=config) as (bob, rogue):
        await rogue.publish(NETWORK, b"[" * 300_000)
        number = 0
        while not bob.handler.counters["malformed"]:  # by a stream that has taken the place of the one that was reset
            number += 1
            await rogue.publish(NETWORK, b"{%d}" % number)
            await asyncio.sleep(0)
        assert bob.handler.counters["oversized"] == 0


@pytest.mark.req("SHK-73")
async def test_a_flood_is_dropped_and_others_are_heard(tmp_path: Path) -> None:
    config = HandlerConfig(messages_per_second=1.0, message_burst=10)
    async with bob_and_a_rogue(tmp_path, handler_config=config) as (bob, rogue):
        for number in range(50):
            await rogue.publish(NETWORK, b"{%d}" % number)
        await until(lambda: bob.handler.counters["flooding"] >= 40)
        assert bob.handler.counters["malformed"] <= 10


@pytest.mark.req("SHK-73")
async def test_bytes_beyond_a_peers_bandwidth_are_dropped(tmp_path: Path) -> None:
    slow = BandwidthConfig(per_second=10_000.0, burst=20_000)
    async with bob_and_a_rogue(tmp_path, config=replace(QUICK, incoming=slow)) as (bob, rogue):
        for number in range(5):
            await rogue.publish(NETWORK, b"%d" % number * 30_000)
        await until(lambda: bob.counters["gossip-bandwidth"] >= 4)
        assert bob.handler.counters.total() <= 1


@pytest.mark.req("SHK-72")
async def test_what_nobody_reads_in_time_is_dropped_and_counted(tmp_path: Path) -> None:
    gossip = replace(QUICK.gossip, max_waiting=4)
    async with manager_of("bob", Profile.SEED, tmp_path, config=replace(QUICK, gossip=gossip)) as bob:
        assert bob.usage()["gossip.max_waiting"].limit == 4
        assert bob._gossip is not None
        subscription = bob._gossip._subscriptions[0]
        for _ in range(10):
            await bob._gossip.pubsub.publish(NETWORK, b"ours", peers=0)
        assert len(subscription) <= 4
        assert bob.counters["gossip-overflow"] == subscription.dropped


@pytest.mark.req("SHK-72")
async def test_a_turn_that_does_not_come_ends_the_publication(tmp_path: Path) -> None:
    slow = BandwidthConfig(per_second=1.0, burst=1_000)
    async with manager_of("alice", Profile.SEED, tmp_path, config=replace(QUICK, outgoing=slow)) as alice:
        with pytest.raises(NotEnoughPeers):
            await alice.broadcast(BOBS, text("one"), timeout=0.01)
        with pytest.raises(DeadlineExceeded, match="turn"):
            await alice.broadcast(BOBS, text("two"), timeout=0.01)


@pytest.mark.req("SHK-72")
def test_the_mesh_is_the_originals() -> None:
    config = GossipConfig().pubsub
    router = config.router
    assert (router.d, router.d_low, router.d_high, router.d_out, router.d_lazy) == (3, 1, 5, 0, 3)
    assert (router.heartbeat_interval, router.seen_ttl, router.max_rpc) == (1.0, 60.0, 262_144)
    assert (router.fanout_ttl, router.gossip_retransmission, router.flood_publish) == (60.0, 3, True)
    assert config.policy is SigningPolicy.PERMISSIVE
    assert config.message_id is rust_id
