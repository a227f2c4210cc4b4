"""Kademlia of ``p2pstack peer``: a server beside ``listen``, and the verb ``dht``, one operation as a client."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from p2pstack.cli.arguments import CommandError, Commands, count, seconds
from p2pstack.cli.dht_operations import OPERATIONS, Outcome, Wish, operate
from p2pstack.cli.dht_series import Series, look_up
from p2pstack.cli.peer_host import emit, make_host, tracing
from p2pstack.errors import DecodeError
from p2pstack.identity.peer_id import PeerId
from p2pstack.kad.protocols import PROTOCOL
from p2pstack.services.kad.config import KademliaConfig, Mode
from p2pstack.services.kad.service import Kademlia
from p2pstack.services.standard import Host

__all__ = ["add_dht", "add_dht_server", "dht", "joining", "served", "use_dht"]

_JOIN_SECONDS = 15.0


class _AnyValue:
    """The namespace ``/test/`` of the peers: admits all, and of several values takes the greatest bytes."""

    def validate(self, key: bytes, value: bytes) -> None:
        """Return."""

    def select(self, key: bytes, values: Sequence[bytes]) -> int:
        """Return the index of the greatest."""
        return max(range(len(values)), key=lambda number: values[number])


# -- a server


def add_dht_server(listen: argparse.ArgumentParser) -> None:
    """Add the options of ``listen``."""
    listen.add_argument("--dht", action="store_true", help="also be a server of the Kademlia DHT")
    listen.add_argument("--dht-manual", action="store_true", help="no lookups of its own: connect to --bootstrap only")
    _add_network(listen)


def use_dht(host: Host, options: argparse.Namespace) -> Kademlia | None:
    """Let ``host`` be a server, where that is asked for."""
    if not options.dht:
        return None
    return _kademlia(host, options, Mode.SERVER, refresh=not options.dht_manual)


@contextlib.asynccontextmanager
async def joining(dht: Kademlia | None, host: Host, options: argparse.Namespace) -> AsyncIterator[None]:
    """Enter the network meanwhile, where there is somebody to enter by, and print how that went."""
    task = None
    if dht is not None and options.bootstrap:
        task = asyncio.create_task(_join(dht, host, options))
    try:
        yield
    finally:
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def _join(dht: Kademlia, host: Host, options: argparse.Namespace) -> None:
    started = asyncio.get_running_loop().time()
    if options.dht_manual:
        connecting = [host.connect(each, timeout=_JOIN_SECONDS) for each in options.bootstrap]
        results = await asyncio.gather(*connecting, return_exceptions=True)
        failures = [each for each in results if isinstance(each, BaseException)]
        ok, reason = len(failures) < len(results), "; ".join(map(str, failures))
    else:
        joined = await dht.bootstrap(options.bootstrap, timeout=_JOIN_SECONDS)
        ok, reason = bool(joined.reached), "; ".join(map(str, joined.failed.values()))
    peers = [str(each.peer) for each in dht.routing_table]
    duration = asyncio.get_running_loop().time() - started
    why = {"reason": reason} if reason else {}
    emit("dht-joined", ok=ok, size=len(peers), peers=peers, seconds=duration, **why)


def served(dht: Kademlia | None) -> dict[str, object]:
    """Return what the summary says of the DHT."""
    if dht is None:
        return {}
    requests = {name.removeprefix("served."): n for name, n in dht.counters.items() if name.startswith("served.")}
    peers = [str(each.peer) for each in dht.routing_table]
    return {"dht_requests": requests, "dht_table": len(peers), "dht_peers": peers}


# -- a client


def add_dht(verbs: Commands) -> argparse.ArgumentParser:
    """Add the verb ``dht``."""
    verb = verbs.add_parser("dht", help="enter a DHT at ADDR, do one thing, print its result")
    verb.add_argument("address", metavar="ADDR")
    verb.add_argument("key", metavar="KEY", help="a peer id for find-peer, else the raw key in hex")
    verb.add_argument("value", nargs="?", metavar="VALUE_HEX", help="put: the value")
    verb.add_argument("--do", choices=OPERATIONS, required=True)
    verb.add_argument("--wait", type=seconds, default=10.0, help="limit of the operation, in seconds")
    verb.add_argument("--count", type=count, default=1, help="closest: so many lookups, each for a key of its own")
    verb.add_argument("--window", type=count, default=1, help="with --count: so many of them at once")
    verb.add_argument("--warm", type=count, default=0, help="with --count: so many lookups before, not counted")
    verb.add_argument("--hold", type=seconds, default=0.0, help="listen, and stay so many seconds afterwards")
    _add_network(verb)
    return verb


def _add_network(verb: argparse.ArgumentParser) -> None:
    verb.add_argument("--dht-protocol", default=PROTOCOL, metavar="ID", help=f"default: {PROTOCOL}")
    verb.add_argument("--bootstrap", action="append", default=[], metavar="ADDR", help="(more) peers to enter by")


def _kademlia(host: Host, options: argparse.Namespace, mode: Mode, *, refresh: bool) -> Kademlia:
    config = KademliaConfig(protocol=options.dht_protocol, mode=mode, refresh=refresh)
    return Kademlia(host, config, validators={"test": _AnyValue()})


async def dht(options: argparse.Namespace) -> None:
    """Do one thing as a client.

    Raises:
        CommandError: the arguments can't be read.
        P2PError: ``ADDR`` can't be reached.
    """
    wish = _wish(options)
    # A provider is announced with its addresses, so it must have one; the others only dial.
    listen = ["/ip4/127.0.0.1/tcp/0"] if options.do == "provide" or options.hold else []
    with tracing(options) as sink:
        host = make_host(options, listen=listen, trace=sink)
        node = _kademlia(host, options, Mode.CLIENT, refresh=False)
        async with host:
            outcome, each = await _enter_and_operate(host, node, wish, options)
            _emit(wish, outcome, each)
            if options.hold:
                await asyncio.sleep(options.hold)


async def _enter_and_operate(
    host: Host, node: Kademlia, wish: Wish, options: argparse.Namespace
) -> tuple[Outcome, list[float]]:
    """Return what came out and, of a series, the seconds of each lookup."""
    for address in (options.address, *options.bootstrap):
        await host.connect(address, timeout=options.wait)
    joined = await node.bootstrap([options.address, *options.bootstrap], timeout=options.wait, refresh=False)
    if not joined.reached:
        return Outcome(reason="; ".join(map(str, joined.failed.values()))), []
    if options.count > 1:
        series = Series(count=options.count, window=options.window, warm=options.warm)
        return await look_up(node, wish.key, series, options.wait)
    return await operate(node, wish, options.wait), []


def _wish(options: argparse.Namespace) -> Wish:
    """Read what is to be done.

    Raises:
        CommandError: key or value can't be read, or the operation is none that is done many times.
    """
    if options.count > 1 and options.do != "closest":
        raise CommandError("--count is for --do closest alone")
    if (options.do == "put") != (options.value is not None):
        raise CommandError("put, and nothing else, wants KEY_HEX and VALUE_HEX")
    try:
        if options.do == "find-peer":
            return Wish(operation=options.do, peer=PeerId.from_string(options.key))
        return Wish(operation=options.do, key=bytes.fromhex(options.key), value=bytes.fromhex(options.value or ""))
    except DecodeError as error:
        raise CommandError(f"{options.key!r} is no peer id: {error}") from error
    except ValueError as error:
        raise CommandError("KEY_HEX and VALUE_HEX are hex digits") from error


def _emit(wish: Wish, outcome: Outcome, each: list[float]) -> None:
    progress = outcome.progress
    requests, failures = (progress.requests, progress.failures) if progress is not None else (0, 0)
    emit(
        "dht",
        op=wish.operation,
        ok=outcome.ok,
        peers=[{"id": str(peer), "addrs": [str(one) for one in addresses]} for peer, addresses in outcome.peers],
        value_hex=None if outcome.value is None else outcome.value.hex(),
        seconds=outcome.seconds,
        requests=requests,
        responses=requests - failures,
        failures=failures,
        **({"seconds_each": each} if each else {}),
        **({} if outcome.ok else {"reason": outcome.reason}),
    )
