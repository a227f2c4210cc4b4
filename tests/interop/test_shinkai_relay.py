"""Shinkai's relay: the Rust peer as a node at ours, and our nodes at the Rust peer's."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from hashlib import sha256

import pytest

from p2pstack.shinkai import json_form, signatures
from p2pstack.shinkai.builder import ShinkaiMessageBuilder
from p2pstack.shinkai.directory.memory import MemoryDirectory
from p2pstack.shinkai.keys import NodeKeys, unsafe_deterministic_seed
from p2pstack.shinkai.network.events import RelayReserved
from p2pstack.shinkai.node import SendState, ShinkaiNode
from p2pstack.shinkai.relayer import ShinkaiRelayer
from tests.interop.harness import Event, Peer, Peers
from tests.shinkai.network.nodes import comes
from tests.shinkai.node.pairs import LIBP2P_ONLY, take, until
from tests.shinkai.relayer.nodes import list_behind, list_relay, node_behind
from tests.shinkai.relayer.people import (
    ALICE,
    BOB,
    LOCAL,
    NUMBERS,
    QUICK,
    RELAY,
    ack,
    directory,
    keys,
    letter,
    local_letter,
    relaying,
)

pytestmark = pytest.mark.interop

rust = pytest.mark.parametrize("kind", ["rust"])

LOCAL_NUMBER = 100


def node_options(name: str, number: int | None = None) -> Iterator[str]:
    """What makes the Rust peer the node of this name, by identify and key."""
    seed = unsafe_deterministic_seed(NUMBERS[name] if number is None else number).hex()
    yield from ("--agent", f"shinkai-node-{name}", "--seed-hex", seed)


async def sent_by(peers: Peers, kind: str, address: str, *options: str) -> Event:
    """Have the Rust peer send a request; return what it says of the answer."""
    async with peers.run(kind, "dial", address, "--do", "shinkai-send", *options) as peer:
        event = await peer.event("shinkai-response")
        assert await peer.finish() == 0
        return event


@contextlib.asynccontextmanager
async def relay_and_directory() -> AsyncIterator[tuple[ShinkaiRelayer, MemoryDirectory]]:
    """A relay of ours, which the directory lists, with alice and bob behind it."""
    known = directory()
    async with relaying(known, config=QUICK) as relayer:
        list_relay(known, relayer)
        for name in (ALICE, BOB):
            list_behind(known, name)
        yield relayer, known


@contextlib.asynccontextmanager
async def theirs_at(
    peers: Peers, kind: str, relayer: ShinkaiRelayer, name: str, *options: object
) -> AsyncIterator[Peer]:
    """The Rust peer as a node that stays connected to our relay, and is registered there."""
    before = len(relayer.registrations)
    address = str(relayer.addresses[0])
    async with peers.listen(kind, *node_options(name), "--connect", address, *options) as peer:
        await until(lambda: len(relayer.registrations) == before + 1)
        yield peer


@rust
@pytest.mark.req("SHK-101", "SHK-104", "SHK-107")
async def test_a_message_of_ours_reaches_theirs_and_the_ack_comes_back(peers: Peers, kind: str) -> None:
    reply = ("--shinkai-reply-hex", json_form.encode(ack(BOB, ALICE)).hex())
    async with (
        relay_and_directory() as (relayer, known),
        theirs_at(peers, kind, relayer, BOB, *reply) as peer,
        node_behind(relayer, known, ALICE) as alice,
    ):
        result = await alice.send_text(BOB, "through the relay")
        assert (result.state, result.via, result.attempts) == (SendState.ACKNOWLEDGED, "libp2p", ()), result
        request = await peer.event("shinkai-request", peer=str(relayer.peer_id))
        assert request["len"] > 0
        assert relayer.counters["forwarded"] == 1


@rust
@pytest.mark.req("SHK-101", "SHK-104", "SHK-107")
async def test_a_message_of_theirs_reaches_ours_and_the_ack_goes_back(peers: Peers, kind: str) -> None:
    async with relay_and_directory() as (relayer, known), node_behind(relayer, known, ALICE) as alice:
        await until(lambda: len(relayer.registrations) == 1)
        data = json_form.encode(letter(BOB, ALICE, "from theirs"))
        options = ("--hex", data.hex(), *node_options(BOB))
        event = await sent_by(peers, kind, str(relayer.addresses[0]), *options)
        assert event["peer"] == str(relayer.peer_id)
        [received] = await take(alice, 1)
        assert (received.text, str(received.sender)) == ("from theirs", BOB)


@rust
@pytest.mark.req("SHK-104", "SHK-107")
async def test_theirs_write_to_each_other_through_ours(peers: Peers, kind: str) -> None:
    reply = json_form.encode(ack(BOB, ALICE))
    async with (
        relay_and_directory() as (relayer, _),
        theirs_at(peers, kind, relayer, BOB, "--shinkai-reply-hex", reply.hex()) as bob,
        theirs_at(peers, kind, relayer, ALICE, "--shinkai-reply-hex", reply.hex()),
    ):
        command = ("--hex", json_form.encode(letter(ALICE, BOB)).hex(), *node_options(ALICE))
        event = await sent_by(peers, kind, str(relayer.addresses[0]), *command)
        assert (event["len"], event["sha256"]) == (len(reply), sha256(reply).hexdigest())
        assert bob.count("shinkai-request") == 1


@rust
@pytest.mark.req("SHK-101", "SHK-103")
async def test_theirs_with_a_key_that_is_not_the_names_is_not_served(peers: Peers, kind: str) -> None:
    reply = ("--shinkai-reply-hex", json_form.encode(ack(BOB, ALICE)).hex())
    async with relay_and_directory() as (relayer, _), theirs_at(peers, kind, relayer, BOB, *reply) as bob:
        options = ("--hex", json_form.encode(letter(ALICE, BOB)).hex(), *node_options(ALICE, 77))
        # The original's own sign of an empty answer.
        error = await peers.dial_in_vain(kind, str(relayer.addresses[0]), "shinkai-send", *options)
        assert "EOF while parsing" in error
        assert relayer.counters["registration-refused.wrong-key"] >= 1
        assert relayer.counters["refused.unregistered"] == 1
        assert bob.count("shinkai-request") == 0


@rust
@pytest.mark.req("SHK-105", "SHK-107")
async def test_theirs_without_a_name_is_acknowledged_in_the_relays(peers: Peers, kind: str) -> None:
    async with relay_and_directory() as (relayer, known), node_behind(relayer, known, BOB) as bob:
        await until(lambda: len(relayer.registrations) == 1)
        data = json_form.encode(local_letter(BOB, "from nobody", LOCAL_NUMBER))
        options = ("--hex", data.hex(), *node_options(LOCAL, LOCAL_NUMBER))
        await sent_by(peers, kind, str(relayer.addresses[0]), *options)
        [received] = await take(bob, 1)
        assert (received.text, str(received.sender)) == ("from nobody", RELAY)
        external = received.message.external_metadata
        assert external.intra_sender == str(NodeKeys.unsafe_deterministic(LOCAL_NUMBER).signature.peer_id)
        signatures.verify_inner(received.message, NodeKeys.unsafe_deterministic(LOCAL_NUMBER).signature.public_key)


@rust
@pytest.mark.req("SHK-100")
async def test_theirs_reserves_with_ours_and_is_reached_by_a_circuit(peers: Peers, kind: str) -> None:
    reply = json_form.encode(ack(BOB, ALICE))
    async with relay_and_directory() as (relayer, _):
        address = str(relayer.addresses[0])
        options = ("--reserve", address, "--shinkai-reply-hex", reply.hex())
        async with peers.listen(kind, *node_options(BOB), *options) as bob:
            await bob.event("listening-circuit")
            circuit = f"{address}/p2p-circuit/p2p/{bob.peer_id}"
            send = ("--hex", json_form.encode(letter(ALICE, BOB)).hex(), *node_options(ALICE))
            event = await sent_by(peers, kind, circuit, *send)
            assert (event["peer"], event["sha256"]) == (bob.peer_id, sha256(reply).hexdigest())
            assert relayer.usage()["relay.max_reservations"].current == 1
            assert relayer.counters["forwarded"] == 0


@contextlib.asynccontextmanager
async def ours_at(peer: Peer, known: MemoryDirectory, name: str) -> AsyncIterator[ShinkaiNode]:
    """A node of ours with a reservation at a relay whose id it is not told."""
    address = peer.address.partition("/p2p/")[0]
    node = ShinkaiNode(name, keys=keys(name), directory=known, listen="127.0.0.1:0", relay=address, config=LIBP2P_ONLY)
    async with node:
        manager = node.libp2p_manager
        assert manager is not None
        async with manager.notices(RelayReserved) as notices:
            if not manager.host.advertised:
                await comes(notices, RelayReserved)
        yield node


@rust
@pytest.mark.req("SHK-78")
async def test_ours_reserves_with_theirs_and_messages_pass_it(peers: Peers, kind: str) -> None:
    known = directory()  # which has no address of anybody at which somebody listens
    async with (
        peers.listen(kind, "--relay", "--relay-shinkai") as peer,
        ours_at(peer, known, BOB) as bob,
        ours_at(peer, known, ALICE) as alice,
    ):
        result = await alice.send_text(BOB, "by a circuit")
        assert (result.state, result.via) == (SendState.ACKNOWLEDGED, "libp2p"), result
        [received] = await take(bob, 1)
        assert received.text == "by a circuit"
        assert alice.libp2p_manager is not None
        assert bob.libp2p_manager is not None
        assert await alice.libp2p_manager.upgrade(bob.libp2p_manager.peer_id)


@rust
@pytest.mark.req("SHK-78")
async def test_theirs_reaches_ours_behind_theirs(peers: Peers, kind: str) -> None:
    async with peers.listen(kind, "--relay", "--relay-shinkai") as peer, ours_at(peer, directory(), BOB) as bob:
        assert bob.libp2p_manager is not None
        circuit = f"{peer.address}/p2p-circuit/p2p/{bob.libp2p_manager.peer_id}"
        made = ShinkaiMessageBuilder(keys(ALICE), ALICE, BOB, time=time.time(), entropy=os.urandom).text("hello")
        data = json_form.encode(made.encrypt_body_for(keys(BOB).encryption.public).build())
        event = await sent_by(peers, kind, circuit, "--hex", data.hex(), *node_options(ALICE))
        assert event["peer"] == str(bob.libp2p_manager.peer_id)
        [received] = await take(bob, 1)
        assert received.text == "hello"
