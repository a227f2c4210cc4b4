"""What ``p2pstack rendezvous …`` does: a point in a terminal, a registration, a question (specs/rendezvous.md)."""

from __future__ import annotations

import argparse
import asyncio

from p2pstack.cli.output import Output, printable
from p2pstack.cli.people_host import ALL_INTERFACES, open_host
from p2pstack.cli.running import run, stop_requests
from p2pstack.host.events import Event
from p2pstack.services.rendezvous.client import RendezvousClient
from p2pstack.services.rendezvous.client_config import RendezvousClientConfig
from p2pstack.services.rendezvous.events import NamespaceJoined, NamespaceLost, PeerRegistered, PeerUnregistered
from p2pstack.services.rendezvous.server import RendezvousServer
from p2pstack.services.standard import Host

__all__ = ["discover", "register", "serve_point"]


def serve_point(options: argparse.Namespace, output: Output) -> int:
    """Be a point, and show who registers, until Ctrl-C or SIGTERM."""
    run(_serve(options, output), options.loop)
    return 0


def register(options: argparse.Namespace, output: Output) -> int:
    """Be registered until Ctrl-C or SIGTERM."""
    run(_register(options, output), options.loop)
    return 0


def discover(options: argparse.Namespace, output: Output) -> int:
    """Show who is registered; 1 where nobody is."""
    return run(_discover(options, output), options.loop)


async def _serve(options: argparse.Namespace, output: Output) -> None:
    async with open_host(options, options.listen or [ALL_INTERFACES], [RendezvousServer]) as host:
        addresses = [str(address) for address in host.full_addresses]
        output.result({"event": "listening", "peer_id": str(host.peer_id), "addresses": addresses})
        output.heading(f"This rendezvous point is {host.peer_id}")
        output.fields([("listens on", addresses)])
        output.line("  Ctrl-C ends it.", "dim")
        await _show_until_stopped(host, output, PeerRegistered, PeerUnregistered)


async def _register(options: argparse.Namespace, output: Output) -> None:
    config = RendezvousClientConfig(timeout=options.timeout)
    async with (
        open_host(options, options.listen or [ALL_INTERFACES]) as host,
        RendezvousClient(host, options.at, config=config) as rendezvous,
    ):
        await rendezvous.register(options.namespace, ttl=options.ttl)
        points = [str(point) for point in rendezvous.registered[options.namespace]]
        addresses = [str(address) for address in host.full_addresses]
        output.result({"event": "registered", "peer_id": str(host.peer_id), "addresses": addresses, "points": points})
        output.heading(f"{host.peer_id} is to be found under {printable(options.namespace)}")
        output.fields([("is at", addresses), ("registered by", points)])
        output.line("  Ctrl-C ends it.", "dim")
        await _show_until_stopped(host, output, NamespaceJoined, NamespaceLost)


async def _discover(options: argparse.Namespace, output: Output) -> int:
    config = RendezvousClientConfig(timeout=options.timeout)
    async with open_host(options) as host, RendezvousClient(host, options.at, config=config) as rendezvous:
        found = await rendezvous.discover(options.namespace)
    for each in found:
        addresses = [f"{address}/p2p/{each.peer}" for address in each.addresses]
        output.result({"peer_id": str(each.peer), "namespace": each.namespace, "addresses": addresses})
        output.heading(str(each.peer))
        output.fields([("namespace", printable(each.namespace)), ("is at", addresses)])
    if not found:
        output.line("Nobody has registered.", "dim")
        return 1
    return 0


async def _show_until_stopped(host: Host, output: Output, *types: type[Event]) -> None:
    with stop_requests(stdin=False) as stop:
        async with host.events(*types) as events:
            stopped = asyncio.create_task(stop.wait())
            stopped.add_done_callback(lambda _: events.close())
            try:
                async for event in events:
                    _show(event, output)
            finally:
                stopped.cancel()


def _show(event: Event, output: Output) -> None:
    match event:
        case PeerRegistered(peer=peer, namespace=namespace, ttl=ttl, renewed=renewed):
            name = "renewed" if renewed else "registered"
            output.result({"event": name, "peer_id": str(peer), "namespace": namespace, "ttl": ttl})
            output.line(f"+ {peer} {name} under {printable(namespace)}, for {ttl} s", "dim" if renewed else "green")
        case PeerUnregistered(peer=peer, namespace=namespace, expired=expired):
            name = "expired" if expired else "unregistered"
            output.result({"event": name, "peer_id": str(peer), "namespace": namespace})
            output.line(f"- {peer} {name} under {printable(namespace)}", "red")
        case NamespaceJoined(point=point, ttl=ttl):
            output.result({"event": "joined", "point": str(point), "ttl": ttl})
            output.line(f"* {point} has registered us, for {ttl} s", "dim")
        case NamespaceLost(point=point, error=error, retry_in=retry_in):
            output.result({"event": "lost", "point": str(point), "error": str(error), "retry_in": retry_in})
            output.line(f"* {point} has not registered us: {printable(str(error))}", "red")
        case _:
            pass
