"""How fast a pair of nodes is: two processes, real sockets, encrypted and signed, queues on disk.

``python -m benchmarks.peers.shinkai_peer`` prints this machine's figures as a JSON line; ``--tcp`` does without
libp2p.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from p2pstack.shinkai.directory.memory import MemoryDirectory
from p2pstack.shinkai.directory.records import IdentityRecord
from p2pstack.shinkai.keys import NodeKeys
from p2pstack.shinkai.names import ShinkaiName
from p2pstack.shinkai.network.profiles import Profile
from p2pstack.shinkai.node import NodeConfig, SendState, ShinkaiNode

ALICE, BOB = "@@alice.shinkai", "@@bob.shinkai"
TEXT = "a message of some length, as people write them. " * 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """Messages a second from send to inbox, latencies from send to inbox in seconds, and seconds to start a node."""

    per_second: float
    p50: float
    p99: float
    acknowledged_p50: float
    start: float


def record(name: str, number: int, address: str) -> IdentityRecord:
    """Return what the directory says of a node, whose keys follow from ``number``."""
    keys = NodeKeys.unsafe_deterministic(number)
    return IdentityRecord(
        name=ShinkaiName.parse(name),
        encryption_key=keys.encryption.public,
        signature_key=keys.signature.public_key,
        address_or_proxy_nodes=(address,),
    )


async def measure(
    *,
    profile: Profile = Profile.HEAD,
    libp2p: bool = True,
    total: int = 4_000,
    in_flight: int = 64,
    rate: float = 200.0,
) -> Figures:
    """Send ``total`` messages, ``in_flight`` at a time, then two seconds of them at ``rate`` a second."""
    with tempfile.TemporaryDirectory() as folder:
        async with _receiver(Path(folder), profile, libp2p=libp2p) as (process, address):
            directory = MemoryDirectory([record(ALICE, 1, "127.0.0.1:1"), record(BOB, 2, address)])
            node = ShinkaiNode(
                ALICE,
                keys=NodeKeys.unsafe_deterministic(1),
                directory=directory,
                data=Path(folder) / "alice",
                config=NodeConfig(libp2p=libp2p),
                profile=profile,
                listen="127.0.0.1:0",
            )
            began = time.perf_counter()
            async with node:
                start = time.perf_counter() - began
                assert process.stdin is not None
                process.stdin.write(f"{node.listen_address}\n".encode())
                assert await _line(process) == "ready"
                assert (await node.send_text(BOB, "first")).state is not SendState.REFUSED
                await _line(process)
                per_second = await _throughput(node, process, total, in_flight)
                latencies, acknowledged = await _latencies(node, process, rate)
    cuts = statistics.quantiles(latencies, n=100)
    return Figures(
        per_second=per_second,
        p50=statistics.median(latencies),
        p99=cuts[98],
        acknowledged_p50=statistics.median(acknowledged),
        start=start,
    )


async def _throughput(node: ShinkaiNode, process: asyncio.subprocess.Process, total: int, in_flight: int) -> float:
    numbers = iter(range(total))

    async def work() -> None:
        for _ in numbers:
            result = await node.send_text(BOB, TEXT)
            assert result.state is SendState.ACKNOWLEDGED, result

    async def arrive() -> None:
        for _ in range(total):
            await _line(process)

    began = time.perf_counter()
    await asyncio.gather(arrive(), *(work() for _ in range(in_flight)))
    return total / (time.perf_counter() - began)


async def _latencies(
    node: ShinkaiNode, process: asyncio.subprocess.Process, rate: float, seconds: float = 2.0
) -> tuple[list[float], list[float]]:
    sent: dict[str, float] = {}
    acknowledged: list[float] = []
    latencies: list[float] = []
    total = int(rate * seconds)

    async def one(number: int) -> None:
        text = f"{number} {TEXT}"
        began = sent[str(number)] = time.monotonic()
        await node.send_text(BOB, text)
        acknowledged.append(time.monotonic() - began)

    async def pace() -> None:
        loop = asyncio.get_running_loop()
        began, tick = loop.time(), asyncio.Event()
        async with asyncio.TaskGroup() as group:
            for number in range(total):
                loop.call_at(began + number / rate, tick.set)
                await tick.wait()
                tick.clear()
                group.create_task(one(number))

    async def arrive() -> None:
        for _ in range(total):
            number, at = (await _line(process)).split()
            latencies.append(float(at) - sent[number])

    await asyncio.gather(pace(), arrive())
    return latencies, acknowledged


async def _line(process: asyncio.subprocess.Process) -> str:
    assert process.stdout is not None
    async with asyncio.timeout(30):
        line = await process.stdout.readline()
    assert line, "the receiver has ended"
    return line.decode().strip()


@asynccontextmanager
async def _receiver(
    folder: Path, profile: Profile, *, libp2p: bool
) -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    arguments = ["--receive", str(folder / "bob"), "--profile", profile.value, *(["--tcp"] if not libp2p else [])]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.peers.shinkai_peer",
        *arguments,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    )
    try:
        yield process, await _line(process)
    finally:
        if process.stdin is not None:
            process.stdin.close()
        try:
            async with asyncio.timeout(10):
                await process.wait()
        except TimeoutError:
            process.kill()
            await process.wait()


async def _receive(folder: Path, profile: Profile, *, libp2p: bool) -> None:
    """A node that prints a line for each message: the first word of its text, and when it was given out."""
    directory = MemoryDirectory()
    loop = asyncio.get_running_loop()
    node = ShinkaiNode(
        BOB,
        keys=NodeKeys.unsafe_deterministic(2),
        directory=directory,
        data=folder,
        config=NodeConfig(libp2p=libp2p),
        profile=profile,
        listen="127.0.0.1:0",
    )
    async with node:
        _say(str(node.listen_address))
        directory.add(record(ALICE, 1, (await loop.run_in_executor(None, sys.stdin.readline)).strip()))
        _say("ready")

        async def show() -> None:
            async with node.inbox() as inbox:
                async for message in inbox:
                    _say(f"{message.text.split()[0]} {time.monotonic()}")

        shower = asyncio.create_task(show())
        await loop.run_in_executor(None, sys.stdin.read)
        shower.cancel()
        await asyncio.wait((shower,))


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


def main() -> None:
    """Measure, or be the node that receives."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--receive", type=Path)
    parser.add_argument("--profile", type=Profile, default=Profile.HEAD)
    parser.add_argument("--tcp", action="store_true")
    parser.add_argument("--total", type=int, default=4_000)
    given = parser.parse_args()
    if given.receive is not None:
        asyncio.run(_receive(given.receive, given.profile, libp2p=not given.tcp))
        return
    figures = asyncio.run(measure(profile=given.profile, libp2p=not given.tcp, total=given.total))
    _say(json.dumps({"event": "shinkai", **asdict(figures)}))


if __name__ == "__main__":
    main()
