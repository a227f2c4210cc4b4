"""Whole Shinkai nodes, and the Rust peer in the place of another's: encrypted, signed, acknowledged, both profiles."""

from __future__ import annotations

import os
import time

import pytest

from p2pstack.identity.multiaddrs import parse, tcp_endpoint, without_peer
from p2pstack.shinkai import json_form
from p2pstack.shinkai.builder import ShinkaiMessageBuilder
from p2pstack.shinkai.directory.memory import MemoryDirectory
from p2pstack.shinkai.keys import unsafe_deterministic_seed
from p2pstack.shinkai.network.gossip import NETWORK
from p2pstack.shinkai.network.profiles import Profile
from p2pstack.shinkai.node import SendState
from tests.interop.harness import Peer, Peers
from tests.shinkai.node.pairs import (
    ALICE,
    BOB,
    LIBP2P_ONLY,
    NUMBERS,
    directory,
    keys,
    record,
    running,
    signed_text,
    take,
)

pytestmark = pytest.mark.interop

rust = pytest.mark.parametrize("kind", ["rust"])

ALICES, BOBS = f"shinkai-{ALICE}", f"shinkai-{BOB}"
SEED_ERA = ("--gossip-profile", "shinkai-last", "--heartbeat-ms", 500, "--policy", "lax")


def seed_of(name: str) -> str:
    return unsafe_deterministic_seed(NUMBERS[name]).hex()


def tell(known: MemoryDirectory, name: str, peer: Peer) -> None:
    endpoint = tcp_endpoint(without_peer(parse(peer.address)))
    known.add(record(name, f"{endpoint.host}:{endpoint.port}"))


@rust
@pytest.mark.req("SHK-81", "SHK-82", "SHK-90")
async def test_a_request_of_theirs_is_in_the_inbox_and_acknowledged(peers: Peers, kind: str) -> None:
    async with running(ALICE, directory(), config=LIBP2P_ONLY) as alice:
        message = json_form.encode(signed_text(BOB, ALICE, "from another", time=time.time()))
        assert alice.libp2p_manager is not None
        address = str(alice.libp2p_manager.addresses[0])
        for _ in range(2):
            command = ("dial", address, "--do", "shinkai-send", "--hex", message.hex(), "--seed-hex", seed_of(BOB))
            async with peers.run(kind, *command) as peer:
                answer = await peer.event("shinkai-response")
                assert await peer.finish() == 0
            # It reads the answer as JSON; nothing makes it fail.
            assert answer["len"] > 0
        [received] = await take(alice, 1)
        assert (received.text, str(received.sender)) == ("from another", BOB)
        status = await alice.status()
        assert (status.jobs.rows, status.refused["duplicate"]) == (0, 1)


@rust
@pytest.mark.req("SHK-81", "SHK-82")
async def test_a_message_of_ours_is_acknowledged_by_their_answer(peers: Peers, kind: str) -> None:
    known = directory()
    ack = ShinkaiMessageBuilder(keys(BOB), BOB, ALICE, time=time.time(), entropy=os.urandom).ack().build()
    reply = ("--shinkai-reply-hex", json_form.encode(ack).hex())
    async with (
        running(ALICE, known, config=LIBP2P_ONLY) as alice,
        peers.listen(kind, "--seed-hex", seed_of(BOB), *reply) as peer,
    ):
        tell(known, BOB, peer)
        result = await alice.send_text(BOB, "to another")
        assert (result.state, result.via) == (SendState.ACKNOWLEDGED, "libp2p"), result
        request = await peer.event("shinkai-request")
        assert request["len"] > 0


@rust
@pytest.mark.req("SHK-81", "SHK-82")
async def test_nodes_of_the_seed_era_publish_to_each_other(peers: Peers, kind: str) -> None:
    known = directory()
    options = ("--shinkai-name", BOB, "--topic", NETWORK, "--topic", BOBS, *SEED_ERA)
    async with (
        running(ALICE, known, config=LIBP2P_ONLY, profile=Profile.SEED) as alice,
        peers.listen(kind, *options) as peer,
    ):
        tell(known, BOB, peer)
        result = await alice.send_text(BOB, "published")
        assert (result.state, result.via) == (SendState.SENT, "libp2p"), result
        event = await peer.event("message", topic=BOBS)
        assert event["len"] > 0
        await peer.event("subscribed", topic=ALICES)
        answer = json_form.encode(signed_text(BOB, ALICE, "published, too", time=time.time()))
        for topic in (NETWORK, ALICES):
            peer.send("publish", topic, answer.hex())
        [received] = await take(alice, 1)
        assert (received.text, str(received.sender)) == ("published, too", BOB)
