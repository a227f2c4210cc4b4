"""Two whole nodes, and a relay between them."""

from __future__ import annotations

import asyncio
import os
import time
from dataclasses import replace

import pytest

from p2pstack.shinkai import json_form
from p2pstack.shinkai.builder import ShinkaiMessageBuilder
from p2pstack.shinkai.network.events import RelayReserved
from p2pstack.shinkai.network.profiles import MESSAGE_PROTOCOL
from p2pstack.shinkai.node import SendState
from p2pstack.shinkai.node.config import NodeConfig
from tests.shinkai.node.pairs import LIBP2P_ONLY, QUICK, nothing_left, take, until
from tests.shinkai.relayer.nodes import list_behind, list_relay, node_behind
from tests.shinkai.relayer.people import ALICE, BOB, LOCAL, RELAY, directory, keys, name_of, relaying


@pytest.mark.req("SHK-81", "SHK-104")
@pytest.mark.parametrize("config", [LIBP2P_ONLY, QUICK])
async def test_nodes_behind_a_relay_write_to_each_other(config: NodeConfig) -> None:
    known = directory()
    async with relaying(known) as relayer:
        list_relay(known, relayer)
        for name in (ALICE, BOB):
            list_behind(known, name)
        async with (
            node_behind(relayer, known, ALICE, config=config) as alice,
            node_behind(relayer, known, BOB, config=config) as bob,
        ):
            await until(lambda: len(relayer.registrations) == 2)
            for sender, recipient, name in ((alice, bob, BOB), (bob, alice, ALICE)):
                result = await sender.send_text(name, f"to {name}")
                assert (result.state, result.via, result.attempts) == (SendState.ACKNOWLEDGED, "libp2p", ()), result
                [received] = await take(recipient, 1)
                assert (received.text, received.sender) == (f"to {name}", sender.name)
                await nothing_left(sender)
            assert relayer.counters["forwarded"] == 2


@pytest.mark.req("SHK-81", "SHK-83", "SHK-102")
async def test_what_waits_is_delivered_when_the_relay_is_back() -> None:
    known = directory()
    async with relaying(known) as relayer:
        list_relay(known, relayer)
        list_behind(known, BOB)
        listen = [str(each) for each in relayer.host.addresses]
        config = replace(LIBP2P_ONLY, send=replace(LIBP2P_ONLY.send, libp2p_timeout=3.0))
        async with (
            node_behind(relayer, known, ALICE, config=config) as alice,
            node_behind(relayer, known, BOB, config=config) as bob,
        ):
            await until(lambda: len(relayer.registrations) == 2)
            await relayer.close()
            result = await alice.send_text(BOB, "later")
            assert result.state is SendState.QUEUED, result
            async with relaying(known, listen=listen) as again:
                [received] = await take(bob, 1, timeout=25.0)
                assert received.text == "later"
                assert again.counters["forwarded"] >= 1


@pytest.mark.req("SHK-79", "SHK-105", "SHK-106")
@pytest.mark.parametrize("by_name", [True, False])
async def test_a_node_without_a_name_writes_and_is_written_to(by_name: bool) -> None:
    known = directory()
    async with relaying(known) as relayer:
        list_relay(known, relayer)
        list_behind(known, BOB)
        options = {"proxy": RELAY} if by_name else {}
        async with (
            node_behind(relayer, known, LOCAL, **options) as first,
            node_behind(relayer, known, BOB) as bob,
        ):
            await until(lambda: len(relayer.registrations) == 2)
            result = await first.send_text(BOB, "from nobody")
            assert (result.state, result.attempts) == (SendState.ACKNOWLEDGED, ()), result
            [received] = await take(bob, 1)
            assert (received.text, str(received.sender)) == ("from nobody", RELAY)
            external = received.message.external_metadata
            assert external.intra_sender == str(first.keys.signature.peer_id)
            # What bob answers goes by the two fields that came with it.
            builder = bob.builder(RELAY).intra_sender(external.intra_sender).other(external.other)
            result = await bob.send(builder.text("dear nobody").build())
            assert (result.state, result.attempts) == (SendState.ACKNOWLEDGED, ()), result
            [received] = await take(first, 1)
            assert (received.text, str(received.sender)) == ("dear nobody", BOB)


@pytest.mark.req("SHK-79")
async def test_a_relay_alone_may_say_whom_a_message_is_from() -> None:
    """Bob, who is no relay, writes to a node without a name and says that it is from alice."""
    known = directory()
    async with relaying(known) as relayer:
        list_relay(known, relayer)
        async with node_behind(relayer, known, LOCAL) as first, node_behind(relayer, known, BOB) as bob:
            manager = first.libp2p_manager
            assert manager is not None
            assert bob.libp2p_manager is not None
            builder = bob.builder(LOCAL).intra_sender(ALICE).offer_own_key()
            message = builder.text("trust me").encrypt_body_for(first.keys.encryption.public).build()
            await bob.libp2p_manager.send_direct(manager.peer_id, message, manager.addresses)
            [received] = await take(first, 1)
            assert (received.text, str(received.sender)) == ("trust me", BOB)


@pytest.mark.req("SHK-78")
async def test_a_node_is_reached_by_a_circuit_and_then_directly() -> None:
    known = directory()
    async with relaying(known) as relayer:
        list_relay(known, relayer)
        async with node_behind(relayer, known, BOB) as bob:
            manager = bob.libp2p_manager
            assert manager is not None
            async with manager.notices(RelayReserved) as notices:
                if not manager.host.advertised:
                    await anext(notices)
            async with node_behind(relayer, known, ALICE) as alice:
                # The directory has no address of bob's at which somebody listens.
                await until(lambda: len(relayer.registrations) == 2)
                result = await alice.send_text(BOB, "through the relay")
                assert (result.state, result.via) == (SendState.ACKNOWLEDGED, "libp2p"), result
                [received] = await take(bob, 1)
                assert received.text == "through the relay"
                assert relayer.counters["forwarded"] == 0
                ours = alice.libp2p_manager
                assert ours is not None
                assert await ours.upgrade(manager.peer_id)
                assert any(not each.relayed for each in ours.host.connections(manager.peer_id))


@pytest.mark.req("SHK-98")
async def test_what_a_relay_asks_is_acknowledged_and_not_kept() -> None:
    known = directory()
    async with relaying(known) as relayer:
        list_relay(known, relayer)
        async with node_behind(relayer, known, ALICE) as alice, node_behind(relayer, known, BOB) as bob:
            manager = alice.libp2p_manager
            assert manager is not None
            await until(lambda: len(relayer.registrations) == 2)
            asked = ShinkaiMessageBuilder(keys(RELAY), RELAY, ALICE, time=time.time(), entropy=os.urandom)
            question = asked.offering_request(ALICE).profiles("main", "main").build()
            async with asyncio.timeout(10):
                stream = await relayer.host.open_stream(manager.peer_id, MESSAGE_PROTOCOL)
                stream.write(json_form.encode(question))
                stream.close_write()
                answer = json_form.decode(await stream.read_to_end(10_000))
            assert (answer.content, answer.external_metadata.recipient) == ("ACK", RELAY)
            # Anybody else's question is a message.
            assert (await bob.send(bob.builder(ALICE).offering_request(ALICE).build())).state is SendState.ACKNOWLEDGED
            [received] = await take(alice, 1)
            assert str(received.sender) == BOB
            status = await alice.status()
            assert (status.received["question"], status.messages.untaken) == (1, 0)
            assert "question" not in status.refused


@pytest.mark.req("SHK-79")
async def test_a_node_without_a_name_whose_relay_nobody_knows() -> None:
    known = directory()
    known.remove(name_of(RELAY))
    async with relaying(known) as relayer, node_behind(relayer, known, LOCAL) as first:
        await until(lambda: len(relayer.registrations) == 1)
        result = await first.send_text(BOB, "anybody?")
        assert result.state is SendState.QUEUED
        assert "needs a relay" in result.detail
