"""``p2pstack peer dial``: one connection, one thing to do with it, one result. These loops are what benchmarks measure.

Only what is to be timed stands between two readings of the clock. Streams are opened after identify, so that each
begins with its own first bytes instead of a round trip of negotiation.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator
from time import perf_counter

from p2pstack.aio.stream import Stream
from p2pstack.cli.arguments import CommandError
from p2pstack.cli.peer_dcutr import punch
from p2pstack.cli.peer_host import emit, emit_identified, make_host, tracing
from p2pstack.cli.peer_relay import pass_relays
from p2pstack.cli.running import raise_descriptor_limit, stop_requests
from p2pstack.connection.trace import TraceSink
from p2pstack.errors import P2PError
from p2pstack.identity.peer_id import PeerId
from p2pstack.services.echo import ECHO
from p2pstack.services.perf import measure
from p2pstack.services.standard import Host

__all__ = ["VERBS", "dial"]

_QUEUED_AT_ONCE = 1 << 20
"""Bytes of an echo that are written before anything is read; more is written beside reading, block by block."""

_BLOCK = 1 << 18

Verb = Callable[[argparse.Namespace, Host, PeerId], Awaitable[None]]


async def dial(options: argparse.Namespace) -> None:
    """Do ``options.do`` at ``options.address``, and print its event."""
    raise_descriptor_limit()
    with tracing(options) as sink:
        if options.do == "hold":
            await _hold(options, sink)
            return
        if options.do == "dcutr":
            await punch(options, sink)
            return
        host = make_host(options, trace=sink)
        pass_relays(host, options.address)
        async with host:
            if options.do == "connect":
                await _connect(options, host)
                return
            connection = await host.connect(options.address)
            if options.do == "identify":
                emit_identified(await host.identify.wait(connection, 10.0))
                return
            with contextlib.suppress(P2PError):
                await host.identify.wait(connection)
            await _VERBS[options.do](options, host, connection.peer_id)


async def _connect(options: argparse.Namespace, host: Host) -> None:
    """Connect and close, again and again; identify runs beside it."""
    address = options.address
    started = perf_counter()
    for _ in range(options.count):
        connection = await host.connect(address)
        await connection.close()
    emit("connect", count=options.count, seconds=perf_counter() - started)


async def _hold(options: argparse.Namespace, sink: TraceSink | None) -> None:
    """Keep connections of as many identities, until the time is over or SIGTERM comes."""
    started = perf_counter()
    async with contextlib.AsyncExitStack() as stack:
        stop = stack.enter_context(stop_requests(stdin=False))
        hosts: list[Host] = []
        stack.push_async_callback(_close_all, hosts)
        for _ in range(options.count):
            host = make_host(options, trace=sink)
            hosts.append(host)
            await host.start()
            await host.connect(options.address)
        emit("holding", count=options.count, seconds=perf_counter() - started)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(options.wait):
                await stop.wait()


async def _close_all(hosts: list[Host]) -> None:
    await asyncio.gather(*(host.close() for host in hosts))


async def _ping(options: argparse.Namespace, host: Host, peer: PeerId) -> None:
    ping, interval = host.ping, options.interval
    round_trips = []
    for number in range(options.count):
        if interval and number:
            await asyncio.sleep(interval)
        round_trips.append(await ping(peer))
    emit("ping", rtts_us=[round_trip * 1e6 for round_trip in round_trips])


async def _echo(options: argparse.Namespace, host: Host, peer: PeerId) -> None:
    payload = bytes(number * 31 & 0xFF for number in range(options.size))
    streams = options.streams
    started = perf_counter()
    if options.concurrent:
        waiting = iter(range(streams))
        async with asyncio.TaskGroup() as group:
            for _ in range(min(streams, options.workers or streams)):
                group.create_task(_echo_each(host, peer, payload, waiting))
    else:
        for _ in range(streams):
            await _echo_once(host, peer, payload)
    emit("echo", streams=streams, bytes=options.size * streams, seconds=perf_counter() - started)


async def _echo_each(host: Host, peer: PeerId, payload: bytes, waiting: Iterator[int]) -> None:
    for _ in waiting:
        await _echo_once(host, peer, payload)


async def _echo_once(host: Host, peer: PeerId, payload: bytes) -> None:
    """Send ``payload`` on a stream of its own, and check what comes back."""
    size = len(payload)
    async with await host.open_stream(peer, ECHO, relayed=True) as stream:
        if size <= _QUEUED_AT_ONCE:
            stream.write(payload)
            stream.close_write()
            answer = await stream.read_to_end(size)
        else:
            answer, _ = await asyncio.gather(stream.read_to_end(size), _write(stream, payload))
    if answer != payload:
        raise CommandError(f"echo returned {len(answer)} bytes that differ from the {size} sent")


async def _write(stream: Stream, payload: bytes) -> None:
    view = memoryview(payload)
    for start in range(0, len(payload), _BLOCK):
        stream.write(view[start : start + _BLOCK])
        await stream.drain()
    stream.close_write()


async def _perf(options: argparse.Namespace, host: Host, peer: PeerId) -> None:
    up_seconds = await _transfer(host, peer, options.streams, up=options.up)
    down_seconds = await _transfer(host, peer, options.streams, down=options.down)
    emit(
        "perf",
        up_bytes=options.up,
        up_seconds=up_seconds,
        down_bytes=options.down,
        down_seconds=down_seconds,
        streams=options.streams,
    )


async def _transfer(host: Host, peer: PeerId, streams: int, *, up: int = 0, down: int = 0) -> float:
    """Move bytes on so many streams at once, from the first open to the last end; return the seconds."""
    if not up and not down:
        return 0.0
    started = perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(streams):
            share = measure(
                host, peer, upload=_share(up, number, streams), download=_share(down, number, streams), relayed=True
            )
            group.create_task(share)
    return perf_counter() - started


def _share(total: int, number: int, parts: int) -> int:
    """Return the size of part ``number`` of ``total``, whose parts are as equal as can be."""
    return total // parts + (number < total % parts)


_VERBS: dict[str, Verb] = {"ping": _ping, "echo": _echo, "perf": _perf}

VERBS = ("ping", "identify", "echo", "perf", "connect", "hold", "dcutr")
"""What ``--do`` can be."""
