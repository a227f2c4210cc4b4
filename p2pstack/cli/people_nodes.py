"""``p2pstack listen``, ``dial`` and ``identify``: a node in a terminal, and who others are."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import Callable
from functools import partial
from time import perf_counter

from p2pstack.aio.connection import Connection
from p2pstack.cli.arguments import Commands
from p2pstack.cli.dht_node import add_server, check_server, serving
from p2pstack.cli.output import Output, duration, printable
from p2pstack.cli.people_discover import LAN_EVENTS, add_interfaces, serve_mdns, show_lan_event
from p2pstack.cli.people_host import (
    ALL_INTERFACES,
    LOCAL,
    add_host_options,
    add_target,
    info_fields,
    info_values,
    open_host,
    who_is,
)
from p2pstack.cli.running import run, stop_requests
from p2pstack.errors import P2PError
from p2pstack.host.events import ConnectionEnded, ConnectionOpened, Event, EventStream
from p2pstack.services.echo import serve_echo
from p2pstack.services.events import PeerIdentified
from p2pstack.services.perf import serve_perf
from p2pstack.services.standard import Host

__all__ = ["add_commands"]


def add_commands(commands: Commands) -> None:
    """Add ``listen``, ``dial`` and ``identify``."""
    listen = commands.add_parser(
        "listen",
        help="run a node and show who comes",
        description="Runs a node that answers identify and ping, and shows who comes, until Ctrl-C. Without ADDR it "
        "listens on 127.0.0.1 alone, with --mdns or --dht on all interfaces; /ip4/0.0.0.0/tcp/4001 is reached from "
        "elsewhere.",
    )
    listen.add_argument("addresses", nargs="*", metavar="ADDR")
    listen.add_argument("--echo", action="store_true", help="also serve /echo/1.0.0")
    listen.add_argument("--perf", action="store_true", help="also serve /perf/1.0.0: anybody may use your bandwidth")
    listen.add_argument("--mdns", action="store_true", help="find nodes on the local network, and connect to them")
    add_interfaces(listen)
    add_server(listen)
    listen.set_defaults(run=_listen)
    dial = commands.add_parser("dial", help="connect to a node and show who it is")
    dial.set_defaults(run=_dial)
    identify = commands.add_parser("identify", help="show everything that a node tells of itself")
    identify.set_defaults(run=_identify)
    for parser in (dial, identify):
        add_target(parser)
    for parser in (listen, dial, identify):
        add_host_options(parser)


def _listen(options: argparse.Namespace, output: Output) -> int:
    check_server(options)
    run(_serve(options, output), options.loop)
    return 0


async def _serve(options: argparse.Namespace, output: Output) -> None:
    serve: list[Callable[[Host], object]] = [
        add for wanted, add in ((options.echo, serve_echo), (options.perf, serve_perf)) if wanted
    ]
    if options.mdns:
        serve.append(partial(serve_mdns, options=options))
    default = ALL_INTERFACES if options.mdns or options.dht else LOCAL
    async with contextlib.AsyncExitStack() as stack:
        host = await stack.enter_async_context(open_host(options, options.addresses or [default], serve))
        if options.dht:
            await stack.enter_async_context(serving(host, options, output))
        addresses = [str(address) for address in host.full_addresses]
        output.result({"event": "listening", "peer_id": str(host.peer_id), "addresses": addresses})
        output.heading(f"This node is {host.peer_id}")
        output.fields([("listens on", addresses), ("serves", sorted(host.protocols))])
        output.line("  Ctrl-C ends it.", "dim")
        with stop_requests(stdin=False) as stop:
            async with host.events(ConnectionOpened, ConnectionEnded, PeerIdentified, *LAN_EVENTS) as events:
                stopped = asyncio.create_task(stop.wait())
                stopped.add_done_callback(lambda _: events.close())
                try:
                    await _show_events(events, output)
                finally:
                    stopped.cancel()


async def _show_events(events: EventStream, output: Output) -> None:
    async for event in events:
        _show_event(event, output)


def _show_event(event: Event, output: Output) -> None:
    match event:
        case ConnectionOpened(connection=connection):
            peer, where = str(connection.peer_id), str(connection.remote_address)
            output.result({"event": "connected", "peer_id": peer, "remote": where, "direction": connection.direction})
            output.line(f"+ {peer} from {where}", "green")
        case ConnectionEnded(connection=connection, reason=reason):
            peer = str(connection.peer_id)
            output.result({"event": "disconnected", "peer_id": peer, "reason": str(reason) if reason else None})
            output.line(f"- {peer}" + (f": {printable(str(reason))}" if reason else ""), "red")
        case PeerIdentified(peer=peer_id, info=info):
            output.result({"event": "identified", **info_values(info)})
            output.line(f"  {peer_id} is {printable(info.agent)}", "dim")
        case _:
            show_lan_event(event, output)


def _dial(options: argparse.Namespace, output: Output) -> int:
    run(_introduce(options, output), options.loop)
    return 0


async def _introduce(options: argparse.Namespace, output: Output) -> None:
    async with open_host(options) as host:
        started = perf_counter()
        connection = await host.connect(options.address, timeout=options.timeout)
        upgraded = perf_counter() - started
        info = await who_is(host, connection)
        round_trip = await _try_ping(host, connection)
        output.result(
            {
                "peer_id": str(connection.peer_id),
                "remote": str(connection.remote_address),
                "connect_seconds": upgraded,
                "ping_seconds": round_trip,
                "identify": info_values(info) if info is not None else None,
            }
        )
        output.heading(f"Connected to {connection.peer_id}")
        output.fields(
            [
                ("address", str(connection.remote_address)),
                ("secured by", "Noise XX, streams by yamux"),
                ("ready after", duration(upgraded)),
                ("ping", duration(round_trip) if round_trip is not None else "no answer"),
                *(info_fields(info) if info is not None else [("identify", "the peer does not tell who it is")]),
            ]
        )


async def _try_ping(host: Host, connection: Connection) -> float | None:
    with contextlib.suppress(P2PError):
        return await host.ping(connection.peer_id)
    return None


def _identify(options: argparse.Namespace, output: Output) -> int:
    run(_ask(options, output), options.loop)
    return 0


async def _ask(options: argparse.Namespace, output: Output) -> None:
    async with open_host(options) as host:
        connection = await host.connect(options.address, timeout=options.timeout)
        info = await host.identify.wait(connection, options.timeout)
        output.result(info_values(info))
        output.heading(str(info.peer))
        output.fields(info_fields(info))
