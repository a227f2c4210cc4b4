"""``p2pstack demo --libp2p``: two hosts in one process that show, in seconds, what the stack does.

They talk over a real TCP connection on 127.0.0.1; nothing is listened on that other machines could reach.
"""

from __future__ import annotations

import argparse
from time import perf_counter

from p2pstack.aio.connection import Connection
from p2pstack.cli.arguments import CommandError
from p2pstack.cli.output import Output, data_size, duration, rate
from p2pstack.cli.people_host import info_fields, info_values
from p2pstack.cli.people_measure import percentile
from p2pstack.cli.running import run
from p2pstack.errors import DialError
from p2pstack.identity.keys import PrivateKey
from p2pstack.identity.multiaddrs import with_peer
from p2pstack.services.echo import ECHO, echo, serve_echo
from p2pstack.services.perf import measure, serve_perf
from p2pstack.services.standard import Host

__all__ = ["demo"]

LOOPBACK = "/ip4/127.0.0.1/tcp/0"
PINGS = 100
GREETING = "Hello from the other side of a Noise channel."


def demo(options: argparse.Namespace, output: Output) -> int:
    """Run the demonstration; ``options.size`` is that of the transfer, each way."""
    run(_show(options, output), options.loop)
    return 0


async def _show(options: argparse.Namespace, output: Output) -> None:
    started = perf_counter()
    alice, bob = Host(listen=[LOOPBACK]), Host(listen=[LOOPBACK])
    serve_echo(bob)
    serve_perf(bob)
    async with alice, bob:
        _show_identities(alice, bob, output)
        connection = await _show_upgrade(alice, bob, output)
        await _show_imposter(alice, bob, output)
        await _show_identify(alice, connection, output)
        await _show_ping(alice, connection, output)
        await _show_echo(alice, bob, output)
        if options.size:
            await _show_transfer(alice, bob, options.size, output)
        _show_usage(bob, output)
    seconds = perf_counter() - started
    output.result({"step": "end", "seconds": seconds})
    output.line()
    output.line(f"Both nodes are closed; nothing is left behind. That took {duration(seconds)}.", "bold green")


def _show_identities(alice: Host, bob: Host, output: Output) -> None:
    hosts = {"alice": alice, "bob": bob}
    addresses = {name: str(host.full_addresses[0]) for name, host in hosts.items()}
    output.result({"step": "identities", **addresses})
    output.heading("Two identities: an Ed25519 key each, whose public half is the peer id")
    output.fields(addresses.items())


async def _show_upgrade(alice: Host, bob: Host, output: Output) -> Connection:
    started = perf_counter()
    connection = await alice.connect(bob.full_addresses[0])
    seconds = perf_counter() - started
    output.result({"step": "connect", "seconds": seconds, "remote": str(connection.remote_address)})
    _heading(output, "alice dials bob: TCP, Noise XX, yamux")
    output.fields([("encrypted, authenticated and multiplexed after", duration(seconds))])
    return connection


async def _show_imposter(alice: Host, bob: Host, output: Output) -> None:
    """Dial bob's address as if another peer lived there: it has to be refused."""
    somebody = PrivateKey.generate().peer_id
    try:
        await alice.connect(with_peer(bob.addresses[0], somebody))
    except DialError as error:
        refusal = str(error.attempts[0][1])
    else:
        raise CommandError("a peer was accepted that is not the one that was dialled")
    output.result({"step": "imposter", "refusal": refusal})
    _heading(output, "alice dials bob's address, but expects somebody else there")
    output.fields([("refused", refusal)])


async def _show_identify(alice: Host, connection: Connection, output: Output) -> None:
    info = await alice.identify.wait(connection)
    output.result({"step": "identify", **info_values(info)})
    _heading(output, "identify: what bob tells of himself")
    output.fields(info_fields(info))


async def _show_ping(alice: Host, connection: Connection, output: Output) -> None:
    times = [await alice.ping(connection.peer_id) for _ in range(PINGS)]
    low, middle = min(times), percentile(times, 0.5)
    output.result({"step": "ping", "count": PINGS, "min_us": low * 1e6, "median_us": middle * 1e6})
    _heading(output, f"ping: {PINGS} round trips through all layers")
    output.fields([("best", duration(low)), ("median", duration(middle))])


async def _show_echo(alice: Host, bob: Host, output: Output) -> None:
    sent = GREETING.encode()
    started = perf_counter()
    answer = await echo(alice, bob.peer_id, sent)
    seconds = perf_counter() - started
    output.result({"step": "echo", "answer": answer.decode(), "seconds": seconds})
    _heading(output, f"A stream of its own that speaks {ECHO}")
    output.fields([("alice sends", GREETING), ("bob answers", answer.decode()), ("after", duration(seconds))])


async def _show_transfer(alice: Host, bob: Host, amount: int, output: Output) -> None:
    _heading(output, f"{data_size(amount)} up, then down, on one stream; both ends share this process")
    with output.progress("transfer", 2 * amount) as show:
        found = await measure(
            alice, bob.peer_id, upload=amount, download=amount, progress=lambda sent, got: show(sent + got)
        )
    output.result(
        {
            "step": "transfer",
            "bytes": amount,
            "up_seconds": found.upload_seconds,
            "down_seconds": found.download_seconds,
        }
    )
    output.fields([("up", rate(amount, found.upload_seconds)), ("down", rate(amount, found.download_seconds))])


def _show_usage(bob: Host, output: Output) -> None:
    usage = bob.usage()
    output.result({"step": "usage", **{name: [used.current, used.limit] for name, used in usage.items()}})
    _heading(output, "What peers take of bob, and may take at most")
    output.table(("limit", ">now", ">at most"), [(name, u.current, f"{u.limit:,}") for name, u in usage.items()])


def _heading(output: Output, text: str) -> None:
    output.line()
    output.heading(text)
