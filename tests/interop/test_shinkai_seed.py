"""Nodes of the seed era: a manager of ours and the Rust peer, with permissive gossip and Shinkai's topics.

The Rust peer is what such a node is below its messages: the settings of its last gossip, and the key of its name.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from p2pstack.shinkai import json_form
from p2pstack.shinkai.keys import key_of_name
from p2pstack.shinkai.message import ShinkaiMessage
from p2pstack.shinkai.network.discovery import encode
from p2pstack.shinkai.network.events import MessageReceived, PeerDiscovered
from p2pstack.shinkai.network.gossip import NETWORK, topic_of
from p2pstack.shinkai.network.manager import LibP2PManager
from p2pstack.shinkai.network.profiles import Profile
from tests.interop.harness import Event, Peer, Peers
from tests.shinkai.network.nodes import ack, comes, manager_of, name_of, text

pytestmark = pytest.mark.interop

rust = pytest.mark.parametrize("kind", ["rust"])
each_side = pytest.mark.parametrize("we_dial", [True, False], ids=["we-dial", "we-are-dialled"])

BOBS = topic_of(text("x"))
ALICES = topic_of(text("x", "bob", "alice"))
SETTINGS = ("--gossip-profile", "shinkai-last", "--heartbeat-ms", 500, "--policy", "lax")
TRIES = 200


@contextlib.asynccontextmanager
async def pair(
    peers: Peers, folder: Path, kind: str, *options: object, we_dial: bool = True
) -> AsyncIterator[tuple[LibP2PManager, Peer]]:
    """Alice, who is ours, and Bob, who is not, connected and subscribed."""
    bob = ("--shinkai-name", "@@bob.shinkai", "--topic", NETWORK, "--topic", BOBS, *(options or SETTINGS))
    async with manager_of("alice", Profile.SEED, folder) as alice, peers.listen(kind, *bob) as peer:
        if we_dial:
            await alice.add_peer(peer.address)
        else:
            peer.send("connect", alice.addresses[0])
        for topic in (NETWORK, ALICES):
            await peer.event("subscribed", peer=str(alice.peer_id), topic=topic)
        for _ in range(TRIES):
            if alice.topic_peers(NETWORK) and alice.topic_peers(BOBS):
                break
            await alice.ping(alice.peers()[0])
        yield alice, peer


def publish(peer: Peer, message: ShinkaiMessage, *topics: str) -> None:
    for topic in topics:
        peer.send("publish", topic, json_form.encode(message).hex())


async def contents(manager: LibP2PManager) -> set[str]:
    """What the jobs say that have come in."""
    return {json_form.decode(entry.job.content).content for entry in await manager.handler.jobs.take(10)}


def carries(data: bytes) -> dict[str, Any]:
    return {"sha256": sha256(data).hexdigest()}


@rust
@each_side
@pytest.mark.req("SHK-70", "SHK-72")
async def test_messages_go_both_ways_twice_and_make_one_job(
    peers: Peers, tmp_path: Path, kind: str, *, we_dial: bool
) -> None:
    async with pair(peers, tmp_path, kind, we_dial=we_dial) as (alice, bob):
        assert bob.peer_id == str(key_of_name(name_of("bob")).peer_id)
        message = text("hello")
        published = await alice.broadcast(topic_of(message), message)
        assert (published.peers, published.network_peers) == (1, 1)
        for topic in (NETWORK, BOBS):
            fields = {"topic": topic, "from": str(alice.peer_id), **carries(json_form.encode(message))}
            await bob.event("message", **fields)

        async with alice.notices(MessageReceived) as notices:
            # As nodes of that era do: an answer, and an acknowledgement, each in both topics.
            publish(bob, text("hello yourself", "bob", "alice"), NETWORK, ALICES)
            publish(bob, ack(), NETWORK, ALICES)
            received = [await comes(notices, MessageReceived) for _ in range(2)]
        assert {str(notice.source) for notice in received} == {bob.peer_id}
        assert await contents(alice) == {"hello yourself", "ACK"}
        for _ in range(TRIES):
            if alice.handler.counters["duplicate"] == 2:
                break
            await alice.ping(received[0].source)
        assert alice.handler.counters == {"accepted": 2, "duplicate": 2}


@rust
@pytest.mark.req("SHK-72")
async def test_both_announce_themselves(peers: Peers, tmp_path: Path, kind: str) -> None:
    async with pair(peers, tmp_path, kind) as (alice, bob):

        def is_ours(event: Event) -> bool:
            return base64.b64decode(event.get("data_b64", "")) == encode("peer_joined", alice.peer_id)

        await bob.event("message", topic=NETWORK, where=is_ours)
        async with alice.notices(PeerDiscovered) as notices:
            relayed = f'{{"type":"peer_connected","peer_id":"{bob.peer_id}"}}'
            bob.send("publish", NETWORK, relayed.encode().hex())
            found = await comes(notices, PeerDiscovered)
        assert (str(found.peer), found.kind) == (bob.peer_id, "peer_connected")


@rust
@pytest.mark.req("SHK-72")
async def test_the_longest_messages_pass_both_ways(peers: Peers, tmp_path: Path, kind: str) -> None:
    async with pair(peers, tmp_path, kind) as (alice, bob):
        message = text("x" * 260_000)
        await alice.broadcast(topic_of(message), message)
        await bob.event("message", topic=BOBS, **carries(json_form.encode(message)))
        async with alice.notices(MessageReceived) as notices:
            publish(bob, text("y" * 260_000, "bob", "alice"), NETWORK)
            await comes(notices, MessageReceived)
        assert await contents(alice) == {"y" * 260_000}


@rust
@pytest.mark.req("SHK-72", "SHK-74")
async def test_what_is_no_message_or_by_nobody_changes_nothing(peers: Peers, tmp_path: Path, kind: str) -> None:
    unsigned = (*SETTINGS[:-1], "lax-unsigned")
    async with pair(peers, tmp_path, kind, *unsigned) as (alice, bob):
        publish(bob, text("by nobody", "bob", "alice"), NETWORK)
        await _counted(alice, "no-author")
    async with pair(peers, tmp_path, kind) as (alice, bob), alice.notices(MessageReceived) as notices:
        for payload in (b"\xff\xfe", b"[" * 100_000, b"{}"):
            bob.send("publish", NETWORK, payload.hex())
        publish(bob, text("not for you", "bob", "carol"), NETWORK)
        publish(bob, text("for you", "bob", "alice"), NETWORK)
        await comes(notices, MessageReceived)
        assert await contents(alice) == {"for you"}
        await _counted(alice, "no-utf-8")
        for reason in ("malformed", "oversized", "not-for-us"):
            await _counted(alice, reason)


async def _counted(manager: LibP2PManager, reason: str) -> None:
    """Wait until the manager or its handler has counted one."""
    async with asyncio.timeout(10):
        while manager.counters[reason] + manager.handler.counters[reason] != 1:
            await manager.ping(manager.peers()[0])


@rust
@pytest.mark.req("SHK-76")
async def test_a_relay_that_was_away_is_found_again(peers: Peers, tmp_path: Path, kind: str) -> None:
    async with peers.listen(kind, "--topic", NETWORK, *SETTINGS) as relay:
        port = relay.address.split("/")[4]
        async with manager_of("alice", Profile.SEED, tmp_path, relay=f"/ip4/127.0.0.1/tcp/{port}") as alice:
            await relay.event("subscribed", topic=NETWORK, peer=str(alice.peer_id))
            await alice.host.disconnect(alice.peers()[0])
            await relay.event("disconnected")
            await relay.until(lambda: relay.count("connected") >= 2, "second connection")
