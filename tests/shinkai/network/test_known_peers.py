"""Peers that are found again after a restart."""

from __future__ import annotations

from pathlib import Path

import pytest

from p2pstack.identity.multiaddrs import parse
from p2pstack.shinkai.keys import NodeKeys
from p2pstack.shinkai.network.config import KnownPeersConfig
from p2pstack.shinkai.network.known_peers import KnownPeers
from p2pstack.shinkai.storage.schema import open_database
from tests.shinkai.storage.files import Clock

PEERS = [NodeKeys.unsafe_deterministic(number).signature.peer_id for number in range(6)]
HERE, THERE = parse("/ip4/192.0.2.1/tcp/1"), parse("/ip4/192.0.2.2/tcp/2")


@pytest.mark.req("SHK-77")
async def test_they_last_with_the_file_those_that_were_reached_first(tmp_path: Path) -> None:
    clock = Clock()
    async with await open_database(tmp_path / "node.db") as database:
        known = KnownPeers("head", database, KnownPeersConfig(), clock=clock)
        await known.load()
        await known.seen(PEERS[0], [HERE], worked=True)
        await known.seen(PEERS[0], [THERE], worked=True)
        assert known.newest(1)[0].addresses == (HERE,)
        clock.now += 60
        await known.seen(PEERS[1], [THERE], worked=False)
        await known.seen(PEERS[0], [THERE], worked=False)
        await known.seen(PEERS[2], [], worked=False)
        assert await known.forget(PEERS[3]) is False
    async with await open_database(tmp_path / "node.db") as database:
        known = KnownPeers("head", database, KnownPeersConfig(), clock=clock)
        await known.load()
        assert [each.peer for each in known.newest(9)] == PEERS[:2]
        assert known.newest(1)[0].addresses == (THERE, HERE)
        assert known.newest(1)[0].worked
        assert await known.forget(PEERS[0])
        other = KnownPeers("seed", database, KnownPeersConfig(), clock=clock)
        await other.load()
        assert len(other) == 0
    async with await open_database(tmp_path / "node.db") as database:
        known = KnownPeers("head", database, KnownPeersConfig(), clock=clock)
        clock.now += known.config.max_age
        await known.load()
        assert [each.peer for each in known.newest(9)] == [PEERS[1]]
        clock.now += 1
        again = KnownPeers("head", database, KnownPeersConfig(), clock=clock)
        await again.load()
        assert len(again) == 0


@pytest.mark.req("SHK-77")
async def test_strangers_do_not_push_out_those_that_were_reached(tmp_path: Path) -> None:
    clock = Clock()
    config = KnownPeersConfig(max_peers=3, max_addresses=1)
    async with await open_database(tmp_path / "node.db") as database:
        known = KnownPeers("head", database, config, clock=clock)
        await known.load()
        await known.seen(PEERS[0], [HERE, THERE], worked=True)
        for peer in PEERS[1:]:
            clock.now += 1
            await known.seen(peer, [THERE], worked=False)
        assert {each.peer for each in known.newest(9)} == {PEERS[0], PEERS[4], PEERS[5]}
        assert known.newest(1)[0].addresses == (HERE,)
        for peer in PEERS[1:4]:
            await known.seen(peer, [THERE], worked=True)
        again = KnownPeers("head", database, config, clock=clock)
        await again.load()
        assert {each.peer for each in again.newest(9)} == {each.peer for each in known.newest(9)}
        await known.seen(PEERS[5], [THERE], worked=False)
        assert PEERS[5] not in {each.peer for each in known.newest(9)}


@pytest.mark.req("SHK-77")
async def test_what_can_not_be_read_is_passed_over_and_there_may_be_no_file(tmp_path: Path) -> None:
    clock = Clock()
    async with await open_database(tmp_path / "node.db") as database:
        known = KnownPeers("head", database, KnownPeersConfig(), clock=clock)
        await known.load()
        await known.seen(PEERS[0], [HERE], worked=True)
        for row in (("nobody", "[]"), (str(PEERS[1]), "no JSON"), (str(PEERS[2]), "5"), (str(PEERS[3]), '["/x"]')):
            await database.run(
                lambda connection, row=row: connection.execute(  # type: ignore[misc]
                    "INSERT INTO known_peer VALUES ('head', ?, ?, 1, ?)", (*row, clock.now)
                )
            )
        again = KnownPeers("head", database, KnownPeersConfig(), clock=clock)
        await again.load()
        assert [each.peer for each in again.newest(9)] == [PEERS[0]]
    homeless = KnownPeers("head", None, KnownPeersConfig(), clock=clock)
    await homeless.load()
    await homeless.seen(PEERS[0], [HERE], worked=True)
    assert len(homeless) == 1
