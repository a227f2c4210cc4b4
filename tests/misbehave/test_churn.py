"""A thousand peers that come and go: no task, descriptor, object or byte is left of them."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import tracemalloc
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from p2pstack.aio.connection import Connection
from p2pstack.host.host import BaseHost
from tests.misbehave.arena import ECHO, Growth, Victim, arena, descriptors, says_back, settings
from tests.misbehave.attacker import PATIENCE, Attacker, Socket

pytestmark = pytest.mark.misbehave

ROOT = Path(__file__).resolve().parents[2]

AT_ONCE = 20
Visit = Callable[[Victim], Awaitable[Socket]]


async def bare(victim: Victim) -> Socket:
    return await Socket.connect(victim.port)


async def thrown_out(victim: Victim) -> Socket:
    sock = await Socket.connect(victim.port)
    await sock.send(b"GET / HTTP/1.1\r\n\r\n")
    await sock.read_to_end()
    return sock


async def garbage(victim: Victim) -> Socket:
    sock = await Socket.connect(victim.port)
    await sock.flood([b"\x13/multistream/1.0.0\n\x07/noise\n\x00\x20" + bytes(range(32)) + b"\xff\xff", bytes(60_000)])
    return sock


async def upgraded(victim: Victim) -> Socket:
    return await (await Attacker.connect(victim.port)).upgrade()


async def with_a_stream(victim: Victim) -> Socket:
    attacker = await (await Attacker.connect(victim.port)).upgrade()
    await attacker.open_stream(ECHO, b"x")
    return attacker


VISITS = [bare, thrown_out, garbage, upgraded, with_a_stream]


async def visits(victim: Victim, visit: Visit, leave: str, count: int) -> None:
    """Let ``count`` peers come, and leave, ``AT_ONCE`` at the same time."""
    for _ in range(0, count, AT_ONCE):
        for attacker in await asyncio.gather(*(visit(victim) for _ in range(AT_ONCE))):
            getattr(attacker, leave)()
        for _ in range(AT_ONCE):
            await victim.next_end()


@pytest.mark.slow
@pytest.mark.req("GEN-01", "GEN-04", "GEN-12", "TCP-03")
@pytest.mark.parametrize("leave", ["close", "abort"])
@pytest.mark.parametrize(
    "visit", [bare, thrown_out, garbage, upgraded, with_a_stream], ids=lambda visit: visit.__name__
)
async def test_a_thousand_peers_come_and_go(visit: Visit, leave: str) -> None:
    async with arena(settings()) as victim:
        await visits(victim, visit, leave, 200)
        tasks, files = len(asyncio.all_tasks()), descriptors()
        growth = Growth()
        await visits(victim, visit, leave, 1000)
        assert growth.mebibytes < 8
        for _ in range(3):  # turns of the loop, in which the last tasks are taken off the books
            await asyncio.sleep(0)
        assert len(asyncio.all_tasks()) <= tasks
        assert descriptors() <= files
        gc.collect()
        alive = [each for each in gc.get_objects() if isinstance(each, Connection)]
        assert len(alive) <= 4  # the bystander's two ends, and what stands in a variable


@pytest.mark.req("GEN-04", "GEN-05")
async def test_half_open_connections_hold_little() -> None:
    async with arena(settings(limits={"upgrading": 101})) as victim:
        tracemalloc.start()
        try:
            for _ in range(100):
                victim.attackers.append(await garbage(victim))
            await victim.upgraded()  # whose bytes came behind all those
            held, _ = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert sum(len(each.rest) > 60_000 for each in victim.host.network.every_connection()) >= 99
        assert victim.host.usage()["upgrading"].current == 100
        assert held < 100 * 80_000  # its 60,000 bytes once, and little else


@pytest.mark.slow
@pytest.mark.req("TCP-03", "GEN-01")
async def test_accepting_goes_on_when_descriptors_are_free_again() -> None:
    command = [sys.executable, "-m", "tests.misbehave.starved"]
    process = await asyncio.create_subprocess_exec(
        *command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": str(ROOT)}
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        address = (await process.stdout.readline()).decode().strip()
        async with BaseHost() as bystander:
            stream = await bystander.open_stream(address, ECHO)
            await says_back(stream, b"before")
            port = int(address.split("/")[4])
            flood = [await Socket.connect(port) for _ in range(40)]
            async with asyncio.timeout(PATIENCE):
                complaint = (await process.stdout.readline()).decode()
            assert "out of system resource" in complaint
            assert "EMFILE" in complaint or "Too many open files" in complaint
            await says_back(stream, b"meanwhile")
            for sock in flood:
                sock.abort()
            async with BaseHost() as newcomer, await newcomer.open_stream(address, ECHO) as other:
                await says_back(other, b"again")
            await says_back(stream, b"after")
            await stream.close()
        rest = (await process.communicate(b""))[0].decode().splitlines()
        assert rest[-1] == "tasks left: 0"
        assert len(rest) < 100  # asyncio complains for every connection that it tries to accept in a turn
        assert process.returncode == 0
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
