"""Managers that talk to each other over real sockets."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from p2pstack.errors import (
    ConfigError,
    DecodeError,
    DialError,
    HostClosed,
    LocalError,
    ProtocolNotSupported,
    ProtocolViolation,
)
from p2pstack.services.gossipsub.publishing import NotEnoughPeers
from p2pstack.services.peers.config import PeersConfig
from p2pstack.services.standard import Host
from p2pstack.shinkai.network.events import MessageReceived, PeerDiscovered, PeerDown, PeerUp, RelayDown, RelayUp
from p2pstack.shinkai.network.gossip import topic_of
from p2pstack.shinkai.network.manager import LibP2PManager
from p2pstack.shinkai.network.profiles import MESSAGE_PROTOCOL, Profile
from p2pstack.shinkai.storage.replay import message_key
from p2pstack.shinkai.storage.schema import open_database
from tests.aio.shell import until
from tests.shinkai.network.nodes import (
    KEYS,
    LOOPBACK,
    QUICK,
    ack,
    answering,
    comes,
    ended,
    handler_of,
    manager_of,
    meet,
    name_of,
    text,
)


@pytest.mark.req("SHK-70", "SHK-71")
async def test_head_a_request_becomes_a_job_and_is_answered(tmp_path: Path) -> None:
    async with manager_of("alice", Profile.HEAD, tmp_path) as alice, manager_of("bob", Profile.HEAD, tmp_path) as bob:
        assert bob.peer_id == KEYS["bob"].signature.peer_id
        worker = answering(bob, ack())
        async with bob.notices(MessageReceived) as notices:
            message = text("hello")
            assert await alice.send_direct(bob.peer_id, message, bob.addresses) == ack()
            received = await comes(notices, MessageReceived)
        assert (received.source, received.key) == (alice.peer_id, message_key(message))
        assert bob.handler.counters["accepted"] == 1
        assert bob.agent_of(alice.peer_id) == "shinkai-node-@@alice.shinkai"
        await ended(worker)


@pytest.mark.req("SHK-70", "SHK-72")
async def test_seed_a_message_is_published_twice_and_makes_one_job(tmp_path: Path) -> None:
    async with manager_of("alice", Profile.SEED, tmp_path) as alice, manager_of("bob", Profile.SEED, tmp_path) as bob:
        await meet(alice, bob)
        message = text("hello")
        await until(lambda: len(alice.topic_peers(topic_of(message))) == 1)
        async with bob.notices(MessageReceived) as notices:
            published = await alice.broadcast(topic_of(message), message)
            assert (published.peers, published.network_peers, published.dropped) == (1, 1, 0)
            assert (await comes(notices, MessageReceived)).source == alice.peer_id
        await until(lambda: bob.handler.counters["duplicate"] == 1)
        assert [entry.job.message_type for entry in await bob.handler.jobs.take(10)] == [1]
        assert alice.agent_of(bob.peer_id) == "p2pstack/shinkai-node-@@bob.shinkai"


@pytest.mark.req("SHK-72")
async def test_seed_a_message_passes_a_node_that_it_is_not_for(tmp_path: Path) -> None:
    async with (
        manager_of("alice", Profile.SEED, tmp_path) as alice,
        manager_of("bob", Profile.SEED, tmp_path) as bob,
        manager_of("carol", Profile.SEED, tmp_path) as carol,
    ):
        await meet(alice, bob)
        await meet(bob, carol)
        message = text("far", "alice", "carol")
        await until(lambda: bool(bob.topic_peers(topic_of(message))) and bool(alice.topic_peers("shinkai-network")))
        async with carol.notices(MessageReceived) as notices:
            published = await alice.broadcast(topic_of(message), message)
            assert (published.peers, published.network_peers) == (0, 1)
            assert (await comes(notices, MessageReceived)).source == alice.peer_id
        assert bob.handler.counters["not-for-us"] == 1
        assert bob.handler.counters["accepted"] == 0


@pytest.mark.req("SHK-72")
async def test_seed_peers_are_discovered_and_nobody_is_no_error(tmp_path: Path) -> None:
    async with manager_of("alice", Profile.SEED, tmp_path) as alice, manager_of("bob", Profile.SEED, tmp_path) as bob:
        assert await alice.discover() == 0
        with pytest.raises(NotEnoughPeers):
            await alice.broadcast("shinkai-x", text("nobody"), timeout=0.05)
        async with bob.notices(PeerDiscovered) as notices:
            await meet(alice, bob)
            assert (await comes(notices, PeerDiscovered)).peer == alice.peer_id
        assert await alice.discover() == 1


async def test_each_profile_refuses_what_is_the_other_ones(tmp_path: Path) -> None:
    async with manager_of("alice", Profile.SEED, tmp_path) as alice, manager_of("bob", Profile.HEAD, tmp_path) as bob:
        with pytest.raises(LocalError, match="no requests"):
            await alice.send_direct(bob.peer_id, text("x"))
        with pytest.raises(LocalError, match="publishes nothing"):
            await bob.broadcast("shinkai-network", text("x"))
        assert bob.topic_peers("shinkai-network") == []
        with pytest.raises(ProtocolNotSupported):
            await bob.send_direct(alice.peer_id, text("x"), alice.addresses)
        with pytest.raises(LocalError, match="started once"):
            await bob.start()
        with pytest.raises(LocalError, match="one profile"):
            LibP2PManager(name_of("bob"), KEYS["bob"], profile=Profile.BOTH, handler=bob.handler)


@pytest.mark.req("SHK-70")
async def test_peers_come_and_go_and_are_pinged_and_found_by_name(tmp_path: Path) -> None:
    async with manager_of("alice", Profile.HEAD, tmp_path) as alice:
        async with alice.notices(PeerUp, PeerDown) as notices:
            async with manager_of("bob", Profile.HEAD, tmp_path) as bob:
                await meet(alice, bob)
                up = await comes(notices, PeerUp)
                assert (up.peer, up.identity) == (bob.peer_id, "@@bob.shinkai")
                assert 0 < await alice.ping(bob.peer_id) < 5
                assert await alice.connect_identity("@@bob.shinkai") == bob.peer_id
                assert await alice.connect_identity(str(bob.peer_id)) == bob.peer_id
                assert alice.peers() == [bob.peer_id]
                with pytest.raises(LocalError, match="not found"):
                    await alice.connect_identity("@@nobody.shinkai")
                with pytest.raises(DecodeError):
                    await alice.add_peer("nowhere")
                with pytest.raises(DialError):
                    await alice.add_peer(bob.addresses[0].decapsulate("/p2p"), KEYS["carol"].signature.peer_id)
            assert (await comes(notices, PeerDown)).peer == bob.peer_id
        assert alice.agent_of(bob.peer_id) == ""
    async with manager_of("alice", Profile.SEED, tmp_path) as alice, manager_of("bob", Profile.SEED, tmp_path) as bob:
        await meet(alice, bob)
        assert await alice.connect_identity("bob.shinkai") == bob.peer_id


@pytest.mark.req("SHK-76", "SHK-124")
async def test_the_relay_is_dialled_again_and_bootstrap_peers_too(tmp_path: Path) -> None:
    async with Host(KEYS["carol"].signature, listen=[LOOPBACK]) as carol:
        address = str(carol.bound_addresses[0])
        async with (
            manager_of(
                "alice", Profile.SEED, tmp_path, relay=address, bootstrap=[f"{address}/p2p/{carol.peer_id}"]
            ) as alice,
            alice.notices(RelayUp, RelayDown) as notices,
        ):
            assert alice.relay is not None
            if not alice.relay.connected:
                await comes(notices, RelayUp)
            assert alice.relay.peer == carol.peer_id
            bootstrap = alice.bootstrap
            assert bootstrap is not None
            assert await bootstrap.wait() == [carol.peer_id]
            await carol.close()
            down = await comes(notices, RelayDown)
            assert down.reason == "the connection ended"
            assert "refused" in (await comes(notices, RelayDown)).reason
            async with Host(KEYS["bob"].signature, listen=[address]) as bob:
                assert (await comes(notices, RelayUp)).peer == bob.peer_id
                assert alice.relay.addresses_of(bob.peer_id) == ()
                await until(lambda: bool(bootstrap.failing))
                [failed] = bootstrap.failing
                assert (str(failed.address), failed.peer) == (f"{address}/p2p/{carol.peer_id}", carol.peer_id)
            async with Host(KEYS["carol"].signature, listen=[address]):
                assert await bootstrap.wait() == [carol.peer_id]
                assert bootstrap.failing == []


@pytest.mark.req("SHK-77")
async def test_known_peers_are_connected_again_after_a_restart(tmp_path: Path) -> None:
    async with manager_of("bob", Profile.HEAD, tmp_path) as bob:
        async with (
            await open_database(tmp_path / "known.db") as database,
            manager_of("alice", Profile.HEAD, tmp_path, database=database) as alice,
        ):
            await meet(alice, bob)
            await until(lambda: alice.usage()["known_peers.max_peers"].current == 1)
        async with (
            await open_database(tmp_path / "known.db") as database,
            bob.notices(PeerUp) as notices,
            manager_of("alice", Profile.HEAD, tmp_path, database=database) as alice,
        ):
            assert (await comes(notices, PeerUp)).peer == alice.peer_id
            await alice.host.disconnect(bob.peer_id)
            await until(lambda: not alice.peers())
            assert await alice.discover() == 1


@pytest.mark.req("SHK-77")
async def test_what_a_peer_was_called_is_known_after_a_restart_too(tmp_path: Path) -> None:
    quiet = replace(QUICK, known_peers=PeersConfig(wanted=0))
    async with manager_of("bob", Profile.HEAD, tmp_path) as bob, manager_of("carol", Profile.HEAD, tmp_path) as carol:
        async with (
            await open_database(tmp_path / "known.db") as database,
            manager_of("alice", Profile.HEAD, tmp_path, database=database) as alice,
        ):
            await meet(alice, bob)
            await meet(carol, alice)
        async with (
            await open_database(tmp_path / "known.db") as database,
            manager_of("alice", Profile.HEAD, tmp_path, database=database, config=quiet) as alice,
        ):
            assert alice.peers() == []
            assert await alice.connect_identity("@@bob.shinkai") == bob.peer_id
            assert await alice.connect_identity("@@carol.shinkai") == carol.peer_id


@pytest.mark.req("SHK-77")
async def test_each_profile_remembers_its_own_peers_in_one_file(tmp_path: Path) -> None:
    quiet = replace(QUICK, known_peers=PeersConfig(wanted=0))
    async with await open_database(tmp_path / "known.db") as database:
        for profile in (Profile.HEAD, Profile.SEED):
            async with (
                manager_of("bob", profile, tmp_path) as bob,
                manager_of("alice", profile, tmp_path, database=database) as alice,
            ):
                await meet(alice, bob)
                await until(lambda manager=alice: manager.usage()["known_peers.max_peers"].current == 1)  # type: ignore[misc]
        for profile in (Profile.HEAD, Profile.SEED):
            async with manager_of("alice", profile, tmp_path, database=database, config=quiet) as alice:
                assert alice.known_peers is not None
                peer = profile.key(name_of("bob"), KEYS["bob"]).peer_id
                assert [each.peer for each in alice.known_peers.newest()] == [peer]


async def test_an_answer_that_is_no_message_is_the_peers_fault(tmp_path: Path) -> None:
    async with Host(listen=[LOOPBACK]) as rogue, manager_of("alice", Profile.HEAD, tmp_path) as alice:

        @rogue.handle(MESSAGE_PROTOCOL)
        async def babble(stream: object) -> None:
            await stream.read_to_end(10_000)  # type: ignore[attr-defined]
            stream.write(b"[" * 5_000)  # type: ignore[attr-defined]

        with pytest.raises(ProtocolViolation, match="no message"):
            await alice.send_direct(rogue.peer_id, text("x"), rogue.full_addresses)
        assert alice.counters["bad-answer"] == 1


async def test_after_the_end_nothing_is_left_and_everything_is_refused(tmp_path: Path) -> None:
    async with manager_of("alice", Profile.HEAD, tmp_path) as alice:
        notices = alice.notices()
        await alice.stop()
        await alice.stop()
        assert [event async for event in notices] == []
        with pytest.raises(HostClosed):
            await alice.send_direct(KEYS["bob"].signature.peer_id, text("x"))


async def test_a_start_that_fails_leaves_nothing(tmp_path: Path) -> None:
    async with manager_of("bob", Profile.HEAD, tmp_path) as bob, handler_of("alice", tmp_path) as handler:
        taken = str(bob.host.bound_addresses[0])
        for profile in (Profile.HEAD, Profile.SEED):
            manager = LibP2PManager(
                name_of("alice"), KEYS["alice"], profile=profile, handler=handler, listen=[taken], config=QUICK
            )
            with pytest.raises(OSError, match="in use"):
                await manager.start()
            await manager.run()
        with pytest.raises(ConfigError, match="no bootstrap address"):
            LibP2PManager(
                name_of("alice"), KEYS["alice"], profile=Profile.HEAD, handler=handler, bootstrap=["/ip4/127.0.0.1"]
            )


@pytest.mark.req("SHK-77")
async def test_a_file_that_can_not_be_read_costs_the_memory_alone(tmp_path: Path) -> None:
    database = await open_database(tmp_path / "closed.db")
    await database.close()
    async with (
        manager_of("bob", Profile.HEAD, tmp_path) as bob,
        manager_of("alice", Profile.HEAD, tmp_path, database=database) as alice,
    ):
        assert alice.known_peers is not None
        assert "is closed" in str(alice.known_peers.error)
        await meet(alice, bob)
        await until(lambda: alice.usage()["known_peers.max_peers"].current == 1)


async def test_the_loop_may_be_cancelled(tmp_path: Path) -> None:
    async with manager_of("alice", Profile.HEAD, tmp_path) as alice:
        task = asyncio.create_task(alice.run())
        await asyncio.sleep(0)
        await ended(task)
        assert task.cancelled()
