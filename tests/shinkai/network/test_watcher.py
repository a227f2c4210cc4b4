"""Who is connected, and who they say they are."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from p2pstack.errors import ProtocolNotSupported
from p2pstack.host.config import HostConfig
from p2pstack.services.events import IdentifyFailed, PeerIdentified, PeerInfo
from p2pstack.services.standard import Host
from p2pstack.shinkai.network.events import Notice, PeerDown, PeerUp
from p2pstack.shinkai.network.profiles import PROTOCOL_VERSION
from p2pstack.shinkai.network.watcher import Watcher
from tests.aio.shell import until
from tests.shinkai.network.nodes import LOOPBACK


def shinkai(agent: str) -> HostConfig:
    return HostConfig(agent_version=agent, protocol_version=PROTOCOL_VERSION)


@contextlib.asynccontextmanager
async def watched(notices: list[Notice], *, event_queue: int = 100) -> AsyncIterator[tuple[Host, Watcher]]:
    host = Host(listen=[LOOPBACK], config=HostConfig(event_queue=event_queue))
    watcher = Watcher(host, 2, notices.append)
    task = asyncio.create_task(watcher.run(watcher.events()))
    async with host:
        yield host, watcher
    await task


@pytest.mark.req("SHK-70")
async def test_names_are_claims_and_the_first_connected_one_counts() -> None:
    notices: list[Notice] = []
    async with watched(notices) as (host, watcher):
        async with Host(config=shinkai("shinkai-node-@@bob.shinkai")) as bob:
            await bob.connect(host.full_addresses[0])
            await until(lambda: watcher.peer_of("@@bob.shinkai") == bob.peer_id)
            async with Host(config=shinkai("shinkai-node-@@BOB.shinkai")) as impostor:
                await impostor.connect(host.full_addresses[0])
                await until(lambda: watcher.agent_of(impostor.peer_id) != "")
                assert watcher.peer_of("@@bob.shinkai") == bob.peer_id
        await until(lambda: watcher.peers == [])
        async with Host(config=shinkai("shinkai-node-@@bob.shinkai")) as again, Host(config=shinkai("go")) as other:
            await again.connect(host.full_addresses[0])
            await other.connect(host.full_addresses[0])
            await until(lambda: watcher.peer_of("@@bob.shinkai") == again.peer_id and len(watcher.peers) == 2)
            for name in ("carol", "dave"):
                async with Host(config=shinkai(f"shinkai-node-@@{name}.shinkai")) as third:
                    await third.connect(host.full_addresses[0])
                    await until(lambda name=name: watcher.peer_of(f"@@{name}.shinkai") is not None)  # type: ignore[misc]
            assert watcher.peer_of("@@bob.shinkai") is None
    assert sum(isinstance(notice, PeerUp) for notice in notices) == 6
    assert sum(isinstance(notice, PeerDown) for notice in notices) == 6


@pytest.mark.req("SHK-70")
async def test_a_peer_that_does_not_tell_is_up_all_the_same_and_a_late_word_changes_nothing() -> None:
    notices: list[Notice] = []
    async with watched(notices) as (host, watcher), Host(config=shinkai("x")) as peer:
        async with host.events(PeerIdentified) as events:
            connection = await host.connect(await _address(peer))
            await anext(events)
        host.emit(IdentifyFailed(peer=peer.peer_id, error=ProtocolNotSupported(["x"]), connection=connection))
        await until(lambda: watcher.peers == [peer.peer_id])
        assert watcher.agent_of(peer.peer_id) == "x"
        await host.disconnect(peer.peer_id)
        await until(lambda: watcher.peers == [])
        host.emit(PeerIdentified(peer=peer.peer_id, info=PeerInfo(peer=peer.peer_id), connection=connection))
        await asyncio.sleep(0)
        assert watcher.peers == []
    assert [type(notice) for notice in notices] == [PeerUp, PeerDown]


async def _address(host: Host) -> str:
    await host.listen(LOOPBACK)
    return str(host.full_addresses[0])


async def test_events_that_were_lost_leave_nobody_behind() -> None:
    notices: list[Notice] = []
    async with (
        watched(notices, event_queue=1) as (host, watcher),
        Host(config=shinkai("x")) as one,
        Host(config=shinkai("y")) as two,
    ):
        for peer in (one, two):
            await peer.connect(host.full_addresses[0])
            await until(lambda peer=peer: peer.peer_id in watcher.peers)  # type: ignore[misc]
        for peer in (one, two):
            for connection in host.connections(peer.peer_id):
                connection.abort(ProtocolNotSupported(["x"]))
        await until(lambda: watcher.peers == [])
    assert sum(isinstance(notice, PeerDown) for notice in notices) == 2


@pytest.mark.req("SHK-70", "SHK-77")
async def test_what_was_said_to_an_earlier_process_counts_until_somebody_says_it_now() -> None:
    async with watched([]) as (host, watcher), Host(config=shinkai("shinkai-node-@@bob.shinkai")) as bob:
        former, other = Host().peer_id, Host().peer_id
        watcher.recall(other, "go-ipfs")
        watcher.recall(other, "shinkai-node-@@bob.shinkai")
        watcher.recall(former, "shinkai-node-@@bob.shinkai")
        assert watcher.peer_of("@@bob.shinkai") == former
        await bob.connect(host.full_addresses[0])
        await until(lambda: watcher.peer_of("@@bob.shinkai") == bob.peer_id)
        watcher.recall(former, "shinkai-node-@@bob.shinkai")
        assert watcher.peer_of("@@bob.shinkai") == bob.peer_id
