"""A host that knows its peers again after a restart."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from p2pstack.errors import DeadlineExceeded, DialError, HostClosed, LocalError
from p2pstack.host.events import EventStream, PeerConnected
from p2pstack.host.host import BaseHost
from p2pstack.services.events import PeerIdentified
from p2pstack.services.peers.config import PeersConfig
from p2pstack.services.peers.events import ForgetReason, PeerForgotten, PeersLoaded, PeersUnavailable
from p2pstack.services.peers.service import PersistentPeers
from p2pstack.services.ping import PING
from p2pstack.services.standard import Host
from p2pstack.storage.components import NETWORK_SCHEMA
from p2pstack.storage.database import Database
from p2pstack.storage.errors import SchemaTooNew, StorageDamaged, StorageError, StorageLocked
from tests.host.hosts import closed_address, key, nothing_left
from tests.services.hosts import LOOPBACK, next_event, until
from tests.services.peers.known import DAY, Clock

QUIET: dict[str, Any] = {"wanted": 0, "write_interval": 3_600.0}
"""It neither dials nor writes by itself."""


class Node:
    """A host with known peers in a file."""

    def __init__(self, storage: Path | Database, clock: Clock | None = None, **config: Any) -> None:
        self.host = Host(key(1), listen=[LOOPBACK])
        self.clock = clock or Clock()
        self.peers = PersistentPeers(self.host, storage, config=PeersConfig(**(QUIET | config)), clock=self.clock)
        self.events: EventStream = self.host.events(PeersLoaded, PeersUnavailable, PeerForgotten)

    async def meet(self, other: Host) -> None:
        """Connect to another host, until that is noted."""
        with contextlib.closing(self.host.events(PeerIdentified)) as events:
            await self.host.connect(other.full_addresses[0])
            await next_event(events, PeerIdentified)
        await until(lambda: (found := self.peers.get(other.peer_id)) is not None and found.protocols is not None)


@contextlib.asynccontextmanager
async def others(*numbers: int) -> AsyncIterator[list[Host]]:
    async with contextlib.AsyncExitStack() as stack:
        hosts = [Host(key(number), listen=[LOOPBACK]) for number in numbers]
        for host in hosts:
            await stack.enter_async_context(host)
        yield hosts


# -- over a restart


@pytest.mark.req("PEERS-01", "PEERS-03")
async def test_a_host_knows_its_peers_again(tmp_path: Path) -> None:
    path = tmp_path / "peers.db"
    async with nothing_left(), others(2, 3) as (second, third):
        clock = Clock()
        before = Node(path, clock)
        async with before.host:
            assert await next_event(before.events, PeersLoaded) == PeersLoaded(peers=0, skipped=0)
            await before.meet(second)
            await third.connect(before.host.full_addresses[0])
            await until(lambda: (found := before.peers.get(third.peer_id)) is not None and bool(found.protocols))
        clock.now += DAY
        after = Node(path, clock)
        async with after.host:
            assert await next_event(after.events, PeersLoaded) == PeersLoaded(peers=2, skipped=0)
            store = after.host.peerstore
            assert second.addresses[0] in store.addresses(second.peer_id, monotonic())
            assert store.speaks(second.peer_id, PING)
            known = store.get(second.peer_id)
            assert known is not None
            assert known.agent == second.config.agent_version
            assert known.record is not None
            assert known.record_seq > 0
            reached, came = after.peers.get(second.peer_id), after.peers.get(third.peer_id)
            assert reached is not None
            assert came is not None
            assert (reached.last_success, came.last_success) == (clock.now - DAY, 0.0)
            assert (await after.host.connect(second.peer_id)).peer_id == second.peer_id


@pytest.mark.req("PEERS-03")
async def test_addresses_expire_by_the_clock_on_the_wall(tmp_path: Path) -> None:
    async with others(2, 3) as (second, third):
        clock = Clock()
        before = Node(tmp_path / "peers.db", clock)
        async with before.host:
            await before.meet(second)
        clock.now += 5 * DAY
        between = Node(tmp_path / "peers.db", clock)
        async with between.host:
            await between.meet(third)
        clock.now += 3 * DAY
        after = Node(tmp_path / "peers.db", clock)
        async with after.host:
            forgotten = await next_event(after.events, PeerForgotten)
            assert (forgotten.peer, forgotten.reason) == (second.peer_id, ForgetReason.ADDRESSES)
            assert after.host.peerstore.addresses(second.peer_id, 0.0) == []
            assert after.host.peerstore.addresses(third.peer_id, monotonic() + 3 * DAY)
            later = monotonic() + 5 * DAY
            assert after.host.peerstore.addresses(third.peer_id, later) == []


@pytest.mark.req("PEERS-09")
async def test_a_database_of_the_program_is_shared_and_stays_open(tmp_path: Path) -> None:
    async with (
        others(2) as (second,),
        await Database.open(tmp_path / "all.db", NETWORK_SCHEMA) as database,
    ):
        node = Node(database)
        async with node.host:
            await node.meet(second)
        rows = await database.run(lambda file: file.execute("SELECT peer FROM peer").fetchall())
        assert rows == [(str(second.peer_id),)]


async def test_it_may_be_started_and_stopped_by_itself(tmp_path: Path) -> None:
    async with others(2) as (second,), Host(key(1)) as host:
        await host.connect(second.full_addresses[0])
        peers = PersistentPeers(host, tmp_path / "peers.db", config=PeersConfig(**QUIET))
        async with peers:
            await peers.start()
            assert len(peers) == 1, "who is connected already"
            assert second.peer_id in peers
            assert peers.forget(second.peer_id)
            assert not peers.forget(second.peer_id)
        assert peers not in host.services
        await peers.stop()
        with pytest.raises(HostClosed):
            await peers.start()


# -- writing


@pytest.mark.req("PEERS-07")
async def test_news_are_written_after_a_while_in_bounded_commits(tmp_path: Path) -> None:
    async with others(2, 3, 4) as hosts:
        node = Node(tmp_path / "peers.db", write_interval=0.02, max_batch=1)
        async with node.host:
            for host in hosts:
                await node.meet(host)
            database = node.peers._own
            assert database is not None
            sizes: list[int] = []

            def rows(file: sqlite3.Connection) -> int:
                number: int = file.execute("SELECT count(*) FROM peer").fetchone()[0]
                return number

            while not sizes or sizes[-1] < 3:
                sizes.append(await database.run(rows))
            assert node.peers.error is None


@pytest.mark.req("PEERS-07")
async def test_nobody_waits_for_a_disk_that_hangs(tmp_path: Path) -> None:
    release = threading.Event()
    async with others(2) as (second,):
        node = Node(tmp_path / "peers.db", close_timeout=0.05)
        async with node.host:
            assert node.peers._own is not None
            hanging = asyncio.create_task(node.peers._own.run(lambda _: release.wait(20)))
            await node.meet(second)
            assert await node.host.ping(second.peer_id) < 5
        assert isinstance(node.peers.error, DeadlineExceeded)
        release.set()
        await hanging


@pytest.mark.req("PEERS-07", "PEERS-08")
async def test_what_could_not_be_written_is_written_later_and_told_once(tmp_path: Path) -> None:
    async with others(2) as (second,):
        node = Node(tmp_path / "peers.db", write_interval=0.01)
        async with node.host:
            database = node.peers._own
            assert database is not None
            await database.run(lambda file: file.execute("ALTER TABLE peer RENAME TO elsewhere"))
            await node.meet(second)
            error = (await next_event(node.events, PeersUnavailable)).error
            assert "no such table: peer" in str(error)
            assert node.peers.error is not None
            with pytest.raises(StorageError):
                await node.peers.flush()
            await database.run(lambda file: file.execute("ALTER TABLE elsewhere RENAME TO peer"))
            await until(lambda: node.peers.error is None)
            assert await database.run(lambda file: file.execute("SELECT peer FROM peer").fetchall())


# -- files that can't be used


def damaged(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[100:] = b"\xff" * (len(content) - 100)
    path.write_bytes(content)


def damaged_inside(path: Path) -> None:
    """Damage all pages but the first, which opening looks at."""
    content = bytearray(path.read_bytes())
    content[4096:] = b"\xff" * (len(content) - 4096)
    path.write_bytes(content)


def newer(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("UPDATE component SET version = 9")
        file.commit()


@pytest.mark.req("PEERS-08")
@pytest.mark.parametrize(
    ("spoil", "kind"),
    [
        (damaged, StorageDamaged),
        (damaged_inside, StorageDamaged),
        (lambda path: path.write_text("a diary " * 1_000), StorageDamaged),
        (newer, SchemaTooNew),
    ],
)
async def test_a_file_that_cannot_be_used_is_told_and_left_and_the_host_starts(
    tmp_path: Path, spoil: Any, kind: type[StorageError], caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "peers.db"
    async with nothing_left(), others(2) as (second,):
        before = Node(path)
        async with before.host:
            await before.meet(second)
        spoil(path)
        content = path.read_bytes()
        node = Node(path)
        async with node.host:
            assert type((await next_event(node.events, PeersUnavailable)).error) is kind
            assert type(node.peers.error) is kind
            assert "not kept on disk" in caplog.text
            await node.meet(second)
            assert len(node.peers) == 1, "in memory"
            await node.peers.flush()
        if kind is StorageDamaged:
            assert path.read_bytes() == content


@pytest.mark.req("PEERS-08")
async def test_rows_that_can_not_be_read_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "peers.db"
    async with others(2, 3) as hosts:
        before = Node(path)
        async with before.host:
            for host in hosts:
                await before.meet(host)
        with contextlib.closing(sqlite3.connect(path)) as file:
            file.execute("UPDATE peer SET peer = 'nobody' WHERE peer = ?", (str(hosts[0].peer_id),))
            file.commit()
        after = Node(path)
        async with after.host:
            assert await next_event(after.events, PeersLoaded) == PeersLoaded(peers=1, skipped=1)
            assert "rows of known peers that could not be read: 1" in caplog.text
            assert hosts[1].peer_id in after.peers


async def test_what_was_never_started_can_be_stopped(tmp_path: Path) -> None:
    host = Host(key(1))
    peers = PersistentPeers(host, tmp_path / "peers.db")
    await peers.stop()
    assert host.services == [host.identify, host._ping]
    assert not (tmp_path / "peers.db").exists()


@pytest.mark.req("PEERS-08")
async def test_a_file_of_another_process_is_told(tmp_path: Path) -> None:
    async with await Database.open(tmp_path / "peers.db", NETWORK_SCHEMA):
        node = Node(tmp_path / "peers.db")
        async with node.host:
            assert isinstance((await next_event(node.events, PeersUnavailable)).error, StorageLocked)


@pytest.mark.req("PEERS-08")
async def test_a_database_that_its_program_closes_early_costs_nothing_else(tmp_path: Path) -> None:
    database = await Database.open(tmp_path / "all.db", NETWORK_SCHEMA)
    async with others(2) as (second,):
        node = Node(database)
        async with node.host:
            await node.meet(second)
            await database.close()
        assert isinstance(node.peers.error, LocalError)


# -- failures


@pytest.mark.req("PEERS-05")
async def test_failed_dials_are_counted_and_the_last_one_is_told(tmp_path: Path) -> None:
    async with others(2, 3) as (second, third):
        node = Node(tmp_path / "peers.db", max_failures=2)
        async with node.host:
            await node.meet(second)
            await node.meet(third)
            await second.close()
            await until(lambda: not node.host.connections(second.peer_id))
            for _ in range(2):
                with pytest.raises(DialError):
                    # Another address each time: one that has failed is left alone for a second.
                    await node.host.connect(second.peer_id, [closed_address()])
                node.clock.now += DAY
            forgotten = await next_event(node.events, PeerForgotten)
            assert (forgotten.peer, forgotten.reason) == (second.peer_id, ForgetReason.FAILURES)
            assert third.peer_id in node.peers
        after = Node(tmp_path / "peers.db", node.clock)
        async with after.host:
            assert second.peer_id not in after.peers


# -- hosts without identify


async def test_a_host_without_services_remembers_where_it_has_been(tmp_path: Path) -> None:
    async with others(2) as (second,):
        host = BaseHost(key(1))
        peers = PersistentPeers(host, str(tmp_path / "peers.db"), config=PeersConfig(**QUIET))
        async with host:
            await host.connect(second.full_addresses[0])
            await until(lambda: second.peer_id in peers)
            known = peers.get(second.peer_id)
            assert known is not None
            assert list(known.addresses) == second.addresses


@pytest.mark.req("PEERS-06")
async def test_who_accepts_and_drops_is_dialled_no_faster_than_the_back_off(tmp_path: Path) -> None:
    async with others(2) as (rude,), contextlib.AsyncExitStack() as stack:
        node = Node(tmp_path / "peers.db", wanted=1)
        await stack.enter_async_context(node.host)
        with contextlib.closing(rude.events(PeerConnected)) as events:
            await node.meet(rude)
            await rude.disconnect((await next_event(events, PeerConnected)).peer)
            await until(lambda: not node.host.connections())
            node.clock.now += node.peers.config.backoff_base - 1
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(anext(events), 0.2)
            node.clock.now += 1
            node.peers._dialler.look()
            assert (await next_event(events, PeerConnected)).peer == node.host.peer_id


@pytest.mark.req("PEERS-09")
async def test_two_hosts_in_one_file_do_not_get_each_others_peers(tmp_path: Path) -> None:
    async with await Database.open(tmp_path / "both.db", NETWORK_SCHEMA) as database, others(2, 3) as hosts:
        for name, other in zip(("one", "two"), hosts, strict=True):
            host = Host(key(1), listen=[LOOPBACK])
            peers = PersistentPeers(host, database, name=name, config=PeersConfig(**QUIET))
            async with host:
                assert peers.newest() == []
                await host.connect(other.full_addresses[0])
                await until(lambda remembered=peers, peer=other.peer_id: peer in remembered)
        for name, other in zip(("one", "two"), hosts, strict=True):
            host = Host(key(1))
            peers = PersistentPeers(host, database, name=name, config=PeersConfig(**QUIET))
            async with host:
                assert [each.peer for each in peers.newest()] == [other.peer_id]


async def test_the_newest_are_those_that_were_reached_last_then_those_met_last(tmp_path: Path) -> None:
    node = Node(tmp_path / "peers.db")
    async with others(2, 3, 4) as hosts, node.host:
        second, third, fourth = hosts
        await third.connect(node.host.full_addresses[0])
        await until(lambda: third.peer_id in node.peers)
        node.clock.now += 1
        await node.meet(second)
        node.clock.now += 1
        await fourth.connect(node.host.full_addresses[0])
        await until(lambda: fourth.peer_id in node.peers)
        order = [host.peer_id for host in (second, fourth, third)]
        await until(lambda: [each.peer for each in node.peers.newest()] == order)
