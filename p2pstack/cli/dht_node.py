"""A part in a DHT for commands that stay: a server beside ``listen``, and a topic's peers for ``sub`` and ``pub``.

What few of them need is loaded when it is needed: all that a process has loaded makes its garbage collections longer
(with SQLite a fifth fewer streams a second).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from p2pstack.cli.arguments import CommandError
from p2pstack.cli.output import Output, printable
from p2pstack.kad.protocols import PROTOCOL
from p2pstack.services.gossipsub.service import Gossipsub
from p2pstack.services.kad.config import KademliaConfig, Mode
from p2pstack.services.kad.results import Joined
from p2pstack.services.kad.service import Kademlia
from p2pstack.services.standard import Host

if TYPE_CHECKING:
    from p2pstack.services.gossipsub.discovery import TopicDiscovery

__all__ = ["add_entrance", "add_server", "check_server", "enter", "searching", "serving"]

JOIN_SECONDS = 15.0
"""For entering the network by those who are named."""


def add_entrance(parser: argparse.ArgumentParser, text: str) -> None:
    """Add by whom a DHT is entered, ``text`` says what for, and which one it is."""
    parser.add_argument("--bootstrap", action="append", default=[], metavar="ADDR", help=text)
    parser.add_argument("--dht-protocol", metavar="ID", help=f"the DHT's name (default: {PROTOCOL})")


# -- a server


def add_server(listen: argparse.ArgumentParser) -> None:
    """Add what makes a node a server."""
    listen.add_argument(
        "--dht", action="store_true", help="be a server of a Kademlia DHT, for `p2pstack dht` of others"
    )
    add_entrance(listen, "another node of the DHT, with /p2p/ID, to enter it by; the first node has none")
    listen.add_argument(
        "--dht-store", type=Path, metavar="FILE", help="keep what others store here over restarts (made if missing)"
    )


def check_server(options: argparse.Namespace) -> None:
    """Refuse what says something about a DHT where none is wanted.

    Raises:
        CommandError: naming the option.
    """
    given = {
        "--bootstrap": options.bootstrap,
        "--dht-protocol": options.dht_protocol,
        "--dht-store": options.dht_store,
    }
    for name, value in given.items():
        if value and not options.dht:
            raise CommandError(f"{name} is for --dht")


@contextlib.asynccontextmanager
async def serving(host: Host, options: argparse.Namespace, output: Output) -> AsyncIterator[Kademlia]:
    """Be a server meanwhile, enter by whom the arguments name, and show how that went.

    Raises:
        StorageError: the file of ``--dht-store`` can't be used.
    """
    bootstrap = tuple(options.bootstrap)
    config = KademliaConfig(protocol=_protocol(options), mode=Mode.SERVER, bootstrap=bootstrap)
    async with contextlib.AsyncExitStack() as stack:
        store = None
        if options.dht_store is not None:
            sqlite = import_module("p2pstack.services.kad.sqlite_store")
            opening = sqlite.SqliteStore.open(options.dht_store, config.kad, protocol=config.protocol)
            store = await stack.enter_async_context(await opening)
        dht = await stack.enter_async_context(Kademlia(host, config, store=store))
        entering = asyncio.create_task(_enter_and_show(dht, output))
        try:
            yield dht
        finally:
            entering.cancel()
            await asyncio.wait([entering])


async def _enter_and_show(dht: Kademlia, output: Output) -> None:
    if not dht.config.bootstrap:
        return
    joined = await dht.bootstrap(timeout=JOIN_SECONDS)
    failed = {address: str(error) for address, error in joined.failed.items()}
    output.result({"event": "dht-joined", "ok": bool(joined.reached), "peers": joined.size, "failed": failed})
    if joined.reached:
        output.line(f"The DHT is entered; peers known: {joined.size}", "green")
    for address, reason in failed.items():
        output.line(f"  not by {printable(address)}: {printable(reason)}", "yellow")
    if not joined.reached:
        output.line("Nobody of the DHT was reached; it is tried again every two minutes", "yellow")


# -- a client


async def enter(dht: Kademlia, addresses: Sequence[str], timeout: float) -> Joined:
    """Enter the network by at least one of ``addresses``, for whoever has but one question: nothing is looked up.

    Raises:
        CommandError: nobody was reached.
    """
    joined = await dht.bootstrap(addresses, timeout=timeout, refresh=False)
    if not joined.reached:
        failures = "; ".join(f"{address}: {error}" for address, error in joined.failed.items())
        raise CommandError(f"the DHT could not be entered: {failures}")
    return joined


@contextlib.asynccontextmanager
async def searching(
    host: Host, pubsub: Gossipsub, options: argparse.Namespace, output: Output
) -> AsyncIterator[TopicDiscovery | None]:
    """Find peers of topics by a DHT meanwhile, where the arguments name one.

    Raises:
        CommandError: it can't be entered.
    """
    if not options.bootstrap:
        yield None
        return
    config = KademliaConfig(protocol=_protocol(options), mode=Mode.CLIENT, bootstrap=tuple(options.bootstrap))
    async with Kademlia(host, config) as dht:
        joined = await enter(dht, options.bootstrap, options.timeout)
        reached = [str(peer) for peer in joined.reached]
        output.result({"event": "dht-joined", "ok": True, "reached": reached})
        output.line(f"  entered the DHT by {', '.join(reached)}", "dim")
        sources = import_module("p2pstack.services.gossipsub.discovery_sources")
        topics = import_module("p2pstack.services.gossipsub.discovery")
        async with topics.TopicDiscovery(pubsub, sources.DhtSource(dht)) as discovery:
            yield discovery


def _protocol(options: argparse.Namespace) -> str:
    return options.dht_protocol or PROTOCOL
