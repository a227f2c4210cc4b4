"""Pairs of nodes over real sockets, in each profile, and with parts of them missing."""

from __future__ import annotations

import asyncio
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from p2pstack.errors import ConfigError, HostClosed, LocalError
from p2pstack.shinkai.contents import JobMessage
from p2pstack.shinkai.endpoints import Endpoint
from p2pstack.shinkai.errors import InvalidName
from p2pstack.shinkai.network.events import PingPeer
from p2pstack.shinkai.network.profiles import Profile
from p2pstack.shinkai.node import NodeConfig, ReceivedMessage, SendState, ShinkaiNode
from p2pstack.shinkai.node.config import SendConfig, TcpConfig
from p2pstack.shinkai.node.events import LibP2PUnavailable, MessageAccepted, MessageDelivered, MessageFailed
from p2pstack.storage.errors import StorageLocked
from tests.shinkai.node.pairs import (
    ALICE,
    BOB,
    CAROL,
    LIBP2P_ONLY,
    NOWHERE,
    QUICK,
    TCP_ONLY,
    directory,
    eventually,
    keys,
    new_node,
    nothing_left,
    pair,
    record,
    running,
    take,
    tell,
    until,
)

PROFILES = [Profile.HEAD, Profile.SEED, Profile.BOTH]


@pytest.mark.req("SHK-80", "SHK-81", "SHK-82")
@pytest.mark.parametrize("profile", PROFILES)
async def test_a_text_goes_over_libp2p_and_back_and_is_acknowledged(profile: Profile) -> None:
    async with pair(profile=profile) as (alice, bob):
        there = await alice.send_text(BOB, "Hello Bob")
        back = await bob.send_text(ALICE, "Hello Alice")
        assert [there.state, back.state] == [SendState.ACKNOWLEDGED] * 2
        assert [there.via, back.via] == ["libp2p"] * 2
        [at_bob], [at_alice] = await take(bob, 1), await take(alice, 1)
        assert (at_bob.text, at_bob.sender.full_name, at_bob.key, at_bob.via) == (
            "Hello Bob",
            ALICE,
            there.key,
            "libp2p",
        )
        assert at_alice.text == "Hello Alice"
        assert at_bob.inbox == at_alice.inbox == f"inbox::{ALICE}::{BOB}::false"
        await nothing_left(alice)
        await nothing_left(bob)


@pytest.mark.req("SHK-81", "SHK-84")
@pytest.mark.parametrize(
    ("alice", "bob"),
    [
        pytest.param(TCP_ONLY, TCP_ONLY, id="both without libp2p"),
        pytest.param(TCP_ONLY, QUICK, id="sender without libp2p"),
        pytest.param(QUICK, TCP_ONLY, id="recipient without libp2p"),
    ],
)
@pytest.mark.parametrize("profile", PROFILES)
async def test_without_libp2p_on_either_side_messages_go_over_tcp(
    alice: NodeConfig, bob: NodeConfig, profile: Profile
) -> None:
    async with pair(alice=alice, bob=bob, profile=profile) as (first, second):
        result = await first.send_text(BOB, "by tcp")
        assert (result.state, result.via) == (SendState.ACKNOWLEDGED, "tcp")
        assert [attempt.way for attempt in result.attempts][-1] == "libp2p"
        [message] = await take(second, 1)
        assert (message.text, message.via) == ("by tcp", "tcp")
        back = await second.send_text(ALICE, "and back")
        assert (back.state, back.via) == (SendState.ACKNOWLEDGED, "tcp")
        await until(lambda: second.usage()["ack_waiters"].current == 0)
        await nothing_left(first)


@pytest.mark.req("SHK-97")
async def test_a_node_without_tcp_has_its_port_for_libp2p_alone() -> None:
    async with pair(alice=LIBP2P_ONLY, bob=LIBP2P_ONLY) as (alice, bob):
        result = await alice.send_text(BOB, "only libp2p")
        assert (result.state, result.via) == (SendState.ACKNOWLEDGED, "libp2p")
        assert (await bob.status()).listening == ""


@pytest.mark.req("SHK-85")
async def test_one_port_serves_libp2p_and_frames() -> None:
    known = directory()
    async with (
        running(BOB, known) as bob,
        running(ALICE, known) as alice,
        running(CAROL, known, config=TCP_ONLY) as carol,
    ):
        assert [str(bob.listen_address.port)] == [
            address.split("/tcp/")[1].split("/")[0] for address in (await bob.status()).addresses
        ]
        assert (await alice.send_text(BOB, "one")).via == "libp2p"
        assert (await carol.send_text(BOB, "two")).via == "tcp"
        assert {message.text for message in await take(bob, 2)} == {"one", "two"}


@pytest.mark.req("SHK-80", "SHK-83")
@pytest.mark.parametrize("config", [QUICK, TCP_ONLY], ids=["libp2p", "tcp"])
async def test_a_message_to_a_node_that_is_off_waits_and_arrives_when_it_starts(config: NodeConfig) -> None:
    known = directory()
    async with running(ALICE, known, config=config) as alice:
        result = await alice.send_text(CAROL, "when you are back")
        assert result.state is SendState.QUEUED
        assert result.next_attempt is not None
        assert {attempt.way for attempt in result.attempts} == {"libp2p", "tcp"}
        assert result.reason == "unreachable"
        assert (await alice.status()).queue.rows == 1
        delivered = alice.events(MessageDelivered)
        async with running(CAROL, known, config=config) as carol:
            [message] = await take(carol, 1)
            assert (message.text, message.key) == ("when you are back", result.key)
            async with asyncio.timeout(10):
                assert isinstance(event := await anext(delivered), MessageDelivered)
            assert event.key == result.key
            await nothing_left(alice)


@pytest.mark.req("SHK-83")
async def test_what_was_queued_outlives_the_node(tmp_path: Path) -> None:
    known = directory()
    async with running(ALICE, known, data=tmp_path / "alice") as alice:
        key = (await alice.send_text(BOB, "before the restart")).key
    async with running(BOB, known) as bob, running(ALICE, known, data=tmp_path / "alice"):
        [message] = await take(bob, 1)
        assert (message.text, message.key) == ("before the restart", key)


@pytest.mark.req("SHK-83")
async def test_after_all_attempts_a_message_is_a_dead_letter_and_can_be_tried_again() -> None:
    known = directory()
    config = replace(QUICK, retry=replace(QUICK.retry, max_attempts=2))
    async with running(ALICE, known, config=config) as alice:
        failures = alice.events(MessageFailed)
        key = (await alice.send_text(BOB, "too early")).key
        results = []
        async with asyncio.timeout(10):
            async for event in failures:
                assert isinstance(event, MessageFailed)
                results.append(event.result)
                if event.result.state is SendState.REFUSED:
                    break
        assert results[-1].reason == "dead-attempts"
        [letter] = await alice.queue.dead_letters()
        assert (letter.key, letter.reason) == (key, "attempts")
        async with running(BOB, known) as bob:
            assert await alice.queue.retry(key)
            assert [message.text for message in await take(bob, 1)] == ["too early"]


@pytest.mark.req("SHK-80")
async def test_refusals_say_why() -> None:
    known = directory()
    async with running(ALICE, known) as alice:
        unknown = await alice.send_text("@@nobody.shinkai", "?")
        assert (unknown.state, unknown.reason) == (SendState.REFUSED, "unknown-identity")
        assert not unknown
        message = alice.builder(BOB).text("x").build()
        bad = replace(message, external_metadata=replace(message.external_metadata, recipient="no name at all"))
        assert (await alice.send(bad)).reason == "invalid-name"
        with pytest.raises(InvalidName):
            await alice.send_text("no/name/at/all/x", "?")
        assert (await alice.status()).sent["refused"] == 2
        await nothing_left(alice)


@pytest.mark.req("SHK-80")
async def test_a_full_queue_refuses_and_the_same_message_is_accepted_once() -> None:
    known = directory()
    config = replace(QUICK, retry=replace(QUICK.retry, max_rows=1, backoff_base=30.0, backoff_max=60.0))
    async with running(ALICE, known, config=config) as alice:
        message = alice.builder(BOB).text("once").encrypt_body_for(keys(BOB).encryption.public).build()
        first = await alice.send(message)
        again = await alice.send(message)
        assert (first.state, again.state, again.reason) == (SendState.QUEUED, SendState.QUEUED, "already-queued")
        assert first.key == again.key
        full = await alice.send_text(BOB, "another")
        assert (full.state, full.reason) == (SendState.REFUSED, "queue-full")


@pytest.mark.req("SHK-80")
async def test_the_arguments_of_send_stand_for_what_the_node_has() -> None:
    known, own = directory(), directory()
    notices: list[str] = []

    class Notifier:
        def notify(self, inbox: str, message: bytes) -> int:
            notices.append(inbox)
            return 1

    async with running(ALICE, known) as alice, new_node(BOB, known) as bob:
        message = alice.builder("@@bob.shinkai/main").text("with everything").build()
        result = await alice.send(
            message,
            encryption_key=keys(ALICE).encryption,
            peer=(str(bob.listen_address), BOB),
            proxy_info=None,
            db=alice.messages,
            identity_manager=own,
            ws_manager=Notifier(),
            save_to_db=True,
            retry=3,
        )
        assert result.state is SendState.ACKNOWLEDGED
        [message_at_bob] = await take(bob, 1)
        assert message_at_bob.text == "with everything"
        [saved] = await alice.messages.history()
        assert saved.outgoing
        assert b"with everything" in saved.message
        assert notices == [f"inbox::{ALICE}::{BOB}/main::false"]
        with pytest.raises(LocalError):
            await alice.send(message, peer=42)
        with pytest.raises(LocalError):
            await alice.send(message, retry=-1)


@pytest.mark.req("SHK-80")
async def test_save_to_db_false_keeps_nothing() -> None:
    async with pair() as (alice, bob):
        assert await alice.send(alice.builder(BOB).text("secret").build(), save_to_db=False)
        assert await alice.messages.history() == []
        await take(bob, 1)


async def test_retry_goes_on_from_an_earlier_count() -> None:
    known = directory()
    config = replace(QUICK, retry=replace(QUICK.retry, backoff_base=1.0, backoff_factor=4.0, backoff_max=3600.0))
    async with running(ALICE, known, config=config, clock=lambda: 1_750_000_000.0) as alice:
        result = await alice.send(alice.builder(BOB).text("x").build(), retry=3)
        assert result.next_attempt == 1_750_000_000.0 + 64


@pytest.mark.req("SHK-90")
async def test_a_ping_is_answered_with_a_pong_and_neither_is_kept() -> None:
    async with pair() as (alice, bob):
        result = await alice.send(alice.builder(BOB).ping().build())
        assert result.state is SendState.SENT
        counters: dict[str, int] = {}

        async def look() -> bool:
            counters.update((await alice.status()).received)
            return counters.get("pong", 0) == 1

        await eventually(look)
        assert await bob.messages.history() == []
        await nothing_left(bob)


@pytest.mark.req("SHK-95")
async def test_handlers_get_messages_and_jobs() -> None:
    known = directory()
    texts: asyncio.Queue[str] = asyncio.Queue()
    jobs: asyncio.Queue[str] = asyncio.Queue()
    async with running(ALICE, known) as alice:
        bob = new_node(BOB, known)

        @bob.on_message
        async def text(message: ReceivedMessage) -> None:
            if texts.empty() and message.text == "fails once" and not message.redelivered:
                raise ValueError("not now")
            texts.put_nowait(message.text)

        @bob.on_job
        async def job(message: ReceivedMessage) -> None:
            jobs.put_nowait(JobMessage.from_json(message.text).content)

        with pytest.raises(LocalError):
            bob.on_message(text)
        with pytest.raises(LocalError):
            bob.on_job(job)
        async with bob:
            tell(known, bob)
            assert await alice.send_text(BOB, "fails once")
            assert await alice.send(alice.builder(BOB).job(JobMessage(job_id="7", content="work")).build())
            async with asyncio.timeout(10):
                assert await texts.get() == "fails once"
                assert await jobs.get() == "work"
        assert alice.name.node_name == ALICE


@pytest.mark.req("SHK-94")
async def test_what_was_not_taken_comes_again_after_a_restart(tmp_path: Path) -> None:
    known = directory()
    async with running(ALICE, known) as alice:
        async with running(BOB, known, data=tmp_path) as bob:
            for number in range(3):
                assert await alice.send_text(BOB, str(number))
            inbox = bob.inbox()
            first, second = await anext(inbox), await anext(inbox)
            assert [first.text, second.text] == ["0", "1"]
            assert not second.redelivered
            await inbox.aclose()
        async with running(BOB, known, data=tmp_path) as bob:
            again = await take(bob, 2)
            assert [message.text for message in again] == ["1", "2"]
            assert again[0].redelivered
            assert again[0].key == second.key


@pytest.mark.req("SHK-97")
async def test_libp2p_that_does_not_start_leaves_a_node_that_works_and_says_why() -> None:
    known = directory()
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        # The SEED half of a node with both profiles can't have its port.
        config = replace(QUICK, seed_listen=f"127.0.0.1:{port}")
        node = new_node(BOB, known, config=config, profile=Profile.BOTH)
        events = node.events(LibP2PUnavailable)
        async with running(ALICE, known) as alice, node as bob:
            tell(known, bob)
            assert (bob.libp2p_manager, bob.libp2p_event_sender, bob.libp2p_task) == (None, None, None)
            assert "in use" in bob.libp2p_error
            event = await anext(events)
            assert isinstance(event, LibP2PUnavailable)
            assert event.reason == bob.libp2p_error
            result = await alice.send_text(BOB, "all the same")
            assert (result.state, result.via) == (SendState.ACKNOWLEDGED, "tcp")
            assert (await bob.status()).libp2p_error == bob.libp2p_error


@pytest.mark.req("SHK-97")
async def test_a_node_holds_what_the_original_holds() -> None:
    async with pair() as (alice, bob):
        assert bob.libp2p_manager is not None
        assert alice.libp2p_event_sender is not None
        assert alice.libp2p_task is not None
        assert not alice.libp2p_task.done()
        assert alice.libp2p_manager is not None
        assert alice.libp2p_manager.peer_id == keys(ALICE).signature.peer_id
        await alice.send_text(BOB, "connects")
        result: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        await alice.libp2p_event_sender.send(PingPeer(peer_id=bob.libp2p_manager.peer_id, result=result))
        async with asyncio.timeout(10):
            assert await result >= 0


@pytest.mark.req("SHK-83")
async def test_a_cancelled_send_stays_accepted() -> None:
    known = directory()
    config = replace(QUICK, libp2p=False, send=SendConfig(ack_timeout=30.0))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        known.add(record(BOB, f"127.0.0.1:{silent.getsockname()[1]}"))
        async with running(ALICE, known, config=config) as alice:
            task = asyncio.create_task(alice.send_text(BOB, "never mind"))
            await until(lambda: alice.usage()["ack_waiters"].current == 1)
            task.cancel()
            await asyncio.wait((task,))
            async with running(BOB, known) as bob:
                assert [message.text for message in await take(bob, 1)] == ["never mind"]


async def test_a_node_is_started_once_and_refuses_when_it_is_closed() -> None:
    node = new_node(ALICE, directory())
    with pytest.raises(HostClosed):
        node.inbox()
    async with node:
        with pytest.raises(LocalError):
            await node.start()
    with pytest.raises(HostClosed):
        await node.send_text(BOB, "x")
    with pytest.raises(LocalError):
        await node.start()


async def test_two_nodes_never_share_a_file(tmp_path: Path) -> None:
    known = directory()
    async with running(ALICE, known, data=tmp_path):
        other = new_node(ALICE, known, data=tmp_path)
        with pytest.raises(StorageLocked):
            await other.start()
    assert (tmp_path / "node.sqlite").stat().st_mode & 0o077 == 0


async def test_a_port_that_is_taken_leaves_nothing_behind(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        node = new_node(ALICE, directory(), listen=f"127.0.0.1:{taken.getsockname()[1]}", data=tmp_path)
        with pytest.raises(OSError, match="in use"):
            await node.start()
    async with new_node(ALICE, directory(), data=tmp_path):
        pass


def test_addresses_and_names_are_checked() -> None:
    with pytest.raises(ConfigError):
        ShinkaiNode(ALICE, keys=keys(ALICE), directory=directory(), listen="nowhere")
    with pytest.raises(InvalidName):
        ShinkaiNode("@@-.shinkai", keys=keys(ALICE), directory=directory())
    node = ShinkaiNode("alice", keys=keys(ALICE), directory=directory(), listen="/ip4/127.0.0.1/tcp/9552")
    assert node.name.full_name == ALICE
    assert node.listen_address == Endpoint("127.0.0.1", 9552)


async def test_status_and_events_tell_what_happens() -> None:
    async with pair() as (alice, bob):
        accepted = bob.events(MessageAccepted)
        result = await alice.send_text(BOB, "x")
        event = await anext(accepted)
        assert isinstance(event, MessageAccepted)
        assert (event.key, event.sender, event.via) == (result.key, ALICE, "libp2p")
        status = await bob.status()
        assert status.received == {"message": 1}
        assert status.messages.untaken == 1
        assert status.name == BOB
        assert len(status.peers) == 1
        assert (await alice.status()).sent == {"acknowledged": 1}


async def test_a_second_address_of_tcp_that_nobody_has_is_no_way() -> None:
    known = directory()
    config = replace(LIBP2P_ONLY, tcp=TcpConfig(enabled=False))
    async with running(ALICE, known, config=config) as alice:
        result = await alice.send_text(BOB, "x")
        assert result.state is SendState.QUEUED
        assert [attempt.way for attempt in result.attempts] == ["libp2p"]
        assert NOWHERE.split(":")[1] in result.detail
