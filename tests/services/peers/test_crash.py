"""A process that is killed at any moment has kept every peer that was written."""

from __future__ import annotations

import asyncio
import contextlib
import random
import sys
from pathlib import Path

import pytest

from p2pstack.services.peers.config import PeersConfig
from p2pstack.services.peers.service import PersistentPeers
from p2pstack.services.standard import Host
from tests.host.hosts import key
from tests.project.sources import ROOT
from tests.services.hosts import LOOPBACK, until

PEERS = 6


async def said_before_its_death(path: Path, addresses: list[str], lines: int) -> set[str]:
    """What the process said, which is killed after ``lines`` lines, wherever it is by then."""
    command = [sys.executable, "-m", "tests.services.peers.crashing", str(path), *addresses]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=ROOT)
    assert process.stdout is not None
    try:
        said = [await process.stdout.readline() for _ in range(lines)]
    finally:
        process.kill()
    said += (await process.stdout.read()).splitlines(keepends=True)
    assert await process.wait() == -9, "it had ended before it was killed"
    return {line.decode().strip() for line in said if line.endswith(b"\n")}


@pytest.mark.slow
@pytest.mark.deadline(100)
@pytest.mark.req("PEERS-01", "PEERS-07")
async def test_who_was_written_is_known_and_dialled_after_a_kill(tmp_path: Path) -> None:
    path = tmp_path / "peers.db"
    chance = random.Random(7)
    async with contextlib.AsyncExitStack() as stack:
        hosts = [Host(key(number), listen=[LOOPBACK]) for number in range(1, PEERS + 1)]
        for host in hosts:
            await stack.enter_async_context(host)
        addresses = [str(host.full_addresses[0]) for host in hosts]
        said: set[str] = set()
        for _ in range(4):
            said |= await said_before_its_death(path, addresses, chance.randint(1, 20))
            again = Host(key(99))
            peers = PersistentPeers(again, path, config=PeersConfig(wanted=len(said)))
            async with again:
                assert peers.error is None
                assert said <= {str(each) for each in again.peerstore.peers()}
                await until(lambda host=again, wanted=said: {str(each) for each in host.network.peers} >= wanted)
