"""``p2pstack discover``, and ``listen --mdns``: who is on the local network, with no address given."""

from __future__ import annotations

import argparse
import asyncio
import contextlib

from p2pstack.cli.arguments import Commands, seconds
from p2pstack.cli.output import Output
from p2pstack.cli.people_host import add_host_options, open_host
from p2pstack.cli.running import run
from p2pstack.errors import LocalError
from p2pstack.host.events import Event, EventStream
from p2pstack.mdns.config import MdnsConfig
from p2pstack.services.mdns.events import MdnsPeerExpired, MdnsPeerFound
from p2pstack.services.mdns.service import Mdns
from p2pstack.services.standard import Host

__all__ = ["LAN_EVENTS", "add_commands", "add_interfaces", "serve_mdns", "show_lan_event"]

LAN_EVENTS = (MdnsPeerFound, MdnsPeerExpired)


def add_commands(commands: Commands) -> None:
    """Add ``discover``."""
    discover = commands.add_parser(
        "discover",
        help="show which nodes are on the local network",
        description="Asks the local network by multicast (mDNS) which libp2p nodes there are, and shows who answers.",
    )
    discover.add_argument("--wait", type=seconds, default=3.0, metavar="S", help="for answers (default: 3)")
    add_interfaces(discover)
    add_host_options(discover)
    discover.set_defaults(run=_discover)


def add_interfaces(parser: argparse.ArgumentParser) -> None:
    """Add where to speak."""
    parser.add_argument(
        "--interface", dest="interfaces", action="append", metavar="NAME", help="mDNS there alone (default: all)"
    )


def serve_mdns(host: Host, options: argparse.Namespace, *, dial: bool = True) -> Mdns:
    """Let a host find peers, and be found, on the interfaces that the arguments name."""
    named = tuple(options.interfaces) if options.interfaces else None
    return Mdns(host, MdnsConfig(interfaces=named, dial=dial))


def show_lan_event(event: Event, output: Output) -> None:
    """Show who has come to the local network and who has left it."""
    match event:
        case MdnsPeerFound(peer=peer, addresses=addresses):
            output.result({"event": "mdns", "peer_id": str(peer), "addresses": [str(each) for each in addresses]})
            output.line(f"* {peer} is on this network, at {', '.join(map(str, addresses))}", "cyan")
        case MdnsPeerExpired(peer=peer):
            output.result({"event": "mdns-expired", "peer_id": str(peer)})
            output.line(f"* {peer} has left this network", "dim")
        case _:
            pass


def _discover(options: argparse.Namespace, output: Output) -> int:
    return run(_ask(options, output), options.loop)


async def _ask(options: argparse.Namespace, output: Output) -> int:
    """Show who answers; the exit status is 1 where nobody does."""
    async with (
        open_host(options) as host,
        host.events(MdnsPeerFound) as events,
        serve_mdns(host, options, dial=False) as mdns,
    ):
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(options.wait):
                await _show(events, output)
        if not mdns.segments:
            raise LocalError("no interface of this machine can be used for mDNS")
        if not mdns.peers:
            output.line("Nobody has answered.", "dim")
            return 1
    return 0


async def _show(events: EventStream, output: Output) -> None:
    async for event in events:
        if isinstance(event, MdnsPeerFound):
            output.result({"peer_id": str(event.peer), "addresses": [str(address) for address in event.addresses]})
            output.heading(str(event.peer))
            output.fields([("is at", [f"{address}/p2p/{event.peer}" for address in event.addresses])])
