"""Events are worked on in tasks of their own, and tell their senders what became of them."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from p2pstack.errors import ConnectionClosed, DialError, HostClosed, LocalError
from p2pstack.shinkai.network.channel import EventChannel
from p2pstack.shinkai.network.config import ManagerConfig
from p2pstack.shinkai.network.events import (
    AddPeer,
    BroadcastMessage,
    ConnectToDiscoveredPeer,
    DiscoverPeers,
    NetworkEvent,
    PingPeer,
    SendDirectMessage,
    SendMessage,
    SendResponse,
    TryDirectConnectionUpgrade,
)
from p2pstack.shinkai.network.gossip import topic_of
from p2pstack.shinkai.network.manager import LibP2PManager
from p2pstack.shinkai.network.profiles import Profile
from p2pstack.shinkai.network.responses import ResponseChannel
from p2pstack.shinkai.network.work import EventWorker
from tests.aio.shell import until
from tests.shinkai.network.nodes import (
    KEYS,
    LOOPBACK,
    ack,
    answering,
    ended,
    handler_of,
    manager_of,
    meet,
    name_of,
    text,
)


async def ask(manager: LibP2PManager, event: NetworkEvent) -> Any:
    event.result = asyncio.get_running_loop().create_future()
    await manager.events.send(event)
    return await event.result


@pytest.mark.req("SHK-70")
async def test_head_every_event_has_its_result(tmp_path: Path) -> None:
    async with manager_of("alice", Profile.HEAD, tmp_path) as alice, manager_of("bob", Profile.HEAD, tmp_path) as bob:
        worker = answering(bob, ack())
        assert await ask(alice, AddPeer(address=bob.addresses[0])) == bob.peer_id
        assert await ask(alice, PingPeer(peer_id=bob.peer_id)) > 0
        assert await ask(alice, SendMessage(peer_id=bob.peer_id, message=text("a"))) == ack()
        assert await ask(alice, SendDirectMessage(peer_id=bob.peer_id, message=text("b"))) == ack()
        assert await ask(alice, DiscoverPeers()) == 1
        assert await ask(alice, TryDirectConnectionUpgrade(peer_id=bob.peer_id))
        await until(lambda: alice.agent_of(bob.peer_id) != "")
        assert await ask(alice, ConnectToDiscoveredPeer(identity="@@bob.shinkai")) == bob.peer_id
        channel = ResponseChannel(bob.peer_id)
        assert await ask(alice, SendResponse(channel=channel, message=ack()))
        assert not await ask(alice, SendResponse(channel=channel, message=None))
        with pytest.raises(LocalError, match="publishes nothing"):
            await ask(alice, BroadcastMessage(topic="x", message=text("c")))
        await ended(worker)


@pytest.mark.req("SHK-70", "SHK-72")
async def test_seed_every_event_has_its_result(tmp_path: Path) -> None:
    async with (
        manager_of("bob", Profile.SEED, tmp_path) as bob,
        manager_of("alice", Profile.SEED, tmp_path, relay=bob.addresses[0]) as alice,
    ):
        topic = topic_of(text("a"))
        await until(lambda: bool(alice.topic_peers(topic)))
        assert (await ask(alice, BroadcastMessage(topic=topic, message=text("a")))).peers == 1
        assert (await ask(alice, SendMessage(peer_id=bob.peer_id, message=text("b")))).peers == 1
        assert (await ask(alice, SendDirectMessage(peer_id=bob.peer_id, message=text("c")))).peers == 1
        assert await ask(alice, TryDirectConnectionUpgrade(peer_id=bob.peer_id))
        assert not await ask(alice, TryDirectConnectionUpgrade(peer_id=KEYS["carol"].signature.peer_id))
        await until(lambda: bob.handler.counters["accepted"] == 3)


@pytest.mark.req("SHK-70")
async def test_an_error_ends_its_event_and_nothing_else(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with manager_of("alice", Profile.HEAD, tmp_path) as alice, manager_of("bob", Profile.HEAD, tmp_path) as bob:
        nowhere = AddPeer(address="/ip4/127.0.0.1/tcp/1")
        with pytest.raises(DialError):
            await ask(alice, nowhere)
        await alice.events.send(AddPeer(address="/ip4/127.0.0.1/tcp/1"))  # nobody wants to know
        with caplog.at_level(logging.ERROR):
            broken = SendResponse(channel=None, message=None)  # type: ignore[arg-type]
            with pytest.raises(AttributeError):
                await ask(alice, broken)
        assert "SendResponse failed" in caplog.text
        with pytest.raises(LocalError, match="does not know"):
            await ask(alice, NetworkEvent())
        assert await ask(alice, AddPeer(address=bob.addresses[0])) == bob.peer_id
        await until(lambda: alice.counters["event-failed"] == 4)


@pytest.mark.req("SHK-70")
async def test_the_end_is_told_to_those_who_wait_for_a_result(tmp_path: Path) -> None:
    async with handler_of("alice", tmp_path) as handler:
        manager = LibP2PManager(
            name_of("alice"),
            KEYS["alice"],
            profile=Profile.HEAD,
            handler=handler,
            listen=[LOOPBACK],
            config=ManagerConfig(max_running=1),
        )
        async with manager, manager_of("bob", Profile.HEAD, tmp_path) as bob:
            await meet(manager, bob)
            loop = asyncio.get_running_loop()
            # Bob never answers: the first is under way, the second waits in the channel, the third was given up.
            events = [
                SendDirectMessage(peer_id=bob.peer_id, message=text(word), result=loop.create_future())
                for word in ("one", "two", "three")
            ]
            for event in events:
                manager.events.try_send(event)
            given_up = events[2].result
            assert given_up is not None
            given_up.cancel()
            task = asyncio.create_task(manager.run())
            await until(lambda: bob.handler.counters["accepted"] == 1)
            assert manager.usage()["max_events"].current == 2
            await manager.stop()
            await task
            for event in events[:2]:
                assert event.result is not None
                with pytest.raises((HostClosed, ConnectionClosed)):
                    await event.result


@pytest.mark.req("SHK-70")
async def test_who_cancels_the_loop_ends_what_is_under_way(tmp_path: Path) -> None:
    async with manager_of("alice", Profile.HEAD, tmp_path) as alice, manager_of("bob", Profile.HEAD, tmp_path) as bob:
        await meet(alice, bob)
        channel = EventChannel(4, 1.0)
        task = asyncio.create_task(EventWorker(alice, channel, alice._counters).run())
        result = asyncio.get_running_loop().create_future()
        channel.put(SendDirectMessage(peer_id=bob.peer_id, message=text("never answered"), result=result))
        await until(lambda: bob.handler.counters["accepted"] == 1)
        await ended(task)
        with pytest.raises(HostClosed):
            await result
        assert alice._turns.running == 0


def test_an_event_without_a_result_is_settled_all_the_same() -> None:
    EventWorker.settle(DiscoverPeers(), value=1)
    assert len(EventChannel(1, 1.0)) == 0
