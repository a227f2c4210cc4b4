"""``p2pstack peer gossip``: joins a topic, publishes and counts. These loops are what benchmarks measure.

It waits for a mesh peer before it publishes, as the other peers do, and keeps the connections for a moment afterwards.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import Awaitable
from time import perf_counter, time_ns

from p2pstack.cli.arguments import CommandError
from p2pstack.cli.peer_host import emit, make_host, tracing
from p2pstack.cli.peer_inbox import HEADER, Inbox, counters, receive
from p2pstack.cli.pubsub_options import pubsub_config
from p2pstack.cli.running import raise_descriptor_limit, stop_requests
from p2pstack.connection.trace import TraceSink
from p2pstack.host.events import EventStream
from p2pstack.services.echo import serve_echo
from p2pstack.services.gossipsub.events import PeerGrafted
from p2pstack.services.gossipsub.service import Gossipsub
from p2pstack.services.perf import serve_perf

__all__ = ["MAX_BYTES", "gossip"]

MAX_BYTES = 1 << 28
"""Bytes that may wait in the subscription: as many messages as benchmarks send at once must not be dropped there."""

MESH_SECONDS = 10.0
"""For the first mesh peer."""

MESHES_SECONDS = 2.0
"""For all that were dialled to be in the mesh."""

PUBLISH_SECONDS = 30.0
"""How long one message waits for peers to take earlier ones."""


async def gossip(options: argparse.Namespace) -> None:
    """Do what the arguments say, and print the ``gossip`` event.

    Raises:
        CommandError: messages have no room for their number and time.
    """
    if options.publish and options.size < HEADER.size:
        raise CommandError(f"--size must be at least {HEADER.size}")
    raise_descriptor_limit()
    with tracing(options) as sink:
        await _run(options, sink)


async def _run(options: argparse.Namespace, sink: TraceSink | None) -> None:
    topic: str = options.topic
    listen = [f"/ip4/127.0.0.1/tcp/{options.port}"] if options.port is not None else []
    host = make_host(options, listen=listen, trace=sink)
    serve_echo(host)
    serve_perf(host)
    pubsub = Gossipsub(host, config=pubsub_config(options))
    grafts = host.events(PeerGrafted)
    async with host, grafts:
        inbox = Inbox(options.expect)
        subscription = pubsub.subscribe(topic, max_messages=options.sub_buffer, max_bytes=MAX_BYTES)
        reader = asyncio.create_task(receive(subscription, host.peer_id, inbox, quiet=options.quiet))
        try:
            if listen:
                emit("listening", addr=str(host.full_addresses[0]))
            for address in options.addresses:
                await host.connect(address)
            with stop_requests(stdin=False) as stop:
                values = await _exchange(options, pubsub, grafts, inbox, stop)
            emit("gossip", **values, counters=counters(pubsub, subscription.dropped), **inbox.summary())
        finally:
            subscription.close()
            await reader


async def _exchange(
    options: argparse.Namespace, pubsub: Gossipsub, grafts: EventStream, inbox: Inbox, stop: asyncio.Event
) -> dict[str, object]:
    """Publish and wait, until there is nothing to wait for, or ``stop`` is set; return what the event has of it."""
    mesh, mesh_seconds = await _wait_for_mesh(pubsub, grafts, options.topic, len(options.addresses), stop)
    started = perf_counter()
    sent = await _publish(pubsub, options, stop)
    publish_seconds = perf_counter() - started if options.publish else 0.0
    if options.expect:
        await _first(inbox.full.wait(), stop.wait(), seconds=options.wait)
    elif options.publish:
        await _first(stop.wait(), seconds=options.settle)
    else:
        await _first(stop.wait(), seconds=options.wait)
    return {
        "sent": sent,
        "seconds": perf_counter() - started,
        "mesh": mesh,
        "mesh_seconds": mesh_seconds,
        "publish_seconds": publish_seconds,
    }


async def _wait_for_mesh(
    pubsub: Gossipsub, grafts: EventStream, topic: str, dialled: int, stop: asyncio.Event
) -> tuple[int, float]:
    """Wait for one mesh peer, and a little for all that were dialled; return how many there are, and the seconds."""
    started = perf_counter()

    async def grafted(wanted: int) -> None:
        while len(pubsub.mesh(topic)) < wanted:
            await anext(grafts)

    await _first(grafted(1), stop.wait(), seconds=MESH_SECONDS)
    left = started + MESHES_SECONDS - perf_counter()
    if left > 0:
        wanted = min(dialled, pubsub.config.router.d_high)
        await _first(grafted(wanted), stop.wait(), seconds=left)
    return len(pubsub.mesh(topic)), perf_counter() - started


async def _publish(pubsub: Gossipsub, options: argparse.Namespace, stop: asyncio.Event) -> int:
    """Publish as many messages as are wanted, in time or as fast as peers take them; return how many it were."""
    topic, total, rate = options.topic, options.publish, options.rate
    rest = bytes(max(options.size - HEADER.size, 0))
    publish, pack, stopped = pubsub.publish, HEADER.pack, stop.is_set
    started = perf_counter()
    for number in range(total):
        if rate:
            early = started + number / rate - perf_counter()
            if early > 0:
                await asyncio.sleep(early)
        if stopped():
            return number
        await publish(topic, pack(number, time_ns()) + rest, peers=0, timeout=PUBLISH_SECONDS)
    return int(total)


async def _first(*waits: Awaitable[object], seconds: float) -> None:
    """Wait until one of ``waits`` has ended, or the time is over; the others are cancelled."""
    tasks = [asyncio.ensure_future(each) for each in waits]
    try:
        done, _ = await asyncio.wait(tasks, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            task.result()
    finally:
        for task in tasks:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task
