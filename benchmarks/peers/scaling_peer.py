"""The peer of the scaling curves: p2pstack with its limits out of the way and verbs that other stacks need not have.

`listen` serves echo. `streams ADDR --count N` opens N streams on one connection, sends a byte on each, waits until all
have come back, and keeps them until stdin closes. `hold ADDR --count N` keeps N connections likewise, each of a host
of its own. `messages ADDR --sizes A,B,… --seconds S` sends messages of each size on one stream, each as soon as the
one before is back. One JSON object a line on stdout.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import time

from p2pstack import Host, HostConfig, Stream
from p2pstack.aio.config import ShellConfig
from p2pstack.connection.config import ConnectionConfig
from p2pstack.host.config import LimitsConfig, ManagerConfig
from p2pstack.yamux.config import YamuxConfig

ECHO = "/echo/1.0.0"
OPENING_AT_ONCE = 100
DIALS_AT_ONCE = 20
MANY = 1_000_000


def unlimited(spin_seconds: float) -> HostConfig:
    """A configuration whose limits are out of the way: what they protect from is what is measured here."""
    return HostConfig(
        connection=ConnectionConfig(
            max_negotiating=MANY,
            yamux=YamuxConfig(max_inbound_streams=MANY, max_streams=MANY, max_unacknowledged=MANY),
        ),
        shell=ShellConfig(max_handlers=MANY, spin_seconds=spin_seconds),
        limits=LimitsConfig(
            connections=MANY,
            inbound_connections=MANY,
            upgrading=MANY,
            inbound_streams=MANY,
            streams_per_protocol=MANY,
        ),
        manager=ManagerConfig(low_water=MANY, high_water=MANY),
    )


def emit(**event: object) -> None:
    """Print one event as a line of JSON."""
    print(json.dumps(event), flush=True)


async def until_stdin_closes() -> None:
    """Wait for the harness to let go."""
    closed = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_reader(0, closed.set)  # nothing is ever written to it
    await closed.wait()
    loop.remove_reader(0)


async def serve_echo(stream: Stream) -> None:
    """Send back what comes."""
    stream.timeout = None
    while pieces := await stream.chunks():
        for piece in pieces:
            stream.write(piece)
        await stream.drain()
    await stream.close()


async def listen(_: argparse.Namespace, config: HostConfig) -> None:
    """Serve echo until stdin closes."""
    async with Host(listen=["/ip4/127.0.0.1/tcp/0"], config=config) as host:
        host.handle(ECHO, serve_echo)
        emit(event="listening", addr=str(host.full_addresses[0]))
        await until_stdin_closes()


async def streams(arguments: argparse.Namespace, config: HostConfig) -> None:
    """Open streams, at most `OPENING_AT_ONCE` at a time, and hold them."""
    slots = asyncio.Semaphore(OPENING_AT_ONCE)
    held: list[Stream] = []
    async with Host(config=config) as host:
        connection = await host.connect(arguments.addr)

        async def one() -> None:
            async with slots:
                stream = await connection.open_stream([ECHO])
                stream.write(b"x")
                await stream.read_exactly(1)
                held.append(stream)

        start = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for _ in range(arguments.count):
                group.create_task(one())
        emit(event="streams", count=len(held), seconds=time.perf_counter() - start)
        await until_stdin_closes()


async def hold(arguments: argparse.Namespace, config: HostConfig) -> None:
    """Connect `--count` hosts of their own identity, at most `DIALS_AT_ONCE` at a time, and keep them so."""
    slots = asyncio.Semaphore(DIALS_AT_ONCE)
    async with contextlib.AsyncExitStack() as stack:
        hosts = [await stack.enter_async_context(Host(config=config)) for _ in range(arguments.count)]

        async def dial(host: Host) -> None:
            async with slots:
                await host.connect(arguments.addr)

        start = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for host in hosts:
                group.create_task(dial(host))
        emit(event="holding", count=len(hosts), seconds=time.perf_counter() - start)
        await until_stdin_closes()


async def messages(arguments: argparse.Namespace, config: HostConfig) -> None:
    """Echo messages of each size for a while."""
    async with Host(config=config) as host:
        stream = await host.open_stream(arguments.addr, [ECHO])
        results = []
        for size in map(int, arguments.sizes.split(",")):
            payload = bytes(size)
            await exchange(stream, payload)
            count, start = 0, time.perf_counter()
            while time.perf_counter() - start < arguments.seconds:
                await exchange(stream, payload)
                count += 1
            results.append({"size": size, "count": count, "seconds": time.perf_counter() - start})
        emit(event="messages", results=results)


async def exchange(stream: Stream, payload: bytes) -> None:
    """Send one message and wait until all of it is back."""
    stream.write(payload)
    left = len(payload)
    while left:
        pieces = await stream.chunks()
        if not pieces:
            raise EOFError("the echo ended")
        left -= sum(map(len, pieces))


def main() -> None:
    """Parse the command line and run the verb."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="asyncio")
    parser.add_argument("--spin", type=float, default=0.0, help="microseconds")
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("listen")
    for verb in ("streams", "hold"):
        opener = verbs.add_parser(verb)
        opener.add_argument("addr")
        opener.add_argument("--count", type=int, required=True)
    sender = verbs.add_parser("messages")
    sender.add_argument("addr")
    sender.add_argument("--sizes", required=True)
    sender.add_argument("--seconds", type=float, default=0.5)
    arguments = parser.parse_args()
    factory = None
    if arguments.loop == "uvloop":
        import uvloop

        factory = uvloop.new_event_loop
    run = {"listen": listen, "streams": streams, "hold": hold, "messages": messages}[arguments.verb]
    with asyncio.Runner(loop_factory=factory) as runner:
        runner.run(run(arguments, unlimited(arguments.spin / 1e6)))


if __name__ == "__main__":
    main()
